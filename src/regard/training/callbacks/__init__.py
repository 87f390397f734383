"""Lightning callbacks: metrics, checkpoints, moving average."""
