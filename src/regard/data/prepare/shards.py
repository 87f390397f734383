"""Shards: the text of a corpus in files of some megabytes, so that work on it can be distributed and resumed.

Each line of a shard is one record, a JSON list of its texts, which preserves newlines. A temporary file is renamed when
complete, so that readers never see a part of a shard.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import TypedDict, TypeVar

from regard.data.corpora.corpus import IMAGE, Corpus, MissingSplit, Record, Split, record_noun
from regard.data.corpora.filters import Filter, select
from regard.data.prepare.progress import Progress
from regard.errors import RegardError
from regard.files import replacing

SHARD_CHARACTERS = 1 << 23
"""A shard ends with the record at which it reaches this number of characters. It is held in memory until then."""

SHARD_RECORDS = 1 << 12
"""The same for a corpus with images, whose shards end with this number of records."""

REPORT_EVERY = 1 << 12

Item = TypeVar("Item")

_ENCODER = json.JSONEncoder(ensure_ascii=False)  # json.dumps would create one per record


class CopiedPart(TypedDict):
    """One part of a corpus as shards: their number, the number of records, and the dropped records by filter."""

    shards: int
    records: int
    dropped: dict[str, int]


def copy_part(
    folder: Path, corpus: Corpus, split: Split, filters: Mapping[str, Filter], progress: Progress
) -> CopiedPart | None:
    """Copy one part into ``folder`` as shards. Existing shards are not written again.

    Filters apply to the training part only. Returns None if the corpus has no test part.

    Raises:
        RegardError: an error in the text, or no usable record.
    """
    dropped: dict[str, int] = {}
    shards = records = 0
    try:
        found = corpus.records(split)
        kept = select(found, filters, corpus.columns, dropped) if split == "train" else found
        lines = _counted(map(_ENCODER.encode, kept), f"reading the {split} part", progress)
        for shard in _image_chunks(lines) if IMAGE in corpus.columns else chunks(lines, SHARD_CHARACTERS, len):
            path = shard_path(folder, split, shards)
            if not path.exists():
                _write(path, shard)
            shards, records = shards + 1, records + len(shard)
    except MissingSplit:
        if split != "test":
            raise
        return None
    if not records:
        name, lost = record_noun(corpus.columns), sum(dropped.values())
        why = f"all {lost:,} {name} were dropped ({describe_dropped(dropped)})" if lost else "it is empty"
        more = "" if split == "train" else ", or hold out a larger share"
        raise RegardError(f"data.{split}: no usable {name[:-1]}, {why}; give text with at least one{more}")
    return {"shards": shards, "records": records, "dropped": dropped}


def read_shard(path: Path) -> Iterator[Record]:
    """Yield the records of a shard."""
    for line in read_json_lines(path):
        yield tuple(json.loads(line))


def read_json_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a shard, each the JSON of a record."""
    with path.open(encoding="utf-8", newline="\n") as file:
        yield from file


def shard_path(folder: Path, split: Split, number: int) -> Path:
    """Return the path of a shard of text. The folder of its tokens is beside it."""
    return folder / f"{split}.{number:05d}.jsonl"


def chunks(items: Iterable[Item], limit: int, size: Callable[[Item], int]) -> Iterator[list[Item]]:
    """Yield consecutive items in lists. A list ends with the item at which its total size reaches ``limit``."""
    gathered: list[Item] = []
    total = 0
    for item in items:
        gathered.append(item)
        total += size(item)
        if total >= limit:
            yield gathered
            gathered, total = [], 0
    if gathered:
        yield gathered


def describe_dropped(dropped: Mapping[str, int]) -> str:
    """Describe the number of records that each filter dropped: ``3 empty, 12 length_ratio``."""
    return ", ".join(f"{count:,} {name}" for name, count in dropped.items() if count)


def _counted(lines: Iterable[str], activity: str, progress: Progress) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        yield line
        if number % REPORT_EVERY == 0:
            progress(activity, number, None)


def _image_chunks(lines: Iterable[str]) -> Iterator[list[str]]:
    """Yield consecutive lines in lists of about SHARD_RECORDS. All captions of an image are in one list."""
    by_image = (list(group) for _, group in groupby(lines, key=lambda line: json.loads(line)[0]))
    for groups in chunks(by_image, SHARD_RECORDS, len):
        yield [line for group in groups for line in group]


def _write(path: Path, lines: list[str]) -> None:
    # Lone surrogates, which UTF-8 cannot hold, become question marks.
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)
