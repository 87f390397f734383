"""``python -m regard.runs FOLDER`` does the work of a run in this process, or as one of several that torchrun or srun
start: it reads the run folder and nothing else; no rank ever sees the command line.
"""

from __future__ import annotations

import sys
from pathlib import Path

from regard.errors import PREEMPTED, RegardError
from regard.runs.folder import RunFolder
from regard.stop import STOP, Interrupted
from regard.training.ranks import is_first_process


def main() -> int:
    """The exit code of the work; 75 too if a signal comes before it has begun."""
    folder = Path(sys.argv[1])
    try:
        with STOP.listening():
            from regard.runs.work import work  # takes seconds

            return work(folder)
    except Interrupted as stop:
        if is_first_process():
            RunFolder.open(folder).set_status("preempted", why=f"{stop} before it had begun")
        return PREEMPTED
    except RegardError as error:
        print(f"regard: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
