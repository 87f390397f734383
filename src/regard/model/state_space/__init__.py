"""State-space models as mixers: their cost grows linearly with the length of a sequence."""
