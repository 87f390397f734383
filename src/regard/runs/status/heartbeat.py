"""The heartbeat of a run."""

from __future__ import annotations

import logging
import os
import signal
import threading
from types import TracebackType
from typing import Any

import pytorch_lightning as pl

from regard.errors import RegardError
from regard.runs.folder import RunFolder

HEARTBEAT_SECONDS = 10


class Heartbeat(pl.Callback):
    """Writes to status.json every ``HEARTBEAT_SECONDS`` that the run is running, and its training ``step``.

    A context manager with a thread, so that a long validation or preparation does not look like a dead run. The
    thread also sends SIGTERM to this process if the run was cancelled. As a Lightning callback it learns the step.
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

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Update the step."""
        self.step = trainer.global_step

    def end(self) -> None:
        """End the thread and wait for it, so that it does not overwrite a status that is written later."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def facts(self) -> dict[str, int]:
        """Return the step for status.json; nothing before the first step."""
        return {} if self.step is None else {"step": self.step}

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT_SECONDS):
            try:
                self.run.set_status("running", **self.facts())
                if self.run.cancelled():  # perhaps from another host
                    os.kill(os.getpid(), signal.SIGTERM)
            except (OSError, RegardError) as error:  # a full disk: the work itself fails when it has to write
                logging.getLogger("regard").info("no heartbeat: %s", error)
