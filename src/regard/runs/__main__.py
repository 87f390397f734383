"""``python -m regard.runs FOLDER``: do the work of a run, in this process or as one of several ranks.

torchrun and srun start it too. A rank reads only the run folder and never sees the command line of the user.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from regard.errors import report_errors
from regard.runs.folder import RunFolder
from regard.runs.status.outcome import or_failure_of_other_rank, outcome_of_signal, record_outcome
from regard.stop import STOP, Interrupted
from regard.training.distributed.ranks import is_first_process


def main(folder: Path) -> int:
    """Work on the run in ``folder``; return the exit code: 75 too if a signal arrives before the work has started."""
    return report_errors(lambda: _work(RunFolder.open(folder)))


def _work(run: RunFolder) -> int:
    STOP.when_stuck = partial(_record_early_stop, run)
    try:
        with STOP.listening():
            from regard.runs.work import work  # takes seconds, during which signals are already handled

            return work(run.path)
    except Interrupted as stop:
        return _record_early_stop(run, stop)


def _record_early_stop(run: RunFolder, stop: Interrupted) -> int:
    outcome = outcome_of_signal(run, stop, " before it started")
    if not is_first_process():
        return outcome.exit_code
    return record_outcome(run, or_failure_of_other_rank(run, outcome), stop.signal)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
