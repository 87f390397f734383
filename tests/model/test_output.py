"""The output layer: tied to the embedding, or with weights of its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch

from regard.model.output import OutputFactory, separate
from regard.model.transformer import Transformer

PREFIX, SOURCE = torch.tensor([[1, 5, 6, 7], [1, 8, 0, 0]]), torch.tensor([[3, 4, 2], [7, 2, 0]])


@pytest.mark.parametrize("output", [None, separate, partial(separate, bias=True)])
def test_vectors_and_matrix_of_a_loss_make_the_logits(
    make_model: Callable[..., Transformer], output: OutputFactory | None
) -> None:
    model = make_model(output=output)
    for name, parameter in model.named_parameters():
        if name.endswith("output.bias"):
            torch.nn.init.normal_(parameter)
    product = model(PREFIX, SOURCE, output=lambda hidden, matrix: hidden @ matrix.T)
    torch.testing.assert_close(product, model(PREFIX, SOURCE))


def test_separate_weights_are_those_of_the_logits_alone(make_model: Callable[..., Transformer]) -> None:
    model = make_model(output=partial(separate, bias=True))
    hidden = torch.randn(2, 16)
    layer = model.decoder.embedding.output
    assert layer is not None
    torch.testing.assert_close(model.decoder.embedding.logits(hidden), hidden @ layer.weight.T + layer.bias)
    before = model.encode(SOURCE)
    layer.weight.data.zero_()
    torch.testing.assert_close(model(PREFIX, SOURCE), layer.bias.expand(2, 4, -1))
    assert before is not None
    torch.testing.assert_close(model.encoder(SOURCE).states, before.states)
