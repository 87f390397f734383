"""Translation of a stream of lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from regard.data.corpora.reading.lines import decoded_lines as decoded_lines
from regard.inference.translator import Translator

CHUNK_LINES = 2048


def translate_lines(
    translator: Translator,
    lines: Iterable[str],
    beam_size: int,
    alpha: float,
    warn: Callable[[str], None],
    chunk_lines: int = CHUNK_LINES,
) -> Iterator[str]:
    """Yield the translation of each line, in order. The translation of an empty line is empty.

    ``chunk_lines`` lines are read and sorted by length together. ``warn`` is called for each line that is cut.
    """
    source, done = iter(lines), 0
    while chunk := list(islice(source, chunk_lines)):
        filled = [number for number, line in enumerate(chunk) if line.strip()]
        rows, cut = translator.source.encode([chunk[number] for number in filled])
        for number in cut:
            limit = translator.model.max_length
            warn(
                f"line {done + filled[number] + 1} is longer than the limit of the model ({limit} tokens): the rest is "
                "not translated"
            )
        outputs = [""] * len(chunk)
        for number, hypothesis in translator.generate(rows, beam_size, alpha):
            outputs[filled[number]] = translator.text(hypothesis)
        yield from outputs
        done += len(chunk)
