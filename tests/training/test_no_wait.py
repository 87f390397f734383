"""Training steps with Lightning's loop and all callbacks read no value of a tensor: on a GPU they would wait for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from regard.data.batching import Batch
from regard.runs.folder import RunFolder
from regard.runs.work import work
from regard.training.task import Task

MakeRun = Callable[..., RunFolder]
STEPS = ["trainer.max_steps=7", "trainer.val_check_interval=7", "trainer.log_every_n_steps=7"]
STEPS += ["callbacks.last.every_n_steps=7", "trainer.limit_test_batches=0"]


class NoValueIsRead(TorchDispatchMode):
    """Raises an error if a number of a tensor is read, from the third step to the end of the sixth.

    read: is called with the loss of each step
    """

    def __init__(self, read: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.read, self.steps = read, 0

    def watch(self, patch: pytest.MonkeyPatch) -> None:
        """Count the steps that any task does."""
        step = Task.training_step

        def counted(task: Task, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
            self.steps += 1
            outputs = step(task, batch, batch_idx)
            self.read(outputs["share"])
            return outputs

        patch.setattr(Task, "training_step", counted)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if 3 <= self.steps <= 6:
            assert func is not torch.ops.aten._local_scalar_dense.default, "a value of a tensor is read in a step"
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("fixture", ["make_run", "make_language_run", "make_captioning_run", "make_drawing_run"])
def test_no_step_waits(fixture: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    run = request.getfixturevalue(fixture)(*STEPS, "name=watched")
    mode = NoValueIsRead(lambda loss: None)
    mode.watch(monkeypatch)
    with mode:
        assert work(run.path) == 0, (run.path / "log.txt").read_text()
    assert mode.steps == 7


def test_a_step_that_waits_is_found(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    mode = NoValueIsRead(lambda loss: loss.item())
    mode.watch(monkeypatch)
    run = make_run(*STEPS, "name=waits")
    with mode:
        assert work(run.path) == 1
    assert mode.steps == 3
    assert "a value of a tensor is read in a step" in (run.path / "log.txt").read_text()
