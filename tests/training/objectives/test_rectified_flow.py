"""Rectified flow as an objective: shares that add up, evaluations that repeat, and dropped prompts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from regard.data.batching import Batch
from regard.data.tokenizer.specials import EOS
from regard.training.objectives.rectified_flow import QUANTILES, RectifiedFlow

PIXELS = 4


class Remembered(nn.Module):
    """A model that predicts a constant image and remembers its inputs."""

    def __init__(self, predicted: float = 0.0) -> None:
        super().__init__()
        self.predicted, self.seen = predicted, []  # type: ignore[var-annotated]

    def normalise(self, images: Tensor) -> Tensor:
        return images.float() / 100

    def forward(self, noisy: Tensor, time: Tensor, source: Tensor) -> Tensor:
        self.seen.append((noisy, time, source))
        return torch.full_like(noisy, self.predicted)


def batch(rows: list[int], step_tokens: int = 6) -> Batch:
    images = torch.tensor(rows, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, PIXELS, PIXELS)
    source = torch.tensor([[5 + row, EOS] for row in rows])
    return Batch(images.new_empty(len(rows), 0), images, source, None, step_tokens, rows)


def test_the_loss_is_the_error_of_the_velocity() -> None:
    objective, model = RectifiedFlow(-0.8, 0.8, 0.0), Remembered(predicted=0.5)
    torch.manual_seed(0)
    share = objective.share(model, batch([10, 20, 30]))
    ((noisy, time, _),) = model.seen
    images = model.normalise(batch([10, 20, 30]).target)
    left = (1 - time)[:, None, None, None]
    assert (time < 0.95).all()  # above it the divisor has a lower limit
    noise = (noisy - (1 - left) * images) / left
    velocity = (0.5 - noisy) / left
    expected = (velocity - (images - noise)).square().mean(dim=(1, 2, 3)).sum() / 6
    torch.testing.assert_close(share, expected)


def test_close_to_the_image_the_loss_is_bounded() -> None:
    objective, model = RectifiedFlow(12.0, 0.1, 0.0), Remembered(predicted=0.5)
    share = objective.share(model, batch([0], step_tokens=1))
    assert share.item() == pytest.approx((0.5 / 0.05) ** 2)


def test_times_have_a_logit_normal_distribution() -> None:
    objective, model = RectifiedFlow(-0.8, 0.7, 0.0), Remembered()
    torch.manual_seed(0)
    objective.share(model, batch([1] * 20_000))
    logits = model.seen[0][1].logit()
    assert logits.mean().item() == pytest.approx(-0.8, abs=0.03)
    assert logits.std().item() == pytest.approx(0.7, abs=0.03)


def test_a_share_of_the_prompts_is_dropped_in_training_only() -> None:
    objective, model = RectifiedFlow(0.0, 1.0, 0.25), Remembered()
    torch.manual_seed(0)
    objective.share(model, batch([1] * 8000))
    dropped = (model.seen[0][2] == torch.tensor([EOS, 0])).all(dim=1)
    assert dropped.float().mean().item() == pytest.approx(0.25, abs=0.02)
    model.seen.clear()
    objective.sums(model, batch([1] * 50))
    assert all((source[:, 0] == 6).all() for _, _, source in model.seen)


def test_an_evaluation_repeats_and_does_not_depend_on_batches() -> None:
    objective = RectifiedFlow(-0.8, 0.8, 0.1)
    torch.manual_seed(0)
    together = objective.sums(Remembered(), batch([3, 9, 4])).double()
    torch.manual_seed(1)
    apart = sum((objective.sums(Remembered(), batch([row])).double() for row in (4, 3, 9)), torch.zeros(()))
    torch.testing.assert_close(together, apart)
    assert together[-1] == 3


def test_metrics_are_the_loss_at_each_quantile_of_the_times() -> None:
    objective = RectifiedFlow(0.0, 1.0, 0.0)
    assert objective.times == sorted(objective.times)
    assert objective.times[len(QUANTILES) // 2] == 0.5
    metrics = objective.metrics(torch.tensor([2.0, 4.0, 6.0, 8.0, 10.0, 2.0], dtype=torch.float64))
    assert metrics.pop("loss") == 3
    assert list(metrics.values()) == [1, 2, 3, 4, 5]
    assert list(metrics)[2] == "loss_at_0.50"
