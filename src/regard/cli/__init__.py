"""``regard VERB``: one command for everything.

Verbs that compose a configuration take Hydra's overrides; the others take ordinary options, since text is not Hydra
grammar. Heavy imports wait until a verb needs them.
"""

from __future__ import annotations

import sys

from regard.cli.app import app
from regard.cli.ending import run

# In the order in which --help lists their verbs.
# isort: off
from regard.cli import running
from regard.cli import using
from regard.cli import looking
from regard.cli import comparing

# isort: on

__all__ = ["app", "comparing", "looking", "main", "running", "using"]  # the modules have added their verbs to the first


def main() -> None:
    """The command line; exit code 0 success, 1 failed, 2 wrong usage, 75 preempted."""
    sys.exit(run(app))
