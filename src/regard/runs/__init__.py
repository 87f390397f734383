"""The run folder, and the work that its configuration describes."""
