"""``python -m regard.runs FOLDER`` does the work of a run in this process, or as one of several that torchrun or srun
start: it reads the run folder and nothing else; no rank ever sees the command line.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

from regard.errors import RegardError, user_message
from regard.runs.folder import RunFolder
from regard.runs.status.outcome import of_being_told, or_of_another, write_down
from regard.stop import STOP, Interrupted
from regard.training.distributed.ranks import is_first_process


def main() -> int:
    """The exit code of the work; 75 too if a signal comes before it has begun."""
    try:
        return _work(RunFolder.open(Path(sys.argv[1])))
    except Exception as error:
        if os.environ.get("REGARD_DEBUG"):
            raise
        print(f"regard: {user_message(error)}", file=sys.stderr)
        return error.exit_code if isinstance(error, RegardError) else 1


def _work(run: RunFolder) -> int:
    STOP.when_stuck = partial(_end_before_it_began, run)
    try:
        with STOP.listening():
            from regard.runs.work import work  # takes seconds

            return work(run.path)
    except Interrupted as stop:
        return _end_before_it_began(run, stop)


def _end_before_it_began(run: RunFolder, stop: Interrupted) -> int:
    ending = of_being_told(run, stop, " before it had begun")
    return write_down(run, or_of_another(run, ending), stop.signal) if is_first_process() else ending.exit_code


if __name__ == "__main__":
    sys.exit(main())
