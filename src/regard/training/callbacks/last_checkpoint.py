"""The checkpoint to resume from, with everything that an exact resume needs."""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from pytorch_lightning.callbacks import Checkpoint

from regard.stop import STOP, Interrupted
from regard.training.random_state import get_random_state, seed_rank, set_random_state


class LastCheckpoint(Checkpoint):
    """Saves ``last.ckpt`` every ``every_n_steps`` steps and ``every_minutes``, before each validation, at the end of
    training and on a stop signal.

    At the end of each step, the ranks exchange whether one has received a signal and whether it is time to save. Then
    all of them save, and raise ``Interrupted`` after a signal. During a validation they raise it at once: the
    checkpoint saved before it records that the validation is due, and the next attempt starts with it.
    """

    def __init__(self, folder: Path, every_n_steps: int, every_minutes: float | None = None) -> None:
        self.path, self.every_n_steps, self.every_minutes = (
            folder / "checkpoints" / "last.ckpt",
            every_n_steps,
            every_minutes,
        )
        self._saved_step, self._saved_at = -1, 0.0
        self._validation_due = False
        self._random_states: list[dict[str, Any]] | None = None
        self._group: Any = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Restore the random states of the checkpoint, and run the validation that was due."""
        # On the CPU also if training is on a GPU: a GPU would have to finish its queued work first.
        self._group = dist.new_group(backend="gloo") if trainer.world_size > 1 else None
        self._saved_step, self._saved_at = trainer.global_step, time.monotonic()
        STOP.hold()
        states = self._random_states
        if states is not None and len(states) != trainer.world_size:
            warnings.warn(
                f"the checkpoint was saved by {len(states)} processes and is resumed by {trainer.world_size}: "
                "no batch is lost, but the losses differ from those of a run that was never stopped",
                stacklevel=1,
            )
        # Not earlier: Lightning gives all ranks the same seed when it sets up a distributed strategy.
        if states is not None and trainer.global_rank < len(states):
            set_random_state(states[trainer.global_rank])
        else:
            seed_rank(trainer.global_rank)
        if stop := self._agree(trainer)[0]:
            raise Interrupted(stop)
        if self._validation_due:
            self._validation_due = False
            validation = trainer.fit_loop.epoch_loop.val_loop
            validation.restarting = False  # from its first batch
            trainer.validating = True
            validation.run()
            trainer.training = True

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save if it is time to, or on a stop signal."""
        if (trainer.fit_loop.epoch_loop.batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        stop, time_is_up = self._agree(trainer)
        validates = validation_follows(trainer)
        if validates and trainer.global_step >= trainer.max_steps:
            return  # the last step is saved after its validation
        if stop or time_is_up or validates or trainer.global_step % self.every_n_steps == 0:
            self._save(trainer, validates)
        if stop:
            raise Interrupted(stop)

    def on_validation_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Leave the validation on a stop signal."""
        if trainer.state.fn == "fit" and STOP.signal:
            raise Interrupted(STOP.signal)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the last step after its validation."""
        if trainer.state.fn == "fit" and trainer.global_step >= trainer.max_steps:
            self._save(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the step at which training ended, if it is not saved yet."""
        if trainer.global_step != self._saved_step:
            self._save(trainer)
        STOP.release()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Let signals interrupt the process again."""
        STOP.release()

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add the random states of all ranks, and whether a validation is due."""
        states: list[Any] = [get_random_state()]
        if trainer.world_size > 1:
            states = [None] * trainer.world_size
            dist.all_gather_object(states, get_random_state(), group=self._group)
        checkpoint["random_states"] = states
        checkpoint["validation_due"] = self._validation_due

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Store what ``on_train_start`` needs."""
        self._random_states = checkpoint.get("random_states")
        self._validation_due = checkpoint.get("validation_due", False)

    def _save(self, trainer: pl.Trainer, validation_due: bool = False) -> None:
        self._validation_due = validation_due
        trainer.save_checkpoint(self.path)
        self._validation_due = False
        self._saved_step, self._saved_at = trainer.global_step, time.monotonic()

    def _agree(self, trainer: pl.Trainer) -> tuple[int, bool]:
        """Return a signal that any rank has received, or 0, and whether it is time to save."""
        time_is_up = self.every_minutes is not None and time.monotonic() - self._saved_at > 60 * self.every_minutes
        votes = torch.tensor([STOP.signal, int(time_is_up)])
        if self._group is not None:
            dist.all_reduce(votes, dist.ReduceOp.MAX, group=self._group)
        stop, save = votes.tolist()
        if stop:
            STOP.note(stop)  # rank 0 reports the reason and may requeue the job, even if another rank got the signal
        return stop, bool(save)


def validation_follows(trainer: pl.Trainer) -> bool:
    """Whether Lightning runs a validation after the present batch."""
    every = trainer.val_check_batch
    if not trainer.enable_validation or not isinstance(every, int):
        return False
    return (trainer.fit_loop.total_batch_idx + 1) % every == 0
