"""Runs: composing and freezing them, their folders, the work."""
