"""Work on the shards of a corpus in several worker processes.

The workers are plain subprocesses (``python -m MODULE ARGUMENTS``) instead of multiprocessing's: they do not import the
main program, do not interfere with torch's threads, and end even if this process is killed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from regard.errors import RegardError
from regard.files import NO_SPACE


class WorkerFailed(RegardError):
    """A worker failed for a reason other than the data. Shards that are done are kept."""


def run_workers(module: str, tasks: Sequence[Sequence[str]], workers: int) -> Iterator[None]:
    """Run ``python -m module`` with the arguments of each task, in up to ``workers`` processes at a time.

    Yields once for each task, in order, when it is done.

    Raises:
        OSError: for example, the disk is full.
        WorkerFailed: a process was killed or failed.
    """
    threads = ThreadPoolExecutor(workers)  # each thread waits for one process
    try:
        yield from threads.map(lambda task: _run(module, task), tasks)
    finally:
        threads.shutdown(cancel_futures=True)


def run_as_worker(work: Callable[..., None], arguments: Sequence[str]) -> None:
    """Call ``work`` in a worker process. If the disk is full, the exit code is the errno."""
    try:
        work(*arguments)
    except OSError as error:
        sys.exit(error.errno if error.errno in NO_SPACE else f"{type(error).__name__}: {error}")


def _run(module: str, arguments: Sequence[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", module, *arguments],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode == 0:
        return
    if done.returncode in NO_SPACE:
        raise OSError(done.returncode, os.strerror(done.returncode))
    if done.returncode < 0:
        raise WorkerFailed(
            f"a process that prepared data was killed by signal {-done.returncode}, possibly out of memory; "
            "lower batches.preparation_workers and start again: finished shards are kept"
        )
    raise WorkerFailed(f"a process that prepared {arguments[0]} failed: {done.stderr.strip().rpartition(chr(10))[2]}")
