"""Preparing a corpus: a folder of tokens that is made once and then only opened.

The name of the folder is a hash of everything that its content depends on. It is made under a lock in a temporary
folder that is renamed when complete, so that readers never see a part of it. Preparing resumes after an interruption.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

import sentencepiece
from filelock import FileLock, Timeout

from regard.data.corpora.corpus import IMAGE, Corpus, MissingSplit, Record, Split, text_columns
from regard.data.corpora.filters import Filter, describe
from regard.data.images.store import ImageFile
from regard.data.prepare.encode import Column
from regard.data.prepare.images import ImageSettings
from regard.data.prepare.progress import Progress, ProgressLines
from regard.data.prepare.shards import read_shard
from regard.data.prepare.stages import run_stages
from regard.data.prepare.store import TokenFile
from regard.data.prepare.workers import WorkerFailed
from regard.data.tokenizer.tokenizer import Tokenizer, Tokenizers, TokenizerSettings
from regard.errors import RegardError, UsageError
from regard.files import disk_errors
from regard.machine import available_processors

# Part of the fingerprint: raise it when the format or the meaning of the files changes.
FORMAT = 4
# The same for the files of images, and the way in which they are resized.
IMAGE_FORMAT = 1


class Part(TypedDict):
    """Report on one prepared part of a corpus.

    dropped: number of records that each filter dropped
    sha256: digest of the token ids of all columns
    """

    records: int
    dropped: dict[str, int]
    sha256: str
    columns: dict[str, Column]


class Prepared:
    """A prepared corpus. ``report`` has an entry for every part of the corpus.

    Args:
        folder: folder that ``prepare`` made.

    Raises:
        RegardError: ``folder`` is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        joint = (folder / "joint.model").is_file()
        try:
            self.report: dict[Split, Part] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
            self.columns: tuple[str, ...] = tuple(json.loads((folder / "basis.json").read_bytes())["columns"])
            names = ["joint"] if joint else text_columns(self.columns)
            models = [(folder / f"{name}.model").read_bytes() for name in names]
        except (OSError, ValueError, KeyError) as error:
            raise RegardError(
                f"the prepared data in {folder} is damaged ({error}); remove that folder, and it will be made again"
            ) from error
        tokenizers = [Tokenizer(model) for model in models]
        self.tokenizers = Tokenizers(tokenizers[0], tokenizers[-1])
        self.source_tokenizer, self.target_tokenizer = self.tokenizers

    @property
    def digest(self) -> str:
        """Digest of the tokens of the training and validation parts. Does not depend on where they were prepared."""
        parts = [self.report[split]["sha256"] for split in ("train", "validation")]
        return hashlib.sha256("".join(parts).encode()).hexdigest()

    def references(self, split: Split) -> TokenFile:
        """Return the reference of the image of each record, in UTF-8, if the images are not stored.

        Raises:
            MissingSplit: the corpus has no such part.
        """
        self._require(split)
        return TokenFile(self.folder / f"{split}.{IMAGE}")

    def images(self, split: Split) -> ImageFile:
        """Return the image of each record, if the images are stored.

        Raises:
            MissingSplit: the corpus has no such part.
        """
        self._require(split)
        return ImageFile(self.folder / f"{split}.{IMAGE}")

    def tokens(self, split: Split) -> tuple[TokenFile, ...]:
        """Return the token ids of each column with text, without special tokens.

        Raises:
            MissingSplit: the corpus has no such part.
        """
        self._require(split)
        return tuple(TokenFile(self.folder / f"{split}.{column}") for column in text_columns(self.columns))

    def texts(self, split: Split) -> tuple[list[str], ...]:
        """Return the original texts of each column, for validation and test only.

        Raises:
            MissingSplit: the corpus has no such part.
        """
        records = list(self.records(split))
        return tuple([record[number] for record in records] for number in range(len(self.columns)))

    def records(self, split: Split) -> Iterator[Record]:
        """Stream the original records, for validation and test only.

        Raises:
            MissingSplit: the corpus has no such part.
        """
        self._require(split)
        if split == "train":
            raise ValueError("only the tokens of the training part are stored, not its text")
        return read_shard(self.folder / f"{split}.jsonl")

    def _require(self, split: Split) -> None:
        if split not in self.report:
            raise MissingSplit(f"this corpus has no {split} part; set data.{split}, or choose another part (--split)")


def prepare(
    corpus: Corpus,
    settings: TokenizerSettings,
    cache: Path,
    say: Callable[[str], None],
    filters: Mapping[str, Filter] | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    given: Tokenizers | None = None,
    images: ImageSettings | None = None,
) -> Prepared:
    """Prepare the corpus in a folder in ``cache`` unless it exists, and open it.

    Args:
        settings: settings with which vocabularies are learned.
        say: called with each message for the user.
        filters: filters of training records by name, applied in this order.
        workers: number of processes that encode a large corpus; None for the number of available processors.
        progress: called with the progress; None to report it to ``say`` at intervals.
        given: the vocabularies of an existing model; None to learn them from the training part.
        images: how images are prepared, for a corpus that has any.

    Raises:
        UsageError: ``workers`` is below 1, or a filter does not apply to the corpus.
        RegardError: an error in the text, the vocabulary or the disk; no partial result is left.
        WorkerFailed: a process was killed; the next call resumes.
    """
    if workers is not None and (type(workers) is not int or workers < 1):
        raise UsageError(f"batches.preparation_workers={workers}: expected an integer >= 1, or null")
    corpus.check()
    filters = filters or {}
    basis: dict[str, object] = {
        "format": FORMAT,
        "corpus": corpus.fingerprint(),
        "columns": list(corpus.columns),
        "filters": describe(filters),
        "sentencepiece": sentencepiece.__version__,
    }
    if images is not None:
        basis["images"] = {"format": IMAGE_FORMAT, **images._asdict()}
    if given is None:
        basis["tokenizer"] = settings.fingerprint()
    else:
        # Usually the vocabularies were learned from the same text, which is then already prepared.
        if settings.kind != "existing":  # its file may no longer exist
            learned = cache / _name(basis | {"tokenizer": settings.fingerprint()})
            if learned.is_dir() and (prepared := Prepared(learned)).tokenizers == given:
                return prepared
        basis["tokenizer"] = given.fingerprint()
    name = _name(basis)
    folder, partial = cache / name, cache / f".{name}-partial"
    if folder.is_dir():
        return Prepared(folder)
    with disk_errors(cache):
        cache.mkdir(parents=True, exist_ok=True)
        with _locked(cache / f"{name}.lock", say):
            if folder.is_dir():
                return Prepared(folder)
            try:
                workers = workers or available_processors()
                whole = run_stages(
                    partial, corpus, settings, given, images, filters, workers, say, progress or ProgressLines(say)
                )
                if corpus.fingerprint() != basis["corpus"]:
                    raise RegardError("the text changed while it was being prepared; start again")
            except WorkerFailed:
                raise  # as after a kill or Ctrl-C: the next call resumes from the partial folder
            except (RegardError, OSError):
                shutil.rmtree(partial, ignore_errors=True)
                raise
            (whole / "basis.json").write_text(json.dumps(basis, indent=1), encoding="utf-8")
            whole.replace(folder)
            shutil.rmtree(partial, ignore_errors=True)
    return Prepared(folder)


def _name(basis: dict[str, object]) -> str:
    """Return the name of the folder whose content depends on ``basis`` only."""
    return hashlib.sha256(json.dumps(basis, sort_keys=True).encode()).hexdigest()[:16]


@contextmanager
def _locked(path: Path, say: Callable[[str], None]) -> Generator[None, None, None]:
    """Hold the lock at ``path`` against other processes. Report a wait for it."""
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
