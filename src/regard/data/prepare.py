"""From a corpus to a folder of tokens, made once and then only opened.

The folder's name is a hash of all that its content depends on. It is made under a lock, beside its name, and
renamed when complete: whoever finds it finds all of it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import TypedDict

import sentencepiece
from filelock import FileLock, Timeout

from regard.data.corpus import SPLITS, MissingSplit, ParallelCorpus, Split
from regard.data.store import TokenFile, TokenWriter, disk_errors
from regard.data.tokenizer import LEARNED, Tokenizer, TokenizerSettings
from regard.data.vocabulary import train_tokenizer
from regard.errors import RegardError

# Part of the folder's name: raise it when the files change in form or meaning.
FORMAT = 1
# Lines that are encoded together.
CHUNK = 4096
SIDES = ("source", "target")


class Side(TypedDict):
    """One language of one part: all its tokens, and those of its longest line; specials not counted."""

    tokens: int
    longest: int


class Part(TypedDict):
    """What became of one part of a corpus."""

    pairs: int
    dropped_empty: int
    source: Side
    target: Side


class Prepared:
    """A prepared corpus, opened. ``report`` tells of every part that the corpus has.

    Args:
        folder: what ``prepare`` made.

    Raises:
        RegardError: ``folder`` is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        joint = (folder / "joint.model").is_file()
        try:
            self.report: dict[Split, Part] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
            models = [(folder / f"{name}.model").read_bytes() for name in (["joint"] if joint else SIDES)]
        except (OSError, ValueError) as error:
            raise RegardError(
                f"the prepared data in {folder} is damaged ({error}); remove that folder, and it will be made again"
            ) from error
        self.source_tokenizer = Tokenizer(models[0])
        self.target_tokenizer = self.source_tokenizer if joint else Tokenizer(models[1])

    def tokens(self, split: Split) -> tuple[TokenFile, TokenFile]:
        """The ids of source and target, row by row, without specials.

        Raises:
            MissingSplit: the corpus has no such part.
        """
        self._require(split)
        return TokenFile(self.folder / f"{split}.source"), TokenFile(self.folder / f"{split}.target")

    def texts(self, split: Split) -> tuple[list[str], list[str]]:
        """The lines of source and target as the corpus gave them; of validation and test only.

        Raises:
            MissingSplit: the corpus has no such part.
        """
        self._require(split)
        if split == "train":
            raise ValueError("the training text is not kept, only its tokens")
        source, target = (list(_lines(_text(self.folder, split, side))) for side in SIDES)
        return source, target

    def _require(self, split: Split) -> None:
        if split not in self.report:
            raise MissingSplit(f"this corpus has no {split} part; set data.{split}")


def prepare(corpus: ParallelCorpus, settings: TokenizerSettings, cache: Path, say: Callable[[str], None]) -> Prepared:
    """Make the corpus's folder in ``cache`` if it is not there, and open it.

    The vocabulary is learned from the training part alone, of which pairs with an empty side are dropped and
    counted. Memory does not grow with the corpus. Processes that call this at once make the folder once.

    Args:
        say: is given short lines on what goes on.

    Raises:
        RegardError: anything wrong with the text, the vocabulary or the disk; nothing half made is left.
    """
    corpus.check()
    basis = {
        "format": FORMAT,
        "corpus": corpus.fingerprint(),
        "tokenizer": settings.fingerprint(),
        "sentencepiece": sentencepiece.__version__,
    }
    name = hashlib.sha256(json.dumps(basis, sort_keys=True).encode()).hexdigest()[:16]
    folder = cache / name
    if folder.is_dir():
        return Prepared(folder)
    with disk_errors(cache):
        cache.mkdir(parents=True, exist_ok=True)
        with _locked(cache / f"{name}.lock", say):
            if folder.is_dir():
                return Prepared(folder)
            for leftover in cache.glob(f".{name}-*"):  # of a process that was killed here
                shutil.rmtree(leftover)
            with tempfile.TemporaryDirectory(dir=cache, prefix=f".{name}-") as beside:
                half = Path(beside) / name
                half.mkdir()
                _make(half, corpus, settings, say)
                if corpus.fingerprint() != basis["corpus"]:
                    raise RegardError("the text was changed while it was being prepared; start again")
                (half / "basis.json").write_text(json.dumps(basis, indent=1), encoding="utf-8")
                half.replace(folder)
    return Prepared(folder)


@contextmanager
def _locked(path: Path, say: Callable[[str], None]) -> Generator[None, None, None]:
    """Hold the lock at ``path``, which excludes other processes; say so if it has to be waited for."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say("another process is preparing this text: waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _make(folder: Path, corpus: ParallelCorpus, settings: TokenizerSettings, say: Callable[[str], None]) -> None:
    """Fill ``folder``. The text is read once, wholly, before anything is computed: its faults show early."""
    # The small parts first.
    counts = {split: copied for split in reversed(SPLITS) if (copied := _copy_text(folder, corpus, split))}
    kept, dropped = counts["train"]
    if dropped:
        say(f"left out {dropped:,} training pairs with an empty side")

    tokenizers = _learn(folder, settings, kept, say)
    say(f"encoding {sum(pairs for pairs, _ in counts.values()):,} pairs")
    report: dict[Split, Part] = {}
    for split in SPLITS:
        if split in counts:
            pairs, dropped = counts[split]
            source, target = (
                _encode(folder, split, side, tokenizer) for side, tokenizer in zip(SIDES, tokenizers, strict=True)
            )
            report[split] = {"pairs": pairs, "dropped_empty": dropped, "source": source, "target": target}
    for side in SIDES:
        _text(folder, "train", side).unlink()
    (folder / "report.json").write_text(json.dumps(report, indent=1), encoding="utf-8")


def _copy_text(folder: Path, corpus: ParallelCorpus, split: Split) -> tuple[int, int] | None:
    """Copy one part as two text files; the pairs kept and dropped, or None for a test part there is not."""
    kept = dropped = 0
    source_path, target_path = (_text(folder, split, side) for side in SIDES)
    with (
        source_path.open("w", encoding="utf-8", errors="replace", newline="\n") as sources,
        target_path.open("w", encoding="utf-8", errors="replace", newline="\n") as targets,
    ):
        try:
            for source, target in corpus.pairs(split):
                if split == "train" and not (source.strip() and target.strip()):
                    dropped += 1
                    continue
                kept += 1
                if "\n" in source or "\n" in target:
                    raise RegardError(
                        f"pair {kept + dropped} of the {split} part has a newline in it, one line a "
                        "side was expected; let the corpus replace it with a space"
                    )
                sources.write(source + "\n")
                targets.write(target + "\n")
        except MissingSplit:
            if split != "test":
                raise
            source_path.unlink()
            target_path.unlink()
            return None
    if not kept:
        found = f"all {dropped:,} pairs have an empty side" if dropped else "it is empty"
        raise RegardError(f"data.{split}: no usable pair, {found}; give text with at least one pair of lines")
    return kept, dropped


def _learn(
    folder: Path, settings: TokenizerSettings, pairs: int, say: Callable[[str], None]
) -> tuple[Tokenizer, Tokenizer]:
    """The vocabularies of source and target, learned from the training text: one and the same if joint."""
    verb = "training" if settings.kind in LEARNED else "using"
    source_path, target_path = (_text(folder, "train", side) for side in SIDES)
    if settings.joint:
        say(f"{verb} {settings} on {pairs:,} pairs")
        # In turn, so that a sample sees both languages alike.
        alternating = chain.from_iterable(zip(_lines(source_path), _lines(target_path), strict=True))
        joint = train_tokenizer(alternating, settings)
        (folder / "joint.model").write_bytes(joint.model)
        return joint, joint
    say(f"{verb} {settings} for each side on {pairs:,} pairs")
    source = train_tokenizer(_lines(source_path), settings, "the source side of the training text")
    target = train_tokenizer(_lines(target_path), settings, "the target side of the training text")
    (folder / "source.model").write_bytes(source.model)
    (folder / "target.model").write_bytes(target.model)
    return source, target


def _encode(folder: Path, split: Split, side: str, tokenizer: Tokenizer) -> Side:
    lines = _lines(_text(folder, split, side))
    with TokenWriter(folder / f"{split}.{side}", tokenizer.vocab_size) as writer:
        while chunk := list(islice(lines, CHUNK)):
            writer.append(tokenizer.encode_batch(chunk))
    return {"tokens": writer.tokens, "longest": writer.longest}


def _lines(path: Path) -> Iterator[str]:
    """The lines of a text file written here: ended by a newline and by nothing else."""
    with path.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            yield line[:-1]


def _text(folder: Path, split: Split, side: str) -> Path:
    return folder / f"{split}.{side}.txt"
