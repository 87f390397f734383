"""The protocol of generators: a trained model together with its tokenizers, as verbs and observation use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

from torch import nn

from regard.data.sources.source import Source
from regard.data.tokenizer.tokenizer import Tokenizer
from regard.model.encoders.with_encoder import WithEncoder
from regard.model.transformer import Transformer

Scored = list[tuple[int, float]]
"""The tokens of a text, its end included, with their log-probabilities (natural)."""


class ForcedExample(NamedTuple):
    """An input and an output of a model, ready for a forced pass.

    source: example of the source (see `Source`); None without an encoder
    output: token ids, without ``</s>``
    source_text, target_text: what stands for them on pages
    """

    source: Any | None
    output: list[int]
    source_text: str
    target_text: str


class EmbeddingTable(NamedTuple):
    """The module with an input embedding (its attribute ``tokens``), and the tokenizer of its rows."""

    embedding: nn.Module
    tokenizer: Tokenizer


@runtime_checkable
class Generator(Protocol):
    """A model that is used. Each task has one class.

    noun: what the model is, for messages, with its article
    verb: the verb that runs it
    source_option: the option of `regard attend` for its input; None if it has only a text
    input_noun: what it reads, with its article
    input_files: the options of `regard evaluate` and `regard heads` for the user's own files; None if there are none
    source: reads the input of the encoder; None without an encoder
    """

    noun: ClassVar[str]
    verb: ClassVar[str]
    source_option: ClassVar[str | None]
    input_noun: ClassVar[str]
    input_files: ClassVar[str | None]

    @property
    def model(self) -> WithEncoder: ...

    @property
    def source(self) -> Source | None: ...

    def embedding_tables(self) -> Mapping[str, EmbeddingTable]:
        """Return the input embeddings by side: ``source`` if there is one of text, and ``target``."""

    @classmethod
    def try_next(cls, run: str, example: str) -> list[str]:
        """Return commands to try after training, in a shell. ``example`` is an input of `example`, quoted."""


@runtime_checkable
class TextGenerator(Generator, Protocol):
    """A model that writes text.

    target_tokenizer: tokenizer of the output
    """

    target_tokenizer: Tokenizer

    @property
    def model(self) -> Transformer: ...

    def forced_example(self, given: Any | None, target: str | None, beam_size: int, alpha: float) -> ForcedExample:
        """Return an input with ``target``, or with the output of the model if it is None, cut to the model's limit."""

    def score(self, lines: Sequence[str], first: int) -> list[Scored]:
        """Return the score of each line; ``first`` is the number of the first line, for messages.

        Raises RegardError, naming the line, if it has not the format that the task expects or exceeds the limit.
        """
