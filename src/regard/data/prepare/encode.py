"""Encoding shards of text as token ids, in this process or in several worker processes, which do not import torch."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TypedDict

from regard.data.prepare import shards
from regard.data.prepare.shards import chunks, read_json_lines
from regard.data.prepare.store import TokenWriter
from regard.data.prepare.workers import run_as_worker, run_workers
from regard.data.tokenizer.tokenizer import Tokenizer

CHUNK_CHARACTERS = 1 << 18
"""Number of characters that are encoded together."""


class Column(TypedDict):
    """A column of a part: number of tokens, tokens of its longest text (both without special tokens), UTF-8 bytes."""

    tokens: int
    longest: int
    bytes: int


def tokens_folder(text: Path) -> Path:
    """Return the folder for the tokens of a shard of text: ``<column>.ids`` etc., and ``report.json``."""
    return text.with_suffix("")


def read_report(text: Path) -> dict[str, Column]:
    """Read the report on the columns of an encoded shard."""
    report: dict[str, Column] = json.loads((tokens_folder(text) / "report.json").read_text(encoding="utf-8"))
    return report


def encode_shard(text: Path, tokenizers: Mapping[str, Tokenizer], num_threads: int) -> None:
    """Encode the last columns of a shard, with the tokenizers of their names, into ``tokens_folder(text)``.

    A temporary folder is renamed when complete, so that readers never see a part of it.
    """
    with tempfile.TemporaryDirectory(dir=text.parent, prefix=".shard-") as temporary:
        half = Path(temporary) / "shard"
        half.mkdir()
        sizes = dict.fromkeys(tokenizers, 0)
        with ExitStack() as open_files:
            writers = {
                name: open_files.enter_context(TokenWriter(half / name, tokenizer.vocab_size))
                for name, tokenizer in tokenizers.items()
            }
            for lines in chunks(read_json_lines(text), CHUNK_CHARACTERS, len):
                columns = list(zip(*map(json.loads, lines), strict=True))
                for name, texts in zip(tokenizers, columns[-len(tokenizers) :], strict=True):
                    writers[name].append(tokenizers[name].encode_batch(texts, num_threads))
                    sizes[name] += sum(len(each.encode()) for each in texts)
        report: dict[str, Column] = {
            name: {"tokens": writer.tokens, "longest": writer.longest, "bytes": sizes[name]}
            for name, writer in writers.items()
        }
        (half / "report.json").write_text(json.dumps(report), encoding="utf-8")
        # A worker that outlived its parent may have been faster: it wrote the same content.
        if not tokens_folder(text).exists():
            half.replace(tokens_folder(text))


def encode_shards(texts: Sequence[Path], models: Mapping[str, Path], workers: int) -> Iterator[Path]:
    """Encode shards in up to ``workers`` concurrent processes. Yield each shard, in order, when it is done.

    Text that fits in one shard is encoded in this process, which is faster than starting others.

    Args:
        models: path of the SentencePiece model of each column.

    Raises:
        OSError: for example, the disk is full.
        WorkerFailed: a process was killed or failed.
    """
    if workers == 1 or sum(text.stat().st_size for text in texts) <= shards.SHARD_CHARACTERS:
        tokenizers = _load(models)
        for text in texts:
            encode_shard(text, tokenizers, num_threads=workers)
            yield text
        return
    arguments = [f"{name}={path}" for name, path in models.items()]
    tasks = [[str(text), *arguments] for text in texts]
    for text, _ in zip(texts, run_workers("regard.data.prepare.encode", tasks, workers), strict=True):
        yield text


def _load(models: Mapping[str, Path]) -> dict[str, Tokenizer]:
    return {name: Tokenizer(path.read_bytes()) for name, path in models.items()}


def main(text: str, *models: str) -> None:
    """Encode one shard. ``models`` are ``COLUMN=FILE``."""
    tokenizers = _load({name: Path(path) for name, _, path in (each.partition("=") for each in models)})
    encode_shard(Path(text), tokenizers, num_threads=1)


if __name__ == "__main__":
    run_as_worker(main, sys.argv[1:])
