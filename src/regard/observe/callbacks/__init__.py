"""Lightning callbacks that look at the model after a validation."""
