"""Text that a language model writes: as it is drawn, or a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from regard.inference.decoding import Sampling
from regard.inference.language_model import LanguageModel

ROWS_TOGETHER = 64
BAR_CELLS = 40


class Continuation(NamedTuple):
    """One continuation: of which prompt, which of several, and its text without the prompt."""

    prompt: str
    number: int
    text: str


class Writer(NamedTuple):
    """How to write: with which model and sampling, how much, how often, and the seed of it all.

    ``warn`` is told of prompts that are longer than the context.
    """

    language_model: LanguageModel
    sampling: Sampling
    max_new_tokens: int
    number: int
    seed: int
    warn: Callable[[str], None]

    def stream(self, prompt: str) -> Iterator[str]:
        """The one continuation of ``prompt``, bit by bit; never half a character."""
        ids, shown = self.read(prompt, 1), 0
        tokenizer, read = self.language_model.tokenizer, list(ids)
        begin = len(tokenizer.decode(read))
        seeds = [[self.seed, 0, 0]]
        for _, token in self.language_model.generate([ids], self.sampling, self.max_new_tokens, seeds):
            read.append(token)
            text = tokenizer.decode(read)[begin:]
            if not text.endswith("\N{REPLACEMENT CHARACTER}"):  # bytes that may yet become a character
                yield text[shown:]
                shown = len(text)
        yield tokenizer.decode(read)[begin + shown :]

    def write(self, prompts: Iterable[str], together: int = ROWS_TOGETHER) -> Iterator[Continuation]:
        """``number`` continuations of each prompt, in order; alike however many are written ``together``."""
        rows = ((line, prompt, number) for line, prompt in enumerate(prompts, start=1) for number in range(self.number))
        tokenizer = self.language_model.tokenizer
        while chunk := list(islice(rows, together)):
            ids = [self.read(prompt, line, quiet=number > 0) for line, prompt, number in chunk]
            written = [list(row) for row in ids]
            seeds = [[self.seed, line - 1, number] for line, _, number in chunk]
            for row, token in self.language_model.generate(ids, self.sampling, self.max_new_tokens, seeds):
                written[row].append(token)
            for (_, prompt, number), before, after in zip(chunk, ids, written, strict=True):
                yield Continuation(prompt, number, tokenizer.decode(after)[len(tokenizer.decode(before)) :])

    def read(self, prompt: str, line: int, quiet: bool = False) -> list[int]:
        """The tokens of the prompt on that line; warns of one that is cut, unless ``quiet``."""
        ids, cut = self.language_model.encode_prompt(prompt)
        if cut and not quiet:
            limit = self.language_model.model.max_length
            self.warn(f"prompt {line}: longer than the context of {limit} tokens, its last {limit} are read")
        return ids


def print_next_tokens(writer: Writer, prompt: str, count: int, console: Console) -> None:
    """A table of the ``count`` likeliest next tokens with the probabilities they are drawn with, but for those at 0."""
    ids = writer.read(prompt, 1)
    probabilities = writer.sampling.probabilities(writer.language_model.next_logits(ids)[None])[0]
    top = probabilities.topk(min(count, int(probabilities.count_nonzero())))
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("token", no_wrap=True)
    table.add_column("probability", justify="right")
    table.add_column("", no_wrap=True)
    pieces = writer.language_model.tokenizer.pieces(top.indices.tolist())
    for piece, probability in zip(pieces, top.values.tolist(), strict=True):
        table.add_row(Text(piece), f"{probability:.2%}", "█" * round(BAR_CELLS * probability))
    console.print(table)
