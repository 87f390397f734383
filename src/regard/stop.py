"""Being told to stop: what signals mean to a run.

Light, so that a process can listen before it loads anything else.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from regard.errors import PREEMPTED

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)
"""Ctrl-C; leave soon (a preemption, torchrun); leave soon (a time limit is near); the terminal is gone."""

PATIENCE_SECONDS = 2.0
STUCK_SECONDS = 10.0
STUCK_WHEN_HELD_SECONDS = 60.0
"""A step of training may take its time, but a cluster's patience ends: hydra.launcher.leave_seconds, 120 s."""


class Interrupted(BaseException):
    """A signal asked the work to stop; what is on the disk goes on from there. ``signal`` says which.

    Like KeyboardInterrupt no Exception: it passes what handles errors.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.signal = signal.Signals(number)


class Stop:
    """What this process was told: ``signal`` is the first signal that was heard, or 0.

    A signal ends what is going on with ``Interrupted``, except between ``hold`` and ``release``: there it is left to
    the work to look at ``signal`` where it can save. A second Ctrl-C does not wait for that.

    Python hears a signal only when C code returns, which does not happen in a process that waits for another one that
    has left. A thread sees to that: a process that has not heard for ``STUCK_SECONDS`` ends, with what is on the disk,
    and with the exit code that ``when_stuck`` gives.
    """

    def __init__(self) -> None:
        self.signal = 0
        self.when_stuck: Callable[[Interrupted], int] = lambda stop: PREEMPTED
        self._heard_at = 0.0
        self._held = self._listening = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear signals; afterwards they are whose they were before. One that is to be ignored stays ignored."""
        if threading.current_thread() is not threading.main_thread():  # which alone may listen
            yield
            return
        before = {number: signal.getsignal(number) for number in SIGNALS}
        heard = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
        outer, self._listening = self._listening, True
        self.signal, self._held = 0, False
        for number in heard:
            signal.signal(number, self._hear)
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        previous = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        watching = threading.Thread(target=self._watch, args=[reader], daemon=True)
        watching.start()
        try:
            yield
        finally:
            signal.set_wakeup_fd(previous)
            for number in heard:
                signal.signal(number, before[number])
            self._listening = outer
            os.close(writer)  # which ends the thread
            watching.join()
            os.close(reader)

    def hold(self) -> None:
        """From here on signals are only noted."""
        self._held = True

    def release(self) -> None:
        """From here on the first signal ends what is going on."""
        self._held = False

    def note(self, number: int) -> None:
        """Take ``number`` for heard: by this process, or by another one that it works with. The first one counts."""
        if not self.signal:
            self.signal, self._heard_at = number, time.monotonic()

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if not self.signal:
            self.note(number)
            if not self._held:
                raise Interrupted(number)
        # One Ctrl-C may arrive twice, from the terminal and from torchrun.
        elif number == signal.SIGINT and time.monotonic() - self._heard_at > PATIENCE_SECONDS:
            raise KeyboardInterrupt

    def _watch(self, reader: int) -> None:
        """Wait for signals to arrive, and for Python to hear them."""
        while number := os.read(reader, 1):
            arrived = time.monotonic()
            while number[0] in SIGNALS and not self.signal and self._listening:
                if time.monotonic() - arrived > (STUCK_WHEN_HELD_SECONDS if self._held else STUCK_SECONDS):
                    try:
                        code = self.when_stuck(Interrupted(number[0]))
                    except Exception:
                        code = 1
                    os._exit(code)
                time.sleep(0.1)


STOP = Stop()
"""The one of this process: signals are sent to processes."""


def leave_signals_to_the_parent(worker: int = 0) -> None:
    """For a helper process: a cluster signals all processes of a job, and it is the parent that ends this one."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
