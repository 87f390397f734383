"""Initialisation of linear layers."""

from torch import nn


def initialise_linear(layer: nn.Linear) -> None:
    """Initialise a linear layer: weights as in Glorot and Bengio 2010, equation 16, and zero biases."""
    nn.init.xavier_uniform_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
