"""What makes a stopped run go on as if it had not stopped."""

from __future__ import annotations

import random
import signal
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint
from torch import Tensor

PATIENCE_SECONDS = 2.0


class Interrupted(Exception):
    """A signal asked the run to stop; it has saved its state. ``signal`` says which."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.signal = signal.Signals(number)


class LastCheckpoint(Checkpoint):
    """Saves ``last.ckpt`` every ``every_n_steps`` optimizer steps, after validations, and when told to stop.

    SIGINT and SIGTERM only set a flag, which the ranks agree on at the end of a step: all of them
    save together and leave with ``Interrupted``. A second SIGINT does not wait for that.

    At a step that is followed by a validation it saves after it: Lightning would not make up for a
    validation that a kill cut short.
    """

    def __init__(self, folder: Path, every_n_steps: int) -> None:
        self.path, self.every_n_steps = folder / "checkpoints" / "last.ckpt", every_n_steps
        self._saved = -1
        self._signal, self._heard_at = 0, 0.0
        self._before: dict[int, Any] = {}
        self._random_states: list[dict[str, Any]] | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Listen for signals (here, since Lightning sets its own handler before) and set the random states."""
        self._saved = trainer.global_step
        if threading.current_thread() is threading.main_thread():
            self._before = {n: signal.signal(n, self._heard) for n in (signal.SIGINT, signal.SIGTERM)}
        if self._random_states is not None and trainer.global_rank < len(self._random_states):
            set_random_state(self._random_states[trainer.global_rank])

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save if it is time to, or to stop."""
        step = trainer.global_step
        if step == self._saved or (trainer.fit_loop.epoch_loop.batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        if stop := self._agreed_signal(trainer):
            self._save(trainer)
            raise Interrupted(stop)
        if step % self.every_n_steps == 0 and not validation_follows(trainer):
            self._save(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save what has been validated."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._save(trainer)
            if stop := self._agreed_signal(trainer):
                raise Interrupted(stop)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save where training ended."""
        if trainer.global_step != self._saved:
            self._save(trainer)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add the random state of every rank."""
        states: list[Any] = [random_state()]
        if trainer.world_size > 1:
            states = [None] * trainer.world_size
            torch.distributed.all_gather_object(states, random_state())
        checkpoint["random_states"] = states

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keep the random states until training starts."""
        self._random_states = checkpoint.get("random_states")

    def _save(self, trainer: pl.Trainer) -> None:
        trainer.save_checkpoint(self.path)
        self._saved = trainer.global_step

    def _heard(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        # One Ctrl-C may arrive twice, from the terminal and from torchrun.
        if number == signal.SIGINT and self._signal and now - self._heard_at > PATIENCE_SECONDS:
            raise KeyboardInterrupt
        if not self._signal:
            self._signal, self._heard_at = number, now

    def _agreed_signal(self, trainer: pl.Trainer) -> int:
        if trainer.world_size == 1:
            return self._signal
        heard = torch.tensor(self._signal, device=trainer.strategy.root_device)
        torch.distributed.all_reduce(heard, torch.distributed.ReduceOp.MAX)
        return int(heard)


def validation_follows(trainer: pl.Trainer) -> bool:
    """Whether Lightning validates after the present batch."""
    every = trainer.val_check_batch
    if not trainer.enable_validation or not isinstance(every, int):
        return False
    return (trainer.fit_loop.total_batch_idx + 1) % every == 0


def random_state() -> dict[str, Any]:
    """The state of every generator this process draws from, as tensors and plain values."""
    version, words, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    state: dict[str, Any] = {
        "python": [version, list(words), gauss],
        "numpy": [
            str(name),
            torch.from_numpy(np.asarray(keys).astype(np.int64)),
            position,
            has_gauss,
            cached,
        ],
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def set_random_state(state: dict[str, Any]) -> None:
    """Put the generators back to ``state``."""
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    name, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(_cpu_bytes(state["torch"]))
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(_cpu_bytes(state["cuda"]))


def _cpu_bytes(state: Tensor) -> Tensor:
    return state.to("cpu", torch.uint8)
