"""The model that draws: a stack of layers over the patches of a noisy image, which reads an encoded prompt."""
