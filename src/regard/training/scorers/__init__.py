"""What a task reports beyond the loss."""
