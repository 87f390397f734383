"""Record attention maps, vectors and likelihoods of one forward pass, with their tokens."""
