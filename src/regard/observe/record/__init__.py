"""Recording: attention maps, vectors, likelihoods of one forward pass, with their tokens."""
