"""Weights & Biases: the logger, offline files, panels."""
