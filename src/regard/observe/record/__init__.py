"""Record attention maps, kernels, vectors and likelihoods of one forward pass, with their tokens."""
