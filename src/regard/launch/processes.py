"""The work of runs in processes of this machine, some at a time."""

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

from regard.errors import PREEMPTED, UsageError
from regard.machine import available_processors
from regard.runs.folder import RunFolder
from regard.runs.resources import Resources, single_node_resources
from regard.runs.status.outcome import of_being_told
from regard.stop import Interrupted

SHUTDOWN_SECONDS = 600
"""What torchrun leaves its ranks to finish a step and to save, once it was told to stop."""

POLL_SECONDS = 0.1


def command(run: RunFolder, required: Resources) -> list[str]:
    """The command that does the work of ``run``: one process, or torchrun with one for each device."""
    work = ["-m", "regard.runs", str(run.path)]
    if required.devices == 1:
        return [sys.executable, *work]
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={required.devices}"]
    return [sys.executable, *torchrun, f"--shutdown-timeout={SHUTDOWN_SECONDS}", *work]


def do(runs: Sequence[RunFolder], at_a_time: int) -> int:
    """Do the work of ``runs``, each in processes of its own, ``at_a_time`` of them; the exit code (`exit_code`).

    What begins and ends is said on stderr as it happens, how all ended on stdout.

    Several at a time share processors and GPUs out among them, and what they print goes into their folders. A signal
    is passed on to those that work; those that have not begun are then cancelled.

    Raises UsageError if a run wants more GPUs than there are.
    """
    resources = [single_node_resources(run.config()) for run in runs]
    gpus = visible_gpus() if any(each.gpus for each in resources) else []
    if (most := max(each.gpus for each in resources)) > len(gpus):
        raise UsageError(f"trainer.devices={most}: this machine has {len(gpus)} GPUs; give fewer, or trainer=default")
    waiting = list(zip(runs, resources, strict=True))
    working: dict[RunFolder, tuple[subprocess.Popen[bytes], list[str]]] = {}
    quiet = at_a_time > 1
    with _passed_on(lambda: [process for process, _ in working.values()]) as told:
        while waiting or working:
            while waiting and len(working) < at_a_time and not told and waiting[0][1].gpus <= len(gpus):
                run, required = waiting.pop(0)
                if reason := run.cancelled():
                    run.set_status("cancelled", why=reason)
                    continue
                mine = [gpus.pop(0) for _ in range(required.gpus)]
                shares = _share(at_a_time * required.devices) if quiet else {}
                shares |= {"CUDA_VISIBLE_DEVICES": ",".join(mine)} if mine else {}
                _say(f"begins    {run.path}")
                working[run] = (_start(run, required, shares, quiet), mine)
                if told:  # while it was being started
                    working[run][0].send_signal(signal.SIGTERM)
            for run, (process, used) in list(working.items()):
                if process.poll() is not None:
                    del working[run]
                    gpus += used
                    close(run, process.returncode, told[0] if told else 0)
                    status = run.status()
                    _say(f"{status['status']:9} {run.path}" + (f"  {status['why']}" if "why" in status else ""))
            if told and waiting:
                for run, _ in waiting:
                    run.set_status("cancelled", why=f"the sweep was stopped by {told[0].name} before this began")
                waiting.clear()
            time.sleep(POLL_SECONDS)
    for run in runs if len(runs) > 1 else []:
        print(f"{run.path}\t{run.status()['status']}", flush=True)
    return exit_code(runs)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def search(folder: Path, workers: int, required: Resources) -> int:
    """Have ``workers`` processes work on the search in ``folder``; 0 if they have come to its end.

    Raises UsageError if their trials want more GPUs than there are.
    """
    gpus = visible_gpus() if required.gpus else []
    if required.gpus * workers > len(gpus):
        raise UsageError(f"search.workers={workers}: they want {required.gpus} GPUs each, this machine has {len(gpus)}")
    started: list[subprocess.Popen[bytes]] = []
    with _passed_on(lambda: started) as told:
        for number in range(workers):
            if told:
                break
            mine = gpus[number * required.gpus : (number + 1) * required.gpus]
            shares = _share(workers * required.devices) | ({"CUDA_VISIBLE_DEVICES": ",".join(mine)} if mine else {})
            started.append(
                subprocess.Popen([sys.executable, "-m", "regard.search", str(folder)], env=child_environment() | shares)
            )
            if told:  # while it was being started
                started[-1].send_signal(signal.SIGTERM)
        codes = [worker.wait() for worker in started]
    if len(codes) < workers:
        return PREEMPTED
    return next((code if code > 0 else 1 for code in codes if code), 0)


def exit_code(runs: Sequence[RunFolder]) -> int:
    """Of a single run: 0 finished, 75 preempted, 1 anything else. Of several: 0 if all are finished, else 1."""
    ends = [run.status()["status"] for run in runs]
    if ends == ["preempted"]:
        return PREEMPTED
    return int(any(end != "finished" for end in ends))


def child_environment() -> dict[str, str]:
    """The environment for other work than this process's: without what tells of the rank and of the W&B of this one."""
    return {name: value for name, value in os.environ.items() if name not in ("REGARD_RANKS", "WANDB_SERVICE")}


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name for name in visible.split(",") if name.strip()]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]


def _share(processes: int) -> dict[str, str]:
    """Threads for each of ``processes``; what the user has set stays."""
    if "OMP_NUM_THREADS" in os.environ:
        return {}
    return {"OMP_NUM_THREADS": str(max(1, available_processors() // processes))}


def _start(run: RunFolder, required: Resources, environment: dict[str, str], quiet: bool) -> subprocess.Popen[bytes]:
    with ExitStack() as closing:
        output = closing.enter_context(run.console.open("ab")) if quiet else None
        return subprocess.Popen(
            command(run, required),
            env=child_environment() | environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if quiet else None,
        )


def close(run: RunFolder, code: int, told: int) -> None:
    """Say how a run ended that could not say so itself; ``told`` is the signal that its process was sent, or 0."""
    status = run.status()["status"]
    if told and status == "submitted":
        ending = of_being_told(run, Interrupted(told), " before it had begun")
        run.set_status(ending.status, why=ending.why)
    elif status in ("submitted", "lost"):
        killed = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        hint = ", perhaps for lack of memory" if code in (-9, 1) else ""
        run.set_status("lost", why=f"its process {killed}{hint}; go on with: regard resume {run.path}")


@contextmanager
def _passed_on(processes: Callable[[], list[subprocess.Popen[bytes]]]) -> Iterator[list[signal.Signals]]:
    """Signals of this process go to ``processes`` too; the list has those that came."""
    told: list[signal.Signals] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        told.append(signal.Signals(number))
        for process in processes():
            # A terminal sends Ctrl-C to all by itself. torchrun knows of SIGTERM alone.
            if number != signal.SIGINT and process.poll() is None:
                process.send_signal(signal.SIGTERM)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)
    before = {n: signal.getsignal(n) for n in numbers if signal.getsignal(n) is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, pass_on)
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
