"""``python -m regard.search FOLDER`` is one worker of the search in this folder, on this machine or as a SLURM job."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from regard.errors import PREEMPTED, RegardError, user_message
from regard.stop import STOP, Interrupted
from regard.training.distributed.ranks import request_requeue


def main() -> int:
    """The exit code of the work; 75 too if a signal comes before it has begun."""
    try:
        return _work(Path(sys.argv[1]))
    except Exception as error:
        if os.environ.get("REGARD_DEBUG"):
            raise
        print(f"regard: {user_message(error)}", file=sys.stderr)
        return error.exit_code if isinstance(error, RegardError) else 1


def _work(folder: Path) -> int:
    try:
        with STOP.listening():
            from regard.search.worker import work_on  # takes seconds

            code = work_on(folder)
    except Interrupted:
        code = PREEMPTED
    if code == PREEMPTED:
        request_requeue(STOP.signal)
    return code


if __name__ == "__main__":
    sys.exit(main())
