"""Training: the LightningModule, optimizer schedule, checkpoints."""
