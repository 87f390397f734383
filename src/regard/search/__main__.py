"""``python -m regard.search FOLDER``: one worker of the search in FOLDER, on this machine or as a SLURM job."""

from __future__ import annotations

import sys
from pathlib import Path

from regard.errors import PREEMPTED, report_errors
from regard.stop import STOP, Interrupted
from regard.training.distributed.ranks import request_requeue


def main(folder: Path) -> int:
    """Work on the search in ``folder``; return the exit code, which is 75 if a signal stopped it."""
    return report_errors(lambda: _work(folder))


def _work(folder: Path) -> int:
    try:
        with STOP.listening():
            from regard.search.worker import work_on  # takes seconds, during which signals are already handled

            code = work_on(folder)
    except Interrupted:
        code = PREEMPTED
    if code == PREEMPTED:
        request_requeue(STOP.signal)
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
