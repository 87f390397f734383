"""Log to Weights & Biases: logger, offline files, panels."""
