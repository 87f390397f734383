"""Filters of training records.

A filter is a frozen dataclass: its fields are part of the fingerprint of prepared data.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol

from regard.data.corpora.corpus import Record, text_columns
from regard.errors import UsageError

Predicate = Callable[[Record], bool]


class Filter(Protocol):
    """A test of records. Implement this protocol in a frozen dataclass to add a filter."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def start(self, columns: tuple[str, ...]) -> Predicate:
        """Return a function that is called with each record in order and returns whether to keep it.

        Raises:
            UsageError: the filter does not apply to records with these columns.
        """
        ...


@dataclass(frozen=True)
class Length:
    """Keeps records in which the length of every column is within limits.

    Args:
        min_words, max_words: words are separated by white space; None for no limit.
        min_characters, max_characters: for languages without white space between words.

    Raises:
        UsageError: a limit is not an integer >= 0.
    """

    min_words: int | None = None
    max_words: int | None = None
    min_characters: int | None = None
    max_characters: int | None = None

    def __post_init__(self) -> None:
        for key, number in vars(self).items():  # from YAML: of any type
            if number is not None and (type(number) is not int or number < 0):
                raise UsageError(f"batches.filters: {key}={number}: expected an integer >= 0, or null")

    def start(self, columns: tuple[str, ...]) -> Predicate:
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
    """Keeps pairs whose longer side has at most ``largest`` times as many characters as the shorter side.

    Raises:
        UsageError: ``largest`` is below 1.
    """

    largest: float

    def __post_init__(self) -> None:
        if not isinstance(self.largest, int | float) or self.largest < 1:
            raise UsageError(f"batches.filters: largest={self.largest}: expected a number >= 1")

    def start(self, columns: tuple[str, ...]) -> Predicate:
        """See ``Filter.start``; raises UsageError for records without two columns."""
        _need_pairs(self, columns)
        return lambda record: max(map(len, record)) <= self.largest * min(map(len, record))


@dataclass(frozen=True)
class NoCopies:
    """Keeps pairs whose sides differ in more than white space and case: untranslated pairs teach a model to copy."""

    def start(self, columns: tuple[str, ...]) -> Predicate:
        """See ``Filter.start``; raises UsageError for records without two columns."""
        _need_pairs(self, columns)
        return lambda record: len({" ".join(text.casefold().split()) for text in record}) > 1


@dataclass(frozen=True)
class NoDuplicates:
    """Keeps the first of several identical records.

    Stores a hash of 8 bytes per distinct record, in a table that is at most two thirds full and doubles: 12 to 24
    bytes per record, 36 while doubling. This is the only part of preparing whose memory grows with the corpus. Of n
    records, about n^2 / 2^65 are dropped wrongly because their hashes collide: one in a thousand preparations of 200
    million records.
    """

    def start(self, columns: tuple[str, ...]) -> Predicate:
        """See ``Filter.start``."""
        return HashSet().add


class HashSet:
    """A set of records that stores 64-bit hashes only, with open addressing."""

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 << 10))
        self._used = 0

    def add(self, record: Record) -> bool:
        """Add the record, and return whether it was new."""
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
    """Return 64 bits of BLAKE2b, the same on every machine."""
    digest = hashlib.blake2b(digest_size=8)
    for text in record:
        content = text.encode("utf-8", "replace")
        digest.update(len(content).to_bytes(8, "little") + content)
    return int.from_bytes(digest.digest(), "little")


def describe(filters: Mapping[str, Filter]) -> list[dict[str, object]]:
    """Return the filters as plain JSON values, for fingerprints."""
    return [{"name": name, "filter": _identity(type(each)), **asdict(each)} for name, each in filters.items()]


def _identity(kind: type) -> str:
    """Return the name of a class for fingerprints. That of regard's own classes does not depend on their module."""
    return f"{'regard' if kind.__module__ == __name__ else kind.__module__}.{kind.__qualname__}"


def select(
    records: Iterable[Record], filters: Mapping[str, Filter], columns: tuple[str, ...], dropped: dict[str, int]
) -> Iterator[Record]:
    """Yield the records that have no empty side and pass every filter; count the others in ``dropped``, by filter."""
    texts = text_columns(columns)
    tests: list[tuple[str, Predicate]] = [("empty", lambda record: all(map(str.strip, record)))]
    tests += [(name, each.start(texts)) for name, each in filters.items()]
    dropped.update({name: 0 for name, _ in tests})
    for record in records:
        for name, keeps in tests:
            if not keeps(record[-len(texts) :]):
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
            f"{', '.join(columns)}; remove the filter"
        )
