"""Lightning callbacks that inspect the model after each validation."""
