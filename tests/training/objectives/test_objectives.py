"""Objectives: shares of a step, sums of a split, and a task that does not know what is summed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from regard.data.batching import Batch
from regard.data.tokenizer.specials import PAD
from regard.inference.forced_pass import forced_logits
from regard.instantiate import build
from regard.model.transformer import Transformer
from regard.runs.folder import RunFolder
from regard.runs.work import make_task
from regard.training.objectives.next_token import NextToken
from regard.training.trainer import make_trainer, without_srun_hint

LENGTHS = [3, 9, 1, 6, 6]


@pytest.fixture
def model(make_model: Callable[..., Transformer]) -> Transformer:
    return make_model(encoder=False)


@pytest.fixture
def rows() -> list[Batch]:
    """Batches of one row of different lengths, of one optimizer step."""
    torch.manual_seed(1)
    texts = [torch.randint(4, 13, (1, length)) for length in LENGTHS]
    return [
        Batch(text, text.roll(-1, 1), None, None, step_tokens=sum(LENGTHS), rows=[row])
        for row, text in enumerate(texts)
    ]


def together(batches: list[Batch]) -> Batch:
    """The rows of several batches in one, padded on the right."""

    def padded(name: str) -> Tensor:
        return torch.nn.utils.rnn.pad_sequence([getattr(each, name)[0] for each in batches], True, PAD)

    numbers = [row for each in batches for row in each.rows]
    return batches[0]._replace(prefix=padded("prefix"), target=padded("target"), rows=numbers)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_the_shares_of_a_step_add_up_to_the_mean_over_its_targets(
    model: Transformer, rows: list[Batch], label_smoothing: float
) -> None:
    objective = NextToken(label_smoothing)
    whole = objective.share(model, together(rows))
    for split in (rows, [together(rows[:2]), together(rows[2:])]):
        torch.testing.assert_close(sum(objective.share(model, batch) for batch in split), whole)
    probabilities = torch.cat([forced_logits(model, row)[0].log_softmax(-1) for row in rows])
    target = torch.cat([row.target[0] for row in rows])
    right = -probabilities.gather(1, target[:, None]).mean()
    torch.testing.assert_close(whole, (1 - label_smoothing) * right - label_smoothing * probabilities.mean())


def test_the_sums_of_batches_are_those_of_all_rows_and_are_not_smoothed(model: Transformer, rows: list[Batch]) -> None:
    objective = NextToken(0.1)
    whole = objective.sums(model, together(rows))
    torch.testing.assert_close(torch.stack([objective.sums(model, row) for row in rows]).sum(0), whole)
    metrics = objective.metrics(whole.double())
    assert metrics["loss"] == pytest.approx(NextToken(0.0).share(model, together(rows)).item())
    guesses = torch.cat([forced_logits(model, row)[0].argmax(-1) == row.target[0] for row in rows])
    assert metrics["accuracy"] == pytest.approx(guesses.double().mean().item())


class LossByPosition:
    """The loss of the tokens at even and odd positions: sums of another shape than those of `NextToken`."""

    unit = "tokens"

    def share(self, model: Transformer, batch: Batch) -> Tensor:
        return self.sums(model, batch)[0].sum() / batch.step_tokens

    def sums(self, model: Transformer, batch: Batch) -> Tensor:
        probabilities = forced_logits(model, batch).log_softmax(-1).gather(-1, batch.target[..., None])[..., 0]
        real = batch.target != PAD
        parts = [(probabilities * real)[:, start::2].sum() for start in (0, 1)]
        return torch.stack([-torch.stack(parts), torch.stack([real[:, start::2].sum() for start in (0, 1)])])

    def metrics(self, sums: Tensor) -> dict[str, float]:
        even, odd = (sums[0] / sums[1]).tolist()
        return {"loss": float(sums[0].sum() / sums[1].sum()), "loss_even": even, "loss_odd": odd}


def test_the_task_evaluates_any_objective(make_run: Callable[..., RunFolder]) -> None:
    config = make_run("name=objective").config()
    batches = build(config["batches"])
    task = make_task(config, batches)

    def validated() -> dict[str, float]:
        trainer = make_trainer(
            {"_target_": "pytorch_lightning.Trainer", "accelerator": "cpu", "devices": 1},
            logger=False,
            enable_checkpointing=False,
        )
        with without_srun_hint():
            trainer.validate(task, datamodule=batches, verbose=False)
        return {name.removeprefix("validation/"): float(value) for name, value in trainer.callback_metrics.items()}

    assert isinstance(task.objective, NextToken)
    expected = validated()
    task.objective = LossByPosition()
    found = validated()
    assert found["loss"] == pytest.approx(expected["loss"])
    assert min(found["loss_even"], found["loss_odd"]) < found["loss"] < max(found["loss_even"], found["loss_odd"])
    assert found.keys() - {"loss_even", "loss_odd"} == expected.keys() - {"perplexity", "accuracy"}
