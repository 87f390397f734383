"""Start, resume, cancel and monitor runs, on this machine or on SLURM."""
