"""Text generation with a language model: streamed token by token, or in batches of prompts."""

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
    """A continuation: its prompt, its number among those of the prompt, and its text without the prompt."""

    prompt: str
    number: int
    text: str


class Writer(NamedTuple):
    """Generates ``number`` continuations per prompt, of at most ``max_new_tokens``, with a seed.

    ``warn`` is called for each prompt that is longer than the context.
    """

    language_model: LanguageModel
    sampling: Sampling
    max_new_tokens: int
    number: int
    seed: int
    warn: Callable[[str], None]

    def stream(self, prompt: str) -> Iterator[str]:
        """Yield the text of one continuation of ``prompt`` as it is generated, in complete characters."""
        ids, shown = self.encode(prompt, 1), 0
        tokenizer, read = self.language_model.target_tokenizer, list(ids)
        begin = len(tokenizer.decode(read))
        seeds = [[self.seed, 0, 0]]
        for _, token in self.language_model.generate([ids], self.sampling, self.max_new_tokens, seeds):
            read.append(token)
            text = tokenizer.decode(read)[begin:]
            if not text.endswith("\N{REPLACEMENT CHARACTER}"):  # possibly an incomplete character
                yield text[shown:]
                shown = len(text)
        yield tokenizer.decode(read)[begin + shown :]

    def write(self, prompts: Iterable[str], together: int = ROWS_TOGETHER) -> Iterator[Continuation]:
        """Yield the continuations of each prompt, in order. They do not depend on the batch size ``together``."""
        rows = ((line, prompt, number) for line, prompt in enumerate(prompts, start=1) for number in range(self.number))
        tokenizer = self.language_model.target_tokenizer
        while chunk := list(islice(rows, together)):
            ids = [self.encode(prompt, line, quiet=number > 0) for line, prompt, number in chunk]
            written = [list(row) for row in ids]
            seeds = [[self.seed, line - 1, number] for line, _, number in chunk]
            for row, token in self.language_model.generate(ids, self.sampling, self.max_new_tokens, seeds):
                written[row].append(token)
            for (_, prompt, number), before, after in zip(chunk, ids, written, strict=True):
                yield Continuation(prompt, number, tokenizer.decode(after)[len(tokenizer.decode(before)) :])

    def encode(self, prompt: str, line: int, quiet: bool = False) -> list[int]:
        """Return the tokens of the prompt on line ``line``. Warn if it is cut, unless ``quiet``."""
        ids, cut = self.language_model.encode_prompt(prompt)
        if cut and not quiet:
            limit = self.language_model.model.max_length
            self.warn(f"prompt {line} is longer than the context: only its last {limit} tokens are read")
        return ids


def print_next_tokens(writer: Writer, prompt: str, count: int, console: Console) -> None:
    """Print the ``count`` most likely next tokens and their sampling probabilities, without those of probability 0."""
    ids = writer.encode(prompt, 1)
    probabilities = writer.sampling.probabilities(writer.language_model.next_logits(ids)[None])[0]
    top = probabilities.topk(min(count, int(probabilities.count_nonzero())))
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("token", no_wrap=True)
    table.add_column("probability", justify="right")
    table.add_column("", no_wrap=True)
    pieces = writer.language_model.target_tokenizer.pieces(top.indices.tolist())
    for piece, probability in zip(pieces, top.values.tolist(), strict=True):
        table.add_row(Text(piece), f"{probability:.2%}", "█" * round(BAR_CELLS * probability))
    console.print(table)
