"""The corpus of an existing run, encoded for its model."""

from __future__ import annotations

from collections.abc import Callable

from regard.data.datamodule import CorpusData
from regard.instantiate import build
from regard.runs.folder import RunFolder, find_checkpoint
from regard.training.checkpoint import read_checkpoint, read_tokenizers


def load_corpus(run: RunFolder, say: Callable[[str], None]) -> CorpusData:
    """Return the data module of ``run`` with the vocabularies of its checkpoint.

    They are not learned again: the text may have changed since. ``say`` receives messages about the preparation of
    the text. Raises UsageError if the run has no checkpoint yet.
    """
    tokenizers = read_tokenizers(read_checkpoint(find_checkpoint(run.path)))
    batches: CorpusData = build(run.config()["batches"], tokenizers=tokenizers, say=say)
    return batches
