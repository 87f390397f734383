"""Training: the one LightningModule, optimizer and schedule, checkpoints, callbacks."""
