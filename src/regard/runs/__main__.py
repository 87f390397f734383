"""``python -m regard.runs FOLDER`` does the work of a run in this process, or as one of several that torchrun or srun
start: it reads the run folder and nothing else; no rank ever sees the command line. Of a search it is one worker.
"""

from __future__ import annotations

import sys
from pathlib import Path

from regard.errors import PREEMPTED, RegardError
from regard.runs.folder import RunFolder
from regard.runs.sweep import is_search
from regard.stop import STOP, Interrupted
from regard.training.ranks import is_first_process, note_whether_to_requeue


def main() -> int:
    """The exit code of the work; 75 too if a signal comes before it has begun."""
    code = _work(Path(sys.argv[1]))
    if code == PREEMPTED:
        note_whether_to_requeue(STOP.signal)
    return code


def _work(folder: Path) -> int:
    try:
        with STOP.listening():
            if is_search(folder):
                from regard.runs.search_worker import work_on

                return work_on(folder)
            from regard.runs.work import work  # takes seconds

            return work(folder)
    except Interrupted as stop:
        if is_search(folder):
            return PREEMPTED
        run = RunFolder.open(folder)
        reason = run.cancelled()
        if is_first_process():
            status = "cancelled" if reason else "preempted"
            run.set_status(status, why=f"{reason or stop} before it had begun; go on with: regard resume {folder}")
        return 1 if reason else PREEMPTED
    except RegardError as error:
        print(f"regard: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
