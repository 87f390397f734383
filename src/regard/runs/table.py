"""A table of one line a row that fits the terminal: columns are left out from the right, and texts are cut."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

GAP = 2
FEWEST = 3
"""Cells that still tell something of a text."""


class Column(NamedTuple):
    """A column of a table.

    name: its heading
    right: whether its cells are aligned right
    least: the cells of the terminal that it may be cut to, and to fewer at the right edge; None if it is never cut
    keeps_end: whether its texts are cut at the beginning
    style: the style of a cell by its text
    """

    name: str
    right: bool = False
    least: int | None = None
    keeps_end: bool = False
    style: Callable[[str], str] = lambda text: ""


def format_table(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None, where: str) -> Text:
    """The table in ``width`` cells of a terminal, or as wide as it is; columns without any content are left out.

    A last line names the columns that there is no room for, and says ``where`` they are shown.
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
    """The width of each column (place, natural width, least width) that there is room for.

    Those that can be cut share evenly what the others leave.
    """
    kept: dict[int, int] = {}
    missing: dict[int, int] = {}
    spare = width + GAP
    for place, natural, least in columns:
        small = natural if least is None else min(natural, least)
        if small + GAP > spare:
            if least is None or spare - GAP < FEWEST:
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
