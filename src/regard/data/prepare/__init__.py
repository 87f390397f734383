"""From the records of a corpus to memory-mapped token ids."""
