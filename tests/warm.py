"""Processes that start without the imports of torch, which take most of the time of a small run."""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path

# Each process is a fork of a server that has imported this.
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["regard.config.compose", "regard.config.check", "regard.runs.work"])


class WarmProcess:
    """``python ARGUMENTS`` with the methods of `subprocess.Popen`; its output is in files in ``folder``.

    arguments: -m MODULE or -c CODE, and the arguments of the program
    """

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._outputs = [folder / "stdout", folder / "stderr"]
        place = (Path.cwd(), dict(os.environ), *self._outputs)
        self._process = SERVER.Process(target=_run, args=(place, *arguments))
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, or the negative number of the signal that killed the process; None while it is running."""
        return self._process.exitcode

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


def _run(place: tuple[Path, dict[str, str], Path, Path], option: str, program: str, *arguments: str) -> None:
    """Do what ``python OPTION PROGRAM ARGUMENTS`` does, in this folder and environment, with the usual signal handlers.

    Tests that run in the background of a shell, or under nohup, ignore some signals.
    """
    folder, environment, *outputs = place
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, path in enumerate(outputs, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    sys.argv = [option, *arguments]
    if option == "-m":
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    else:
        exec(program, {"__name__": "__main__"})
