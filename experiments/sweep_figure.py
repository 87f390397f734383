"""Draw a metric of a sweep over one key, from the table that ``regard compare SWEEP --csv sweep.csv`` writes.

    python experiments/sweep_figure.py sweep.csv mqar.png --x optimizer.lr --y "final test/accuracy" \
        --lines mixer --panels model.dim
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import matplotlib.pyplot as plt


def number(text: str) -> float | str:
    """Return the number in ``text``, or ``text`` itself."""
    try:
        return float(text)
    except ValueError:
        return text


def main() -> None:
    """Draw one panel per value of ``--panels``, with one line per value of ``--lines``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("picture", type=Path)
    for option in ("--x", "--y", "--lines", "--panels"):
        parser.add_argument(option, required=True, help="a column of the table")
    given = parser.parse_args()
    with given.table.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["status"] == "finished"]
    panels = sorted({row[given.panels] for row in rows}, key=number)
    figure, axes = plt.subplots(1, len(panels), figsize=(3.2 * len(panels), 3), sharey=True, squeeze=False)
    for axis, panel in zip(axes[0], panels, strict=True):
        for line in sorted({row[given.lines] for row in rows}):
            chosen = [row for row in rows if row[given.panels] == panel and row[given.lines] == line]
            points = sorted((float(row[given.x]), float(row[given.y])) for row in chosen)
            axis.plot(*zip(*points, strict=True), marker="o", label=line)
        axis.set(title=f"{given.panels} {panel}", xlabel=given.x, xscale="log")
        axis.grid(alpha=0.3)
    axes[0][0].set_ylabel(given.y)
    axes[0][0].legend()
    figure.tight_layout()
    figure.savefig(given.picture, dpi=120)


if __name__ == "__main__":
    main()
