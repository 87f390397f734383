"""Training with several processes: ranks, and sharding with FSDP2."""
