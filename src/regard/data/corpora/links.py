"""Word alignments of sentence pairs, in the Pharaoh format (Koehn 2004).

Each line has the links of one pair: ``0-0 1-2 3?2``. Words are separated by white space and numbered from 0; the source
word comes first. ``-`` is a sure link, ``?`` or ``p`` a possible one (Och and Ney 2003).
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
"""The number of a source word and that of a target word."""


class Links(NamedTuple):
    """The sure links of a pair, and its possible links, which include the sure ones."""

    sure: frozenset[Link]
    possible: frozenset[Link]

    def reordered(self) -> bool:
        """Return whether the word order changes: two sure links cross."""
        return any(a < c and b > d for a, b in self.sure for c, d in self.sure)

    def __str__(self) -> str:
        """Return the links in the Pharaoh format."""
        links = sorted(self.possible | self.sure)
        return " ".join(f"{source}{'-' if (source, target) in self.sure else '?'}{target}" for source, target in links)


@runtime_checkable
class LinkedCorpus(Protocol):
    """A corpus for translation that has the word alignments of its held-out parts."""

    def links(self, split: Split) -> Iterator[Links]:
        """Yield the links of each record, in the order of ``records``."""
        ...


def parse_links(line: str) -> Links:
    """Parse links in the Pharaoh format.

    Raises ValueError naming the first invalid link.
    """
    sure, possible = set(), set()
    for word in line.split():
        found = re.fullmatch(r"(\d+)([-?p])(\d+)", word)
        if found is None:
            raise ValueError(
                f"{word!r} is not a link: expected SOURCE-TARGET, such as 0-0, or SOURCE?TARGET for a possible link"
            )
        link = int(found[1]), int(found[3])
        possible.add(link)
        if found[2] == "-":
            sure.add(link)
    return Links(frozenset(sure), frozenset(possible))


def read_links(path: Path) -> list[Links]:
    """Read the links of a file with one line per pair.

    Raises RegardError like `read_lines`, or naming the invalid line.
    """
    links = []
    for number, line in enumerate(read_lines(path), start=1):
        try:
            links.append(parse_links(line))
        except ValueError as error:
            raise RegardError(f"{path}, line {number}: {error}") from error
    return links
