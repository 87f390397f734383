"""What encoders have in common: an encoded source, and pretrained weights."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol, runtime_checkable

from jaxtyping import Bool, Float
from torch import Tensor


class Encoded(NamedTuple):
    """An encoded source: its vectors, and a mask that is False at padding."""

    states: Float[Tensor, "batch source dim"]
    mask: Bool[Tensor, "batch source"]


@runtime_checkable
class Pretrained(Protocol):
    """An encoder that a run starts with weights from elsewhere.

    Its constructor does not read them, since a checkpoint contains all weights. A run loads them before its first step,
    unless it starts with a checkpoint.
    """

    def read_pretrained(self) -> Mapping[str, Tensor] | None:
        """Return these weights; None to start with random weights. Raises RegardError if they cannot be used."""

    def load_pretrained(self) -> None:
        """Load `read_pretrained`."""
