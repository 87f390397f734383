"""Processes that start without the imports of torch, which take most of the time of a small run."""

from __future__ import annotations

import gc
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

# Each process is a fork of a server that has imported this.
SERVER = multiprocessing.get_context("forkserver")
PRELOADED = ["regard.config.compose", "regard.config.check", "regard.runs.work"]
PRELOADED += ["regard.launch.start", "regard.search.worker", "torch.distributed.run"]
SERVER.set_forkserver_preload(PRELOADED)


class WarmProcess:
    """``python ARGUMENTS`` with the methods of `subprocess.Popen`; its output is in files in ``folder``.

    The Python processes that it starts with `subprocess.Popen` have imported torch too (`ForkedPopen`).

    arguments: -m MODULE or -c CODE, and the arguments of the program
    """

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._outputs = [folder / "stdout", folder / "stderr"]
        place = (Path.cwd(), dict(os.environ), *self._outputs)
        self._process = SERVER.Process(target=_run_in, args=(place, *arguments))
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, or the negative number of the signal that killed the process; None while it is running."""
        return self._process.exitcode

    @property
    def errors(self) -> str:
        """What it has written to stderr so far."""
        return self._outputs[1].read_text() if self._outputs[1].exists() else ""

    def poll(self) -> int | None:
        """Return ``returncode``."""
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for the end; return stdout and stderr. Raises TimeoutExpired."""
        self._process.join(timeout)
        if self.returncode is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired("python", timeout)
        out, err = (path.read_text() for path in self._outputs)
        return out, err


class ForkedPopen(subprocess.Popen[Any]):
    """`subprocess.Popen` whose child, if it runs a module in Python, is a fork and does not import torch again."""

    def __init__(self, args: Any, *rest: Any, preexec_fn: Callable[[], Any] | None = None, **options: Any) -> None:
        command = [str(each) for each in args if each != "-u"] if isinstance(args, list | tuple) else []
        if command[:2] == [sys.executable, "-m"]:
            assert preexec_fn is None
            sys.stdout.flush()  # what is buffered would be written twice
            preexec_fn = partial(_run_instead, options.get("env"), *command[1:])
        super().__init__(args, *rest, preexec_fn=preexec_fn, **options)


def _run_instead(environment: dict[str, str] | None, *arguments: str) -> None:
    """Do in a new child what exec would do, and what ``python ARGUMENTS`` does; do not return."""
    from regard.stop import STOP

    gc.enable()  # Popen disables it for preexec_fn
    STOP.__init__()  # type: ignore[misc]  # the signals of the parent
    signal.set_wakeup_fd(-1)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # among them the pipe that is closed by exec, for which Popen waits
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    if environment is not None:
        os.environ.clear()
        os.environ.update(environment)
    os._exit(multiprocessing.Process(target=_run, args=arguments)._bootstrap())


def _run_in(place: tuple[Path, dict[str, str], Path, Path], *arguments: str) -> None:
    """Do what ``python ARGUMENTS`` does, in this folder and environment."""
    import torch.distributed.elastic.multiprocessing.subprocess_handler.subprocess_handler as torchrun

    folder, environment, *outputs = place
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    for number, path in enumerate(outputs, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    subprocess.Popen = torchrun.Popen = ForkedPopen
    _run(*arguments)


def _run(option: str, program: str, *arguments: str) -> None:
    """Do what ``python OPTION PROGRAM ARGUMENTS`` does, with the usual signal handlers.

    Tests that run in the background of a shell, or under nohup, ignore some signals.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    sys.argv = [option, *arguments]
    if option == "-m":
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    else:
        exec(program, {"__name__": "__main__"})
