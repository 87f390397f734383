"""Signals that stop a run: SIGINT, SIGTERM, SIGUSR1 and SIGHUP.

Imports little, so that a process can listen before it loads anything else.
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
"""Ctrl-C; preemption or torchrun; the time limit is near; the terminal was closed."""

SAME_CTRL_C_SECONDS = 2.0
"""A SIGINT that arrives this soon after the first signal is the same Ctrl-C."""

STUCK_SECONDS = 10.0
"""Time after which a process that has not handled a signal is ended."""

STUCK_WHEN_HELD_SECONDS = 60.0
"""The same while signals are held: a training step takes time. Below hydra.launcher.leave_seconds, 120 s."""


class Interrupted(BaseException):
    """A signal stopped the work, which can be resumed from the disk. ``signal`` is the signal.

    Not an Exception, like KeyboardInterrupt: error handlers do not catch it.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.signal = signal.Signals(number)


class Stop:
    """The stop signals of this process. ``signal`` is the first signal that was received, or 0.

    A signal raises ``Interrupted`` in the main thread, except between ``hold`` and ``release``: there the work polls
    ``signal`` at the points where it can save. A second Ctrl-C raises KeyboardInterrupt in both cases.

    Python runs a signal handler only when C code returns, which never happens in a process that waits for another
    process that has left. Therefore a thread ends a process that has not handled a signal for ``STUCK_SECONDS``. What
    is on the disk stays. The exit code is the result of ``when_stuck``.
    """

    def __init__(self) -> None:
        self.signal = 0
        self.when_stuck: Callable[[Interrupted], int] = lambda stop: PREEMPTED
        self._received_at = 0.0
        self._held = self._listening = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Handle signals inside the with statement, and restore the previous handlers after it.

        A signal that was ignored before stays ignored.
        """
        if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
            yield
            return
        before = {number: signal.getsignal(number) for number in SIGNALS}
        handled = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
        outer, self._listening = self._listening, True
        self.signal, self._held = 0, False
        for number in handled:
            signal.signal(number, self._handle)
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        previous = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        watching = threading.Thread(target=self._watch, args=[reader], daemon=True)
        watching.start()
        try:
            yield
        finally:
            signal.set_wakeup_fd(previous)
            for number in handled:
                signal.signal(number, before[number])
            self._listening = outer
            os.close(writer)  # ends the thread
            watching.join()
            os.close(reader)

    def hold(self) -> None:
        """From now on, only record signals."""
        self._held = True

    def release(self) -> None:
        """From now on, raise ``Interrupted`` at the first signal."""
        self._held = False

    def note(self, number: int) -> None:
        """Record a signal that this process or one that it works with has received. Only the first one counts."""
        if not self.signal:
            self.signal, self._received_at = number, time.monotonic()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if not self.signal:
            self.note(number)
            if not self._held:
                raise Interrupted(number)
        # One Ctrl-C may arrive twice, from the terminal and from torchrun.
        elif number == signal.SIGINT and time.monotonic() - self._received_at > SAME_CTRL_C_SECONDS:
            raise KeyboardInterrupt

    def _watch(self, reader: int) -> None:
        """Wait for each signal to arrive, then for Python to handle it."""
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
"""The only instance: signals are sent to a process."""


def ignore_signals(worker: int = 0) -> None:
    """Ignore stop signals in a helper process: a cluster signals all processes of a job, and the parent ends this one.

    worker: the number of the DataLoader's worker, unused
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
