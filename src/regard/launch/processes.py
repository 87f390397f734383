"""Do the work of runs in subprocesses on this machine, several at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from regard.errors import PREEMPTED, UsageError
from regard.machine import available_processors
from regard.runs.folder import RunFolder
from regard.runs.resources import Resources, single_node_resources
from regard.runs.status.outcome import outcome_of_signal, resume_hint
from regard.stop import SIGNALS, Interrupted

SHUTDOWN_SECONDS = 600
"""Time that torchrun gives its ranks to finish a step and save after SIGTERM."""

POLL_SECONDS = 0.1


def work_command(run: RunFolder, required: Resources) -> list[str]:
    """Return the command that does the work of ``run``: one process, or torchrun with one per device."""
    work = ["-m", "regard.runs", str(run.path)]
    if required.devices == 1:
        return [sys.executable, *work]
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={required.devices}"]
    return [sys.executable, *torchrun, f"--shutdown-timeout={SHUTDOWN_SECONDS}", *work]


def run_all(runs: Sequence[RunFolder], at_a_time: int) -> int:
    """Do the work of ``runs`` in subprocesses, ``at_a_time`` runs at a time; return the exit code (`exit_code`).

    Starts and ends are reported on stderr as they happen, and the final status of all runs on stdout. Concurrent runs
    share the processors and GPUs, and their output goes to console.txt. A signal is forwarded to the runs that work,
    and the runs that have not started are cancelled. `require_gpus` must have accepted the configuration of each run.
    """
    resources = [single_node_resources(run.config()) for run in runs]
    gpus = visible_gpus() if any(each.gpus for each in resources) else []
    waiting = list(zip(runs, resources, strict=True))
    working: dict[RunFolder, tuple[subprocess.Popen[bytes], list[str]]] = {}
    quiet = at_a_time > 1
    with _forward_signals(lambda: [process for process, _ in working.values()]) as received:
        while waiting or working:
            while waiting and len(working) < at_a_time and not received and waiting[0][1].gpus <= len(gpus):
                run, required = waiting.pop(0)
                if reason := run.cancelled():
                    run.set_status("cancelled", why=reason)
                    continue
                own_gpus = [gpus.pop(0) for _ in range(required.gpus)]
                environment = _threads(at_a_time * required.devices)
                environment |= {"CUDA_VISIBLE_DEVICES": ",".join(own_gpus)} if own_gpus else {}
                _report(f"started   {run.path}")
                working[run] = (_start(run, required, environment, quiet), own_gpus)
                if received:  # during the start: the process was not yet in ``working``
                    working[run][0].send_signal(signal.SIGTERM)
            for run, (process, own_gpus) in list(working.items()):
                if process.poll() is not None:
                    del working[run]
                    gpus += own_gpus
                    record_exit(run, process.returncode, received[0] if received else 0)
                    status = run.status()
                    _report(f"{status['status']:9} {run.path}" + (f"  {status['why']}" if "why" in status else ""))
            if received and waiting:
                for run, _ in waiting:
                    run.set_status("cancelled", why=f"{received[0].name} stopped the sweep before this run started")
                waiting.clear()
            time.sleep(POLL_SECONDS)
    for run in runs if len(runs) > 1 else []:
        print(f"{run.path}\t{run.status()['status']}", flush=True)
    return exit_code(runs)


def require_gpus(config: dict[str, Any]) -> None:
    """Raise UsageError if a run with ``config`` needs more GPUs than this machine has."""
    needed = single_node_resources(config).gpus
    if needed <= (available := len(visible_gpus()) if needed else 0):
        return
    if available:
        found = f"{available} GPU{'s' * (available > 1)}"
        raise UsageError(f"trainer.devices={needed}: this machine has {found}; set {available} or fewer")
    accelerator = config["trainer"]["accelerator"]
    raise UsageError(
        f"trainer.accelerator={accelerator}: this machine has no GPU; use trainer=default, or trainer.accelerator=cpu"
    )


def run_search(folder: Path, workers: int, required: Resources) -> int:
    """Work on the search in ``folder`` with ``workers`` subprocesses; return 0 if the search has ended.

    Raises UsageError if concurrent trials need more GPUs than this machine has.
    """
    gpus = visible_gpus() if required.gpus else []
    if required.gpus * workers > len(gpus):
        raise UsageError(
            f"search.workers={workers}: {workers} trials at a time need {required.gpus} GPUs each, but this machine "
            f"has {len(gpus)}; set fewer workers"
        )
    started: list[subprocess.Popen[bytes]] = []
    with _forward_signals(lambda: started) as received:
        for number in range(workers):
            if received:
                break
            own_gpus = gpus[number * required.gpus : (number + 1) * required.gpus]
            environment = child_environment() | _threads(workers * required.devices)
            environment |= {"CUDA_VISIBLE_DEVICES": ",".join(own_gpus)} if own_gpus else {}
            started.append(subprocess.Popen([sys.executable, "-m", "regard.search", str(folder)], env=environment))
            if received:  # during the start: the process was not yet in ``started``
                started[-1].send_signal(signal.SIGTERM)
        codes = [worker.wait() for worker in started]
    if len(codes) < workers:
        return PREEMPTED
    return next((code if code > 0 else 1 for code in codes if code), 0)


def exit_code(runs: Sequence[RunFolder]) -> int:
    """Return the exit code. One run: 0 finished, 75 preempted, otherwise 1. Several runs: 0 if all finished, else 1."""
    statuses = [run.status()["status"] for run in runs]
    if statuses == ["preempted"]:
        return PREEMPTED
    return int(any(status != "finished" for status in statuses))


def child_environment() -> dict[str, str]:
    """Return the environment for the work of another run: without the rank and the W&B service of this process."""
    return {name: value for name, value in os.environ.items() if name not in ("REGARD_RANKS", "WANDB_SERVICE")}


def visible_gpus() -> list[str]:
    """Return the GPUs that this process may use, as named in CUDA_VISIBLE_DEVICES."""
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name for name in visible.split(",") if name.strip()]
    import torch

    return [str(number) for number in range(torch.accelerator.device_count())]


def record_exit(run: RunFolder, code: int, received: int) -> None:
    """Record the end of a run whose process exited with ``code`` and could not record it itself.

    ``received`` is the signal that was forwarded to the process, or 0.
    """
    status = run.status()["status"]
    if received and status == "submitted":
        outcome = outcome_of_signal(run, Interrupted(received), " before it started")
        run.set_status(outcome.status, why=outcome.why)
    elif status in ("submitted", "lost"):
        reason = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        hint = ", perhaps because memory ran out" if code in (-9, 1) else ""
        run.set_status("lost", why=f"its process {reason}{hint}; {resume_hint(run)}")


def _report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _threads(processes: int) -> dict[str, str]:
    """Return the threads of each of ``processes`` concurrent processes as an environment; empty if the user set it.

    It is empty for one process too: torch uses all processors.
    """
    if processes == 1 or "OMP_NUM_THREADS" in os.environ:
        return {}
    return {"OMP_NUM_THREADS": str(max(1, available_processors() // processes))}


def _start(run: RunFolder, required: Resources, environment: dict[str, str], quiet: bool) -> subprocess.Popen[bytes]:
    with ExitStack() as closing:
        output = closing.enter_context(run.console.open("ab")) if quiet else None
        return subprocess.Popen(
            work_command(run, required),
            env=child_environment() | environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if quiet else None,
        )


@contextmanager
def _forward_signals(processes: Callable[[], list[subprocess.Popen[bytes]]]) -> Iterator[list[signal.Signals]]:
    """Forward the signals of this process to ``processes``; the list has those that were received."""
    received: list[signal.Signals] = []

    def forward(number: int, frame: FrameType | None) -> None:
        received.append(signal.Signals(number))
        for process in processes():
            # A terminal sends Ctrl-C to all its processes. torchrun handles only SIGTERM.
            if number != signal.SIGINT and process.poll() is None:
                process.send_signal(signal.SIGTERM)

    before = {number: signal.getsignal(number) for number in SIGNALS}
    before = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, forward)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
