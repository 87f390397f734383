"""Numbers: heads, alignments, neighbours."""
