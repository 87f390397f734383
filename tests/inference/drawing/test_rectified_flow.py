"""Rectified flow: with a model that knows the image, any number of steps ends at it; guidance and solvers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from regard.data.tokenizer.specials import EOS, PAD
from regard.inference.drawing.drawing import SOLVERS, Drawing, Solver
from regard.inference.drawing.rectified_flow import draw, mix, without_prompt
from regard.model.denoiser.denoiser import Denoiser
from regard.model.encoders.encoder import Encoded
from regard.model.recorder import Recorder

NOISE, IMAGE = torch.full((2, 3, 2, 2), -1.0), torch.full((2, 3, 2, 2), 0.75)
SOURCE = torch.tensor([[7, EOS, PAD], [8, 9, EOS]])


class Known(Denoiser):
    """A model that predicts ``IMAGE`` with a prompt and 0 without one; counts its evaluations."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.rows: list[int] = []

    def encode(self, source: Tensor | None, record: Recorder | None = None) -> Encoded:
        assert source is not None
        return Encoded(source[..., None].float(), source != PAD)

    def decoder(self, noisy: Tensor, time: Tensor, encoded: Encoded) -> Tensor:  # type: ignore[override]
        self.rows.append(len(noisy))
        prompted = encoded.states[:, 0, 0] != EOS
        return torch.where(prompted[:, None, None, None], IMAGE[:1], torch.zeros(()))


class Curved(Known):
    """A model whose prediction is the square of the time: the path is curved, and more steps are more exact."""

    def decoder(self, noisy: Tensor, time: Tensor, encoded: Encoded) -> Tensor:  # type: ignore[override]
        return time[:, None, None, None].square().expand_as(noisy)


def last(model: Known, drawing: Drawing) -> Tensor:
    *_, step = draw(model, SOURCE, NOISE, drawing)
    assert step.time == 1
    return step.noisy


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("steps", [1, 4, 19])
def test_a_model_that_knows_the_image_draws_it_in_any_number_of_steps(steps: int, solver: Solver) -> None:
    torch.testing.assert_close(last(Known(), Drawing(steps, 1.0, solver)), IMAGE)


def test_the_points_of_the_drawing_are_on_the_straight_path() -> None:
    steps = list(draw(Known(), SOURCE, NOISE, Drawing(4, 1.0)))
    assert [step.time for step in steps] == [0, 0.25, 0.5, 0.75, 1]
    for step in steps:
        torch.testing.assert_close(step.noisy, mix(IMAGE, NOISE, torch.tensor([step.time, step.time])))


def test_guidance_moves_away_from_the_prediction_without_prompt() -> None:
    torch.testing.assert_close(last(Known(), Drawing(5, 3.0)), 3 * IMAGE)
    torch.testing.assert_close(last(Known(), Drawing(5, 0.5)), 0.5 * IMAGE)


@pytest.mark.parametrize(("guidance", "rows"), [(1.0, 2), (2.0, 4)])
def test_without_guidance_the_model_is_not_evaluated_without_prompt(guidance: float, rows: int) -> None:
    for solver, evaluations in zip(SOLVERS, (3, 5), strict=True):
        model = Known()
        last(model, Drawing(3, guidance, solver))
        assert model.rows == [rows] * evaluations


def test_heun_is_more_exact_than_euler_on_a_curved_path() -> None:
    def halfway(steps: int, solver: Solver) -> Tensor:
        return list(draw(Curved(), SOURCE, NOISE, Drawing(steps, 1.0, solver)))[steps // 2].noisy

    exact = halfway(2000, "heun")
    errors = [(halfway(20, solver) - exact).abs().max() for solver in SOLVERS]
    assert errors[1] < errors[0] / 10


def test_a_prompt_is_replaced_by_an_empty_one() -> None:
    assert without_prompt(SOURCE).tolist() == [[EOS, PAD, PAD], [EOS, PAD, PAD]]
