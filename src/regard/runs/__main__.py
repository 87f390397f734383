"""``python -m regard.runs FOLDER`` does the work of a run in this process, or as one of several that torchrun or srun
start: it reads the run folder and nothing else; no rank ever sees the command line.
"""

from __future__ import annotations

import sys
from pathlib import Path

from regard.errors import RegardError
from regard.stop import STOP, Interrupted


def main() -> int:
    """The exit code of the work; 75 too if a signal comes before it has begun."""
    try:
        with STOP.listening():
            from regard.runs.work import work  # takes seconds

            return work(Path(sys.argv[1]))
    except Interrupted:
        return 75
    except RegardError as error:
        print(f"regard: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
