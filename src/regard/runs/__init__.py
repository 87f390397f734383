"""The run folder, and the work that it describes."""
