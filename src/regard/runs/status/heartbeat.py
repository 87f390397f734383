"""A sign of life of a run."""

from __future__ import annotations

import logging
import os
import signal
import threading
from types import TracebackType

from regard.errors import RegardError
from regard.runs.folder import RunFolder

HEARTBEAT_SECONDS = 10


class Heartbeat:
    """Says in status.json every ``HEARTBEAT_SECONDS`` that the run goes on, and at which ``step`` it is.

    From a thread of its own: a long validation, or learning a vocabulary, is no sign of death. It also sees when
    the run is cancelled.
    """

    def __init__(self, run: RunFolder) -> None:
        self.run = run
        self.step: int | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()

    def end(self) -> None:
        """The last beat is over when this returns: nothing is written over what comes after it."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def facts(self) -> dict[str, int]:
        """The step, once there is one."""
        return {} if self.step is None else {"step": self.step}

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT_SECONDS):
            try:
                self.run.set_status("running", **self.facts())
                if self.run.cancelled():  # perhaps by somebody on another machine
                    os.kill(os.getpid(), signal.SIGTERM)
            except (OSError, RegardError) as error:  # the work will meet a full disk by itself, where it matters
                logging.getLogger("regard").info("no heartbeat: %s", error)
