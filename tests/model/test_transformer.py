"""The whole model: its parts, the weights they share, and the names of its attention maps."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from regard.model.positions import sinusoids
from regard.model.recorder import Recorder
from regard.model.transformer import Transformer

MakeModel = Callable[..., Transformer]

PREFIX = torch.tensor([[1, 5, 6, 7], [1, 8, 0, 0]])
SOURCE = torch.tensor([[4, 5, 2], [9, 2, 0]])


def test_a_joint_vocabulary_has_one_embedding_for_source_target_and_output(make_model: MakeModel) -> None:
    model = make_model()
    assert model.encoder.embedding is model.decoder.embedding
    tables = [name for name, parameter in model.named_parameters() if 13 in parameter.shape]
    assert len(tables) == 1
    before = model(PREFIX, SOURCE)
    with torch.no_grad():
        model.decoder.embedding.tokens.weight[9] *= 2  # in the second source, in neither prefix
    after = model(PREFIX, SOURCE)
    torch.testing.assert_close(after[0, :, :9], before[0, :, :9], rtol=0, atol=1e-5)
    assert not torch.allclose(after[0, :, 9], before[0, :, 9])  # used by the output
    assert not torch.allclose(after[1, :, :9], before[1, :, :9])  # and by the source


def test_separate_vocabularies_have_separate_embeddings(make_model: MakeModel) -> None:
    model = make_model(vocab_size=13, source_vocab_size=29)
    shapes = sorted(tuple(p.shape) for p in model.parameters() if p.shape[0] in (13, 29))
    assert shapes == [(13, 16), (29, 16)]
    assert model(PREFIX, torch.tensor([[28, 2], [20, 2]])).shape == (2, 4, 13)


def test_logits_come_from_the_embedding(make_model: MakeModel) -> None:
    model = make_model(encoder=False)
    hidden = torch.randn(2, 3, 16)
    expected = hidden @ model.decoder.embedding.tokens.weight.T
    torch.testing.assert_close(model.decoder.embedding.logits(hidden), expected)


def test_a_language_model_has_no_encoder_and_no_cross_attention(make_model: MakeModel) -> None:
    model = make_model(encoder=False)
    assert not [name for name, _ in model.named_parameters() if "encoder" in name or "cross" in name]
    assert model(PREFIX).shape == (2, 4, 13)


@pytest.mark.parametrize("encoder", [True, False])
def test_a_missing_or_unused_source_raises(make_model: MakeModel, encoder: bool) -> None:
    with pytest.raises(TypeError, match="needs a source, and a model without an encoder must not get one"):
        make_model(encoder=encoder)(PREFIX, None if encoder else SOURCE)


def test_a_recorder_names_every_map(make_model: MakeModel) -> None:
    recorder = Recorder()
    make_model()(PREFIX, SOURCE, recorder)
    shapes = {name: tuple(weights.shape) for name, weights in recorder.maps.items()}
    assert shapes == {
        **{f"encoder.{i}.self": (2, 2, 3, 3) for i in range(2)},
        **{f"decoder.{i}.self": (2, 2, 4, 4) for i in range(2)},
        **{f"decoder.{i}.cross": (2, 2, 4, 3) for i in range(2)},
    }
    assert not recorder.maps["decoder.0.self"].triu(1).any()
    assert not recorder.maps["decoder.1.cross"][1, :, :, 2].any()  # padding of the second source
    assert not recorder.maps["encoder.0.self"][1, :, :, 2].any()


def test_the_maps_of_a_language_model(make_model: MakeModel) -> None:
    recorder = Recorder()
    make_model(encoder=False)(PREFIX, record=recorder)
    assert set(recorder.maps) == {"decoder.0.self", "decoder.1.self"}


def test_it_can_be_built_on_the_meta_device(make_model: MakeModel) -> None:
    with torch.device("meta"):
        model = make_model(vocab_size=1_000_000, dim=1 << 16)  # hundreds of GiB
    assert all(tensor.is_meta for tensor in (*model.parameters(), *model.buffers()))


def test_dropout_is_active_only_in_training(make_model: MakeModel) -> None:
    model = make_model(dropout=0.3)
    torch.testing.assert_close(model(PREFIX, SOURCE), model(PREFIX, SOURCE), rtol=0, atol=0)
    model.train()
    assert not torch.allclose(model(PREFIX, SOURCE), model(PREFIX, SOURCE))


def test_every_weight_gets_a_gradient(make_model: MakeModel) -> None:
    model = make_model(source_vocab_size=11)
    model(PREFIX, SOURCE).square().mean().backward()
    idle = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert not idle


def test_sinusoids_are_the_table_of_the_paper_with_reordered_channels() -> None:
    dim, length = 6, 40
    table = sinusoids(length, dim)
    for position in range(length):
        for i in range(dim // 2):
            angle = position / 10_000 ** (2 * i / dim)
            assert table[position, i].item() == pytest.approx(math.sin(angle), abs=1e-5)
            assert table[position, dim // 2 + i].item() == pytest.approx(math.cos(angle), abs=1e-5)
    assert sinusoids(5, 7).shape == (5, 7)


def test_the_order_of_tokens_matters(make_model: MakeModel) -> None:
    model = make_model()
    swapped = SOURCE[:1, [1, 0, 2]]
    assert not torch.allclose(model(PREFIX[:1], swapped), model(PREFIX[:1], SOURCE[:1]), atol=1e-4)
