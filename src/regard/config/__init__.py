"""From the command line to frozen run folders: Hydra composes, regard checks."""
