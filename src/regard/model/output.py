"""The output layer of a model whose logits are not products with the embedding."""

from collections.abc import Callable

from torch import nn

OutputFactory = Callable[[int, int], nn.Linear]
"""Makes the output layer from ``dim`` and ``vocab_size``."""


def separate(dim: int, vocab_size: int, bias: bool = False) -> nn.Linear:
    """x W + b, with weights that are not those of the embedding."""
    return nn.Linear(dim, vocab_size, bias)
