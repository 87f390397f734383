"""Tables for the terminal, one line per row: columns on the right are dropped and texts are cut to its width."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

GAP = 2
MIN_CELLS = 3
"""Minimum width of a text that is cut."""


class Column(NamedTuple):
    """A column of a table.

    name: the heading
    right: whether cells are aligned right
    least: minimum width in terminal cells that texts are cut to (less in the last column); None: never cut
    keeps_end: whether texts are cut at the start instead of the end
    style: returns the style of a cell for its text
    """

    name: str
    right: bool = False
    least: int | None = None
    keeps_end: bool = False
    style: Callable[[str], str] = lambda text: ""


def format_table(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None, where: str) -> Text:
    """Format a table with at most ``width`` terminal cells, unlimited if None. Empty columns are left out.

    A last line lists the columns that do not fit; ``where`` says how to see them.
    """
    rows = [[" ".join(cell.split()) for cell in row] for row in rows]
    filled = [place for place in range(len(columns)) if any(row[place] for row in rows)]
    lines = [[column.name for column in columns], *rows]
    widths = {place: max(cell_len(line[place]) for line in lines) for place in filled}
    if width is not None:
        widths = _widths([(place, natural, columns[place].least) for place, natural in widths.items()], width)
    last = max(widths, default=0)
    shown = Text(no_wrap=True, overflow="ignore", end="")
    for number, row in enumerate(lines):
        gap = ""
        for place, size in widths.items():
            column = columns[place]
            text = _cut(row[place], size, column.keeps_end)
            padding = " " * (size - cell_len(text))
            shown.append(gap + padding * column.right)
            shown.append(text, "bold" if number == 0 else column.style(row[place]))
            if not column.right and place != last:
                shown.append(padding)
            gap = " " * GAP
        shown.append("\n")
    if left_out := [columns[place].name for place in filled if place not in widths]:
        shown.append(f"no room for {', '.join(left_out)}: {where}\n", "italic")
    return shown


def table_width(console: Console, wide: bool = False) -> int | None:
    """Return the width for `format_table`: that of the terminal; None (no limit) if ``wide`` or not a terminal."""
    return None if wide or not console.is_terminal else console.width


def _widths(columns: Sequence[tuple[int, int, int | None]], width: int) -> dict[int, int]:
    """Return the width of each column (place, natural width, least width) that fits.

    The columns that can be cut share the remaining width evenly.
    """
    kept: dict[int, int] = {}
    missing: dict[int, int] = {}
    spare = width + GAP
    for place, natural, least in columns:
        small = natural if least is None else min(natural, least)
        if small + GAP > spare:
            if least is None or spare - GAP < MIN_CELLS:
                break
            small = natural = spare - GAP
        kept[place] = small
        missing[place] = natural - small
        spare -= small + GAP
    for left, place in zip(range(len(kept), 0, -1), sorted(kept, key=missing.__getitem__), strict=True):
        more = min(missing[place], spare // left)
        kept[place] += more
        spare -= more
    return kept


def _cut(text: str, size: int, keeps_end: bool) -> str:
    if cell_len(text) <= size:
        return text
    if keeps_end:
        while cell_len(text) > size - 1:
            text = text[1:]
        return f"…{text}"
    return f"{set_cell_size(text, size - 1).rstrip()}…"
