"""From the command line to frozen run folders: compose with Hydra, check, freeze."""
