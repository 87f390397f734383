"""The description of a model for a page: unsupported models are refused, and weights are packed unchanged."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from jaxtyping import Float
from sentencepiece import sentencepiece_model_pb2 as proto
from torch import nn

from regard.data.tokenizer.tokenizer import Tokenizer
from regard.errors import UsageError
from regard.exchange.model import describe_model
from regard.exchange.page.vocabulary import describe_tokenizer
from regard.exchange.page.weights import WeightFormat, pack_weights
from regard.model.encoders.patches import PatchEncoder
from regard.model.mixer import SelfAttention
from regard.model.norm import layer_norm
from regard.model.output import separate
from regard.model.positions import Learned, Rotary
from regard.model.residual import PreNorm
from regard.model.transformer import Transformer


class OtherAttention(SelfAttention):
    pass


class OtherRotation(Rotary):
    pass


class OtherPositions(Learned):
    pass


class OtherResidual(PreNorm):
    pass


def tanh_network(dim: int, ffn_dim: int) -> nn.Module:
    return nn.Sequential(nn.Linear(dim, ffn_dim), nn.Tanh(), nn.Linear(ffn_dim, dim))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"mixer": OtherAttention}, "model.mixer=OtherAttention"),
        ({"mixer": partial(SelfAttention, rotation=OtherRotation)}, "model.mixer.rotation=OtherRotation"),
        ({"positions": OtherPositions}, "model.positions=OtherPositions"),
        ({"residual": partial(OtherResidual, norm=layer_norm)}, "model.residual=OtherResidual"),
        ({"residual": partial(PreNorm, norm=partial(nn.GroupNorm, 1))}, "model.residual.norm=GroupNorm"),
        ({"residual": partial(PreNorm, norm=partial(nn.LayerNorm, bias=False))}, "model.residual.norm=LayerNorm"),
        ({"feed_forward": tanh_network}, "model.feed_forward=Sequential"),
        ({"output": separate}, "output=separate"),
    ],
)
def test_what_a_page_cannot_compute_is_refused_by_name(
    make_model: Callable[..., Transformer], options: dict[str, object], named: str
) -> None:
    with pytest.raises(UsageError, match=r"^[^\n]+: expected [^\n]+$") as refused:
        describe_model(make_model(**options))
    assert str(refused.value).startswith(f"{named}: ")


def test_an_encoder_that_a_page_cannot_compute_is_refused(make_model: Callable[..., Transformer]) -> None:
    model = make_model()
    layer = partial(_layer_of, model)
    model.encoder = PatchEncoder(model.decoder.embedding, layer, depth=1, image_size=8, patch_size=4)
    with pytest.raises(UsageError, match=r"^model\.encoder=PatchEncoder: expected TextEncoder$"):
        describe_model(model)


def _layer_of(model: Transformer, **_: object) -> nn.Module:
    return model.decoder.layers[0]


@pytest.mark.parametrize("separate", [False, True])
def test_each_parameter_is_packed_once_under_a_name_of_the_description(
    make_model: Callable[..., Transformer], separate: bool
) -> None:
    model = make_model(source_vocab_size=17 if separate else None, positions=Learned)
    description = json.loads(json.dumps(describe_model(model)))
    packed = pack_weights(model, "float32")
    assert len(packed.tensors) == len(list(model.parameters()))
    assert len(packed.block) == 4 * sum(parameter.numel() for parameter in model.parameters())
    name = description["encoder"]["embedding"]["name"]
    assert name == ("encoder.embedding" if separate else "decoder.embedding")
    assert packed.tensors[f"{name}.tokens.weight"]["shape"] == [17 if separate else 13, 16]
    for name, about in packed.tensors.items():
        parameter = model.get_parameter(name)
        values = np.frombuffer(packed.block, "<f4", parameter.numel(), about["offset"])
        np.testing.assert_array_equal(values.reshape(about["shape"]), parameter.detach().numpy())


@pytest.mark.parametrize(("matrices", "error"), [("float16", 2**-11), ("int8", 1 / 254)])
def test_packed_matrices_are_within_half_a_step(
    make_model: Callable[..., Transformer], matrices: WeightFormat, error: float
) -> None:
    """Relative to the largest value of a row."""
    model = make_model()
    model.decoder.embedding.tokens.weight.data[5] = 0  # a row without a scale
    packed = pack_weights(model, matrices)
    assert len(packed.block) < 4 * sum(parameter.numel() for parameter in model.parameters()) / 1.5
    for name, about in packed.tensors.items():
        parameter = model.get_parameter(name).detach()
        assert about["offset"] % 4 == 0
        found = unpack(packed.block, about["format"], parameter.shape, about["offset"])
        if parameter.dim() == 1:
            assert about["format"] == "float32"
            np.testing.assert_array_equal(found, parameter.numpy())
        else:
            assert about["format"] == matrices
            most = parameter.abs().amax(dim=1, keepdim=True)
            assert bool(((torch.from_numpy(found) - parameter).abs() <= error * most + 1e-7).all())


def unpack(block: bytes, kind: str, shape: torch.Size, offset: int) -> Float[np.ndarray, "*shape"]:
    if kind != "int8":
        types = {"float32": "<f4", "float16": "<f2"}
        return np.frombuffer(block, types[kind], shape.numel(), offset).reshape(shape).astype(np.float32)
    scales = np.frombuffer(block, "<f4", shape[0], offset)
    steps = np.frombuffer(block, np.int8, shape.numel(), offset + 4 * shape[0])
    return steps.reshape(shape) * scales[:, None]


def test_a_vocabulary_of_words_is_refused(tokenizer: Tokenizer) -> None:
    model = proto.ModelProto.FromString(tokenizer.model)
    model.trainer_spec.model_type = proto.TrainerSpec.WORD
    with pytest.raises(
        UsageError, match=r"^tokenizer\.model=a vocabulary of words: expected BPE, unigram or characters"
    ):
        describe_tokenizer(Tokenizer(model.SerializeToString()))


def test_scores_of_pieces_are_exact_in_float32(tokenizer: Tokenizer) -> None:
    model = proto.ModelProto.FromString(tokenizer.model)
    model.pieces[9].score = float(np.float32(-8.123456789))
    described = describe_tokenizer(Tokenizer(model.SerializeToString()))
    assert described["scores"][9] == -8.123457
    assert np.float32(described["scores"][9]) == np.float32(-8.123456789)
    assert len(described["types"]) == len(described["pieces"]) == tokenizer.vocab_size
