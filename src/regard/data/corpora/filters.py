"""Which training records are worth learning from.

A filter is a frozen dataclass: its fields are a part of what prepared data is named by.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol

from regard.data.corpora.corpus import Record
from regard.errors import UsageError

Keeps = Callable[[Record], bool]


class Filter(Protocol):
    """A test of records. Implement this in a frozen dataclass to bring one of your own."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def start(self, columns: tuple[str, ...]) -> Keeps:
        """A function that says which of the records, given to it one by one, to keep.

        Raises:
            UsageError: the filter cannot work on records with these columns.
        """
        ...


@dataclass(frozen=True)
class Length:
    """Keeps records in which every column is as long as is wanted.

    Args:
        min_words, max_words: words are what lies between white space; None is no limit.
        min_characters, max_characters: for languages that put none between words.

    Raises:
        UsageError: not whole numbers.
    """

    min_words: int | None = None
    max_words: int | None = None
    min_characters: int | None = None
    max_characters: int | None = None

    def __post_init__(self) -> None:
        for key, number in vars(self).items():  # from YAML: of any type
            if number is not None and (type(number) is not int or number < 0):
                raise UsageError(f"batches.filters: {key}={number}: give a whole number, 0 or more, or null")

    def start(self, columns: tuple[str, ...]) -> Keeps:
        """See ``Filter.start``."""
        return lambda record: all(self._fits(text) for text in record)

    def _fits(self, text: str) -> bool:
        if not _within(len(text), self.min_characters, self.max_characters):
            return False
        if self.min_words is None and self.max_words is None:
            return True
        return _within(len(text.split()), self.min_words, self.max_words)


@dataclass(frozen=True)
class LengthRatio:
    """Keeps pairs of which the longer side has at most ``largest`` times the characters of the shorter.

    Raises:
        UsageError: ``largest`` is below 1.
    """

    largest: float

    def __post_init__(self) -> None:
        if not isinstance(self.largest, int | float) or self.largest < 1:
            raise UsageError(f"batches.filters: largest={self.largest}: give a ratio, 1 or more")

    def start(self, columns: tuple[str, ...]) -> Keeps:
        """See ``Filter.start``; raises UsageError for records without two columns."""
        _need_pairs(self, columns)
        return lambda record: max(map(len, record)) <= self.largest * min(map(len, record))


@dataclass(frozen=True)
class NoCopies:
    """Keeps pairs whose sides differ, white space and case aside: what was never translated teaches to copy."""

    def start(self, columns: tuple[str, ...]) -> Keeps:
        """See ``Filter.start``; raises UsageError for records without two columns."""
        _need_pairs(self, columns)
        return lambda record: len({" ".join(text.casefold().split()) for text in record}) > 1


@dataclass(frozen=True)
class NoDuplicates:
    """Keeps the first of records that are exactly the same.

    Remembers 8 bytes a distinct record, in a table that is at most two thirds full and doubles: 12 to 24 bytes a
    record while preparing, 36 in the moment of doubling. The one part of preparing whose memory grows with the
    corpus. Of n records, some n^2 / 2^65 are dropped wrongly, as their hashes collide: one in a thousand
    preparations of 200 million records.
    """

    def start(self, columns: tuple[str, ...]) -> Keeps:
        """See ``Filter.start``."""
        return HashSet().add


class HashSet:
    """A set of records, of which only 64-bit hashes are held, by open addressing."""

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 << 10))
        self._used = 0

    def add(self, record: Record) -> bool:
        """Whether the record is new; then it is in the set."""
        digest = hash_record(record) or 1  # 0 is an empty slot
        place = self._find(digest)
        if self._slots[place] == digest:
            return False
        self._slots[place] = digest
        self._used += 1
        if 3 * self._used > 2 * len(self._slots):
            self._double()
        return True

    def _find(self, digest: int) -> int:
        slots, last = self._slots, len(self._slots) - 1
        place = digest & last
        while slots[place] not in (0, digest):
            place = (place + 1) & last
        return place

    def _double(self) -> None:
        before, self._slots = self._slots, array("Q", bytes(16 * len(self._slots)))
        for digest in before:
            if digest:
                self._slots[self._find(digest)] = digest


def hash_record(record: Record) -> int:
    """64 bits of BLAKE2b, the same on every machine."""
    digest = hashlib.blake2b(digest_size=8)
    for text in record:
        content = text.encode("utf-8", "replace")
        digest.update(len(content).to_bytes(8, "little") + content)
    return int.from_bytes(digest.digest(), "little")


def describe(filters: Mapping[str, Filter]) -> list[dict[str, object]]:
    """What the filters are, as plain JSON values."""
    return [{"name": name, "filter": _identity(type(each)), **asdict(each)} for name, each in filters.items()]


def _identity(kind: type) -> str:
    """The name of a class in fingerprints. Where regard's own are in regard does not matter to what they do."""
    return f"{'regard' if kind.__module__ == __name__ else kind.__module__}.{kind.__qualname__}"


def select(
    records: Iterable[Record], filters: Mapping[str, Filter], columns: tuple[str, ...], dropped: dict[str, int]
) -> Iterator[Record]:
    """The records without an empty side that every filter keeps; counts the others in ``dropped``, by filter."""
    tests: list[tuple[str, Keeps]] = [("empty", lambda record: all(map(str.strip, record)))]
    tests += [(name, each.start(columns)) for name, each in filters.items()]
    dropped.update({name: 0 for name, _ in tests})
    for record in records:
        for name, keeps in tests:
            if not keeps(record):
                dropped[name] += 1
                break
        else:
            yield record


def _within(number: int, least: int | None, most: int | None) -> bool:
    return (least is None or least <= number) and (most is None or number <= most)


def _need_pairs(each: object, columns: tuple[str, ...]) -> None:
    if len(columns) != 2:
        raise UsageError(
            f"batches.filters: {type(each).__name__} compares source and target, but this corpus has only "
            f"{', '.join(columns)}; leave it out"
        )
