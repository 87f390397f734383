"""The protocol of a source: how the input of an encoder is read, collated and displayed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from regard.data.tokenizer.tokenizer import Tokenizer


@runtime_checkable
class Source(Protocol):
    """What the memory of a model is made from. A model without an encoder has no source.

    An *example* is one encoded input: the argument of `collate`. Positions of the memory are the key positions of
    cross-attention.
    """

    @property
    def tokenizer(self) -> Tokenizer | None:
        """The tokenizer of a text; None for an image."""
        ...

    @property
    def grid(self) -> tuple[int, int] | None:
        """Rows and columns of the positions in an image; None for a text."""
        ...

    def read(self, argument: str) -> Any:
        """Return the input that an argument of the command line stands for.

        Raises UsageError if it is not usable.
        """

    def encode(self, inputs: Sequence[Any]) -> tuple[list[Any], list[int]]:
        """Return the example of each input, and the indices of the inputs that were cut to the limit of the model."""

    def collate(self, examples: Sequence[Any]) -> Tensor:
        """Return a batch for the encoder; its first axis is the batch."""

    def length(self, example: Any) -> int:
        """Return the number of positions of an example in the memory."""

    def labels(self, row: Tensor) -> list[str]:
        """Return a label for each position of the memory, given one row of a batch. Padding has none."""

    def describe(self, given: Any) -> str:
        """Return the text that stands for an input on pages."""
