"""The results of comparisons as one table in Markdown.

python experiments/benchmarks/table.py main.json litgpt.json > results.md
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from regard.cost.device import Device
from regard.cost.units import format_number

TITLES = {
    "train": "Translation training",
    "lm": "Language model training",
    "generate": "Generation, 6 layers, dim 384",
    "decode": "Translation, 50 sentences at once",
}


def describe_machine(device: Device | None) -> str:
    """Return the processor or GPU, and the threads."""
    name = device.name if device else "no device"
    information = Path("/proc/cpuinfo")  # of Linux
    if name.startswith("cpu") and information.exists():
        models = [line for line in information.read_text().splitlines() if line.startswith("model name")]
        name += f" of {models[0].partition(': ')[2]}" if models else ""
    return name


def markdown(results: list[dict[str, Any]]) -> str:
    """Return a table of each kind: a line per row, a column per peer."""
    lines = []
    for each in results:
        versions = ", ".join(f"{package} {number}" for package, number in each["versions"].items())
        settings = "".join(f", {override}" for override in each["overrides"])
        lines.append(f"{each['date']}, {each['machine']}, {versions}{settings}\n")
    lines = list(dict.fromkeys(lines))
    rows = [row for each in results for row in each["rows"]]
    for kind in dict.fromkeys(row["kind"] for row in rows):
        of_kind = [row for row in rows if row["kind"] == kind]
        peers = list(dict.fromkeys(peer for row in of_kind for peer in row["ratios"]))
        lines += [
            f"| {TITLES[kind]} | regard, tokens/s | {' | '.join(peers)} | steps |",
            "|---|" + "---|" * (len(peers) + 2),
        ]
        for name in dict.fromkeys(row["row"] for row in of_kind):
            same = [row for row in of_kind if row["row"] == name]
            ratios = {peer: f"{ratio:.2f}" for row in same for peer, ratio in row["ratios"].items()}
            speed = format_number(same[0]["tokens_per_second"]["regard"])
            cells = [
                name,
                speed,
                *(ratios.get(peer, "") for peer in peers),
                ", ".join(str(row["steps"]) for row in same),
            ]
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    print(markdown([json.loads(Path(file).read_text(encoding="utf-8")) for file in sys.argv[1:]]))
