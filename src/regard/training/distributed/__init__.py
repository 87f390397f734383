"""Several processes: ranks, and sharding with FSDP2."""
