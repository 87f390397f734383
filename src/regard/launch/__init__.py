"""Starting, resuming, cancelling and watching runs, here or on SLURM."""
