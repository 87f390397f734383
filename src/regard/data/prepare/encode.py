"""Encoding shards of text as token ids, in this process or in several worker processes.

The workers are plain subprocesses (``python -m regard.data.prepare.encode``) instead of multiprocessing's: they import
neither torch nor the main program, do not interfere with torch's threads, and end even if this process is killed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TypedDict

from regard.data.prepare import shards
from regard.data.prepare.shards import chunks, read_json_lines
from regard.data.prepare.store import TokenWriter
from regard.data.tokenizer.tokenizer import Tokenizer
from regard.errors import RegardError
from regard.files import NO_SPACE

CHUNK_CHARACTERS = 1 << 18
"""Number of characters that are encoded together."""


class WorkerFailed(RegardError):
    """A worker failed for a reason other than the text. Shards that are encoded are kept."""


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
    """Encode each column of a shard, with the tokenizer of that name, into ``tokens_folder(text)``.

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
                columns = zip(*map(json.loads, lines), strict=True)
                for name, texts in zip(tokenizers, columns, strict=True):
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
    threads = ThreadPoolExecutor(workers)  # each thread waits for one process
    try:
        for text, _ in zip(texts, threads.map(lambda text: _in_a_process(text, models), texts), strict=True):
            yield text
    finally:
        threads.shutdown(cancel_futures=True)


def _load(models: Mapping[str, Path]) -> dict[str, Tokenizer]:
    return {name: Tokenizer(path.read_bytes()) for name, path in models.items()}


def _in_a_process(text: Path, models: Mapping[str, Path]) -> None:
    arguments = [str(text), *(f"{name}={path}" for name, path in models.items())]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "regard.data.prepare.encode", *arguments],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode == 0:
        return
    if done.returncode in NO_SPACE:
        raise OSError(done.returncode, os.strerror(done.returncode))
    if done.returncode < 0:
        raise WorkerFailed(
            f"a process that encoded text was killed by signal {-done.returncode}, possibly out of memory; "
            "lower batches.preparation_workers and start again: encoded shards are kept"
        )
    raise WorkerFailed(f"a process that encoded {text} failed: {done.stderr.strip().rpartition(chr(10))[2]}")


def main(text: str, *models: str) -> None:
    """Encode one shard. ``models`` are ``COLUMN=FILE``. If the disk is full, the exit code is the errno."""
    try:
        tokenizers = _load({name: Path(path) for name, _, path in (each.partition("=") for each in models)})
        encode_shard(Path(text), tokenizers, num_threads=1)
    except OSError as error:
        sys.exit(error.errno if error.errno in NO_SPACE else f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
