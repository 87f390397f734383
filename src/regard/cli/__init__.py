"""The command ``regard VERB``.

Verbs that compose a configuration take Hydra overrides. The others take ordinary options, since text does not fit
Hydra's grammar. Slow imports are inside the functions of the verbs.
"""

from __future__ import annotations

import sys

from regard.cli.app import app
from regard.cli.exit import run
from regard.machine import share_processors

# Each module adds its verbs to app, in the order in which --help lists them.
# isort: off
from regard.cli import runs
from regard.cli import inference
from regard.cli import attend
from regard.cli import generate
from regard.cli import images
from regard.cli import analysis
from regard.cli import compare
from regard.cli import cost
from regard.cli import bench
from regard.cli import exchange

# isort: on

__all__ = [
    "analysis",
    "app",
    "attend",
    "bench",
    "compare",
    "cost",
    "exchange",
    "generate",
    "images",
    "inference",
    "main",
    "runs",
]


def main() -> None:
    """Run the command line. Exit code: 0 success, 1 failed, 2 wrong usage, 75 preempted."""
    share_processors()
    sys.exit(run(app))
