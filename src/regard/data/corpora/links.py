"""Word links: which words of a sentence translate which, in the format of Pharaoh (Koehn 2004).

A line a pair of sentences: ``0-0 1-2 3?2``. Words are split at white space and counted from 0, the source's first;
``-`` is a sure link, ``?`` or ``p`` a possible one (Och and Ney 2003).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

from regard.data.corpora.corpus import Split
from regard.data.corpora.reading.lines import read_lines
from regard.errors import RegardError

Link = tuple[int, int]
"""The numbers of a source word and of a target word."""


class Links(NamedTuple):
    """The links of a pair that are right, and those that are not wrong, with the former among them."""

    sure: frozenset[Link]
    possible: frozenset[Link]

    def reordered(self) -> bool:
        """Whether the order of the words changes: two sure links cross."""
        return any(a < c and b > d for a, b in self.sure for c, d in self.sure)

    def __str__(self) -> str:
        """In the format of Pharaoh."""
        links = sorted(self.possible | self.sure)
        return " ".join(f"{source}{'-' if (source, target) in self.sure else '?'}{target}" for source, target in links)


@runtime_checkable
class LinkedCorpus(Protocol):
    """A corpus for translation that knows the links of its held-out parts."""

    def links(self, split: Split) -> Iterator[Links]:
        """The links of each record, in the order of ``records``."""
        ...


def parse_links(line: str) -> Links:
    """Links in the format of Pharaoh.

    Raises ValueError naming the first that is none.
    """
    sure, possible = set(), set()
    for word in line.split():
        found = re.fullmatch(r"(\d+)([-?p])(\d+)", word)
        if found is None:
            raise ValueError(f"{word!r} is no link: expected SOURCE-TARGET, as 0-0, or SOURCE?TARGET if it is possible")
        link = int(found[1]), int(found[3])
        possible.add(link)
        if found[2] == "-":
            sure.add(link)
    return Links(frozenset(sure), frozenset(possible))


def read_links(path: Path) -> list[Links]:
    """The links of a file, a line a pair.

    Raises RegardError as `read_lines` does, or naming the line that is wrong.
    """
    links = []
    for number, line in enumerate(read_lines(path), start=1):
        try:
            links.append(parse_links(line))
        except ValueError as error:
            raise RegardError(f"{path}, line {number}: {error}") from error
    return links
