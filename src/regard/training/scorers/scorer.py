"""The protocol of a scorer: the metrics of a task other than the loss, and examples to read and to look into."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from regard.data.batching import Batch
from regard.data.corpora.corpus import Corpus, Record, Split

if TYPE_CHECKING:
    from regard.training.task import Task


class Sample(NamedTuple):
    """One row of an evaluated split: the source, the reference and the output of the model.

    output: a text, or the pixels of an image
    """

    source: str
    reference: str
    output: Any


class ProbeExample(NamedTuple):
    """An input whose attention is recorded, and the reason for its selection.

    key: text that identifies the example
    given: the input, as `regard.data.sources.source.Source.encode` takes it; None for a language model
    forced: the text that the decoder reads; None for the output of the model
    reference: the correct output, if it is known
    """

    reason: str
    key: str
    given: Any | None
    forced: str | None = None
    reference: str | None = None


class EvaluatedData(Protocol):
    """The splits that a task is evaluated on."""

    corpus: Corpus

    def texts(self, split: Split) -> tuple[list[str], ...]:
        """Return the texts of a split, one list for each column."""

    def records(self, split: Split) -> Iterator[Record]:
        """Yield the records of a split one by one, without holding all of them in memory."""

    def size(self, split: Split) -> tuple[int, int]:
        """Return the number of target tokens of a split, ends included, and of bytes of their text in UTF-8."""

    def inputs(self, values: Sequence[str]) -> list[Any]:
        """Return the inputs of a generator that these values of the first column stand for."""


class Scorer(Protocol):
    """Computes the metrics of a task, other than the loss, and samples of its outputs."""

    def outputs(self, task: Task, batch: Batch, split: Split) -> dict[int, Any]:
        """Return outputs of the model by row of the split, for rows of one batch."""

    def samples(self, task: Task, split: Split, outputs: dict[int, Any]) -> list[Sample]:
        """Return the samples of a split, given the outputs of all its batches."""

    def scores(self, task: Task, split: Split, loss: float, samples: list[Sample]) -> dict[str, float]:
        """Return the metrics of a split. ``loss`` is the mean over its target tokens in nats."""

    def score_sample(self, sample: Sample) -> float | None:
        """Return the score of one sample, 0 to 100; None if single samples have no score."""

    def signatures(self) -> dict[str, str]:
        """Return the signatures of the metrics that have one. Call it after ``scores``."""

    def given_examples(self, task: Task, texts: Sequence[str]) -> list[ProbeExample]:
        """Return the examples that the user names in ``callbacks.attention.texts``. Warn of those that are cut."""

    def fixed_examples(self, task: Task, count: int, longest: int) -> list[ProbeExample]:
        """Return the first ``count`` validation examples of at most ``longest`` tokens."""

    def rated_examples(self, task: Task, longest: int) -> Iterator[tuple[tuple[float, int], ProbeExample]]:
        """Yield examples of the latest validation with a sort key that is smaller for a worse one.

        The reason of each example states its score.
        """
