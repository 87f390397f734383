"""Compare the speed of regard with its peers, step by step in turn in one process.

    python experiments/benchmarks/compare.py train                     # translation: regard, bare PyTorch, Marian
    python experiments/benchmarks/compare.py lm --peers bare --rows "6 layers"
    python experiments/benchmarks/compare.py decode --seconds 60 --output decode.json
    python experiments/benchmarks/compare.py train positions=sinusoidal    # Hydra overrides of regard's configuration

Prints a table: tokens/s of regard, and for each peer how many times the time of regard it takes per token (above 1:
regard is faster), the median over the rounds. A round is a step of each; since all steps of a round are measured within
a short time, the ratio suffers little from other programs. README.md describes the peers and their environments.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from datetime import date
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import torch
from rows import KINDS, ROWS, Row
from table import describe_machine, markdown
from work import Step, make_work

from regard.cost.device import find_device, synchronize
from regard.errors import RegardError, UsageError
from regard.training.precision import choose_kernels

PEERS = {
    "bare": "torch",
    "bare-compiled": "torch",
    "transformers": "transformers==5.23.0",
    "x-transformers": "x-transformers==2.31.10",
    "litgpt": "litgpt==0.5.13",
    "ctranslate2": "ctranslate2==4.8.5",
}
"""The package of each peer, in the version that was compared."""
DEFAULT = {
    "train": ("bare", "transformers"),
    "lm": ("bare", "transformers", "x-transformers"),
    "generate": ("bare", "transformers"),
    "decode": ("transformers", "ctranslate2"),
}
"""The peers of each kind that are installed together; litgpt needs older packages."""


def main() -> None:
    """Compare, print the table and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", metavar="KIND|KEY=VALUE", help=f"{', '.join(KINDS)} (default: all)")
    parser.add_argument("--peers", nargs="+", choices=PEERS, metavar="PEER", help=f"some of {', '.join(PEERS)}")
    parser.add_argument("--rows", nargs="+", metavar="TEXT", help="only rows whose name contains one of these")
    parser.add_argument("--seconds", type=float, default=20.0, help="time of a row after its warm-up (20)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of a CPU (all)")
    parser.add_argument("--accelerator", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--data", type=Path, default=Path("data/multi30k"), help="folder of Multi30k (data/multi30k)")
    parser.add_argument("--output", type=Path, help="also write the results as JSON to this file")
    options = parser.parse_intermixed_args()
    try:
        results = compare(options)
    except RegardError as error:
        parser.exit(2 if isinstance(error, UsageError) else 1, f"compare.py: {error}\n")
    print(markdown([results]))
    if options.output:
        options.output.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def compare(options: argparse.Namespace) -> dict[str, Any]:
    """Return the results of all rows that were asked for."""
    torch.set_num_threads(options.threads)
    overrides = [each for each in options.what if "=" in each]
    kinds = [each for each in options.what if "=" not in each] or list(KINDS)
    if unknown := set(kinds) - set(KINDS):
        raise UsageError(f"{min(unknown)}: expected one of {', '.join(KINDS)}, or an override key=value")
    rows = [row for row in ROWS if row.kind in kinds and wanted(row, options.rows, options.accelerator)]
    if not rows:
        names = "; ".join(row.name for row in ROWS if row.kind in kinds)
        raise UsageError(
            f"--rows {' '.join(options.rows or [])}: no such row of {', '.join(kinds)}, which have: {names}"
        )
    steps_of = {kind: makers(kind, options.peers or DEFAULT[kind]) for kind in kinds}
    measured = []
    for row in rows:
        print(f"{row.kind}: {row.name}", file=sys.stderr, flush=True)
        torch.manual_seed(0)
        work = make_work(row, options.data, options.accelerator, overrides)
        choose_kernels(work.precision, options.accelerator)
        steps = {name: make(work) for name, make in steps_of[row.kind].items()}
        times = alternate(steps, work.device, options.seconds)
        measured.append({"kind": row.kind, "row": row.name, "steps": len(times["regard"])} | summary(times))
        del steps, work
    packages = {
        "regard",
        "torch",
        *(PEERS[name].split("==")[0] for each in steps_of.values() for name in each if name in PEERS),
    }
    return {
        "date": date.today().isoformat(),
        "machine": describe_machine(find_device({"trainer": {"accelerator": options.accelerator}})),
        "versions": {package: version(package) for package in sorted(packages - {"regard"})},
        "overrides": overrides,
        "rows": measured,
    }


def wanted(row: Row, names: list[str] | None, accelerator: str) -> bool:
    """Return whether a row is measured: by default, those of the accelerator."""
    return row.on == accelerator if names is None else any(name in row.name for name in names)


def makers(kind: str, peers: list[str]) -> dict[str, Any]:
    """Return the functions that make the steps of regard and of each peer that is installed and does such work."""
    found = {"regard": getattr(import_module("peers.regard"), kind)}
    for name in peers:
        try:
            module = import_module(f"peers.{name.replace('-', '_')}")
        except ImportError as error:
            print(f"{name} is left out: {error.name} is not installed; pip install {PEERS[name]}", file=sys.stderr)
            continue
        if hasattr(module, kind):
            found[name] = getattr(module, kind)
        else:
            print(f"{name} is left out of {kind}, which it does not do here", file=sys.stderr)
    return found


def alternate(steps: Mapping[str, Step], device: torch.device, seconds: float) -> dict[str, list[float]]:
    """Return seconds per token of each step of each peer, in rounds of about ``seconds`` in total, after a warm-up.

    The warm-up has at least one round, in which models are compiled.
    """
    rounds(steps, device, seconds / 5)
    return rounds(steps, device, seconds)


def rounds(steps: Mapping[str, Step], device: torch.device, seconds: float) -> dict[str, list[float]]:
    """Return seconds per token in rounds, at least one, whose order is reversed every time."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    begin, number = time.perf_counter(), 0
    while not number or time.perf_counter() - begin < seconds:
        for name in list(steps)[:: -1 if number % 2 else 1]:
            synchronize(device)
            start = time.perf_counter()
            tokens = steps[name](number)
            synchronize(device)
            times[name].append((time.perf_counter() - start) / tokens)
        number += 1
    return times


def summary(times: dict[str, list[float]]) -> dict[str, Any]:
    """Return all times, the median speeds, and the median ratio of each peer to regard in the same round."""
    ours = times["regard"]
    speeds = {name: 1 / median(each) for name, each in times.items()}
    ratios = {
        name: median(theirs / own for theirs, own in zip(each, ours, strict=True))
        for name, each in times.items()
        if name != "regard"
    }
    return {"tokens_per_second": speeds, "ratios": ratios, "seconds_per_token": times}


if __name__ == "__main__":
    main()
