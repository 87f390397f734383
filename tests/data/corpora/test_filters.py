"""Filters: the dropped records and their number."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from regard.data.corpora.corpus import PAIR, TEXT, Record
from regard.data.corpora.filters import Filter, HashSet, Length, LengthRatio, NoCopies, NoDuplicates, describe, select
from regard.errors import UsageError


def kept(each: Filter, records: list[Record]) -> list[Record]:
    keeps = each.start(TEXT if len(records[0]) == 1 else PAIR)
    return [record for record in records if keeps(record)]


def test_length_limits_every_column_and_the_limits_are_inclusive() -> None:
    records = [("a", "b c"), ("a b", "c d"), ("a b c", "d e"), ("a b", "c d e f")]
    assert kept(Length(min_words=2, max_words=3), records) == [("a b", "c d"), ("a b c", "d e")]
    assert kept(Length(min_characters=2, max_characters=5), [("ab",), ("a",), ("abcde",), ("abcdef",)]) == [
        ("ab",),
        ("abcde",),
    ]
    assert kept(Length(), records) == records


def test_the_ratio_applies_to_the_longer_side() -> None:
    records = [("abcd", "xy"), ("xy", "abcd"), ("abcde", "xy"), ("xy", "abcde")]
    assert kept(LengthRatio(2.0), records) == records[:2]


def test_copies_are_recognised_by_their_words() -> None:
    assert kept(NoCopies(), [("A  dog", "a dog "), ("a dog", "ein Hund")]) == [("a dog", "ein Hund")]


def test_the_first_of_several_duplicates_is_kept() -> None:
    records = [("a", "b"), ("ab", ""), ("a", "c"), ("a", "b"), ("", "ab"), ("a", "c")]
    assert kept(NoDuplicates(), records) == [("a", "b"), ("ab", ""), ("a", "c"), ("", "ab")]


def test_a_filter_has_no_state_between_starts() -> None:
    duplicates = NoDuplicates()
    assert kept(duplicates, [("a",)]) == kept(duplicates, [("a",)]) == [("a",)]


def test_the_hash_set_is_a_set_with_24_bytes_per_record() -> None:
    drawn = [(str(i * i % 100_003),) for i in range(100_000)]
    found, seen = HashSet(), set()
    for record in drawn:
        assert found.add(record) == (record not in seen)
        seen.add(record)
    assert found._slots.itemsize * len(found._slots) <= 24 * len(seen)


@dataclass(frozen=True)
class Shouts:
    """A filter of a user."""

    mark: str = "!"

    def start(self, columns: tuple[str, ...]):
        return lambda record: not record[0].endswith(self.mark)


def test_dropped_records_are_counted_by_filter() -> None:
    records = [("a", ""), (" ", "b"), ("a!", "b"), ("a b!", "c"), ("a", "b"), ("a b c", "d")]
    dropped: dict[str, int] = {}
    filters = {"quiet": Shouts(), "short": Length(max_words=1)}
    assert list(select(records, filters, PAIR, dropped)) == [("a", "b")]
    assert dropped == {"empty": 2, "quiet": 2, "short": 1}


def test_the_description_depends_on_fields_names_and_order() -> None:
    one = describe({"a": Length(max_words=3), "b": NoCopies()})
    assert one == describe({"a": Length(max_words=3), "b": NoCopies()})
    for other in ({"a": Length(max_words=4), "b": NoCopies()}, {"b": NoCopies(), "a": Length(max_words=3)}, {}):
        assert one != describe(other)


@pytest.mark.parametrize("each", [LengthRatio(2.0), NoCopies()])
def test_a_filter_that_compares_sides_is_an_error_for_documents(each: Filter) -> None:
    name = type(each).__name__
    with pytest.raises(UsageError, match=f"batches.filters: {name} compares source and target, .* only text; remove"):
        each.start(TEXT)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Length(max_words="two"), "max_words=two: expected an integer >= 0"),
        (lambda: Length(min_words=-1), "min_words=-1"),
        (lambda: LengthRatio(0.5), "largest=0.5: expected a number >= 1"),
    ],
)
def test_settings_are_checked(make, words: str) -> None:
    with pytest.raises(UsageError, match=f"batches.filters: {words}"):
        make()
