"""The attention of a drawing: the maps are those that the guided pass has computed."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from regard.data.tokenizer.tokenizer import Tokenizer, Tokenizers
from regard.inference.drawing.drawing import SOLVERS, Drawing, Solver
from regard.inference.drawing.text_to_image import TextToImage, Wanted
from regard.model.denoiser.denoiser import Denoiser
from regard.model.encoders.text import TextEncoder
from regard.model.feed_forward import relu
from regard.model.mixer import SelfAttention
from regard.model.norm import layer_norm
from regard.model.positions import Sinusoidal
from regard.model.recorder import Recorder
from regard.model.residual import AdaLNZero, PreNorm
from regard.observe.record.drawing import trace_drawings

WANTED = [Wanted("the red house", 3), Wanted("the green boat is very, very white", 4)]


@pytest.fixture(scope="module")
def generator(tokenizer: Tokenizer) -> TextToImage:
    torch.manual_seed(0)
    model = Denoiser(
        vocab_size=tokenizer.vocab_size,
        source_vocab_size=None,
        dim=16,
        depth=2,
        num_heads=2,
        ffn_dim=24,
        dropout=0.0,
        max_length=24,
        positions=Sinusoidal,
        mixer=SelfAttention,
        feed_forward=relu,
        residual=partial(AdaLNZero, norm=layer_norm),
        encoder=partial(TextEncoder, depth=1),
        encoder_residual=partial(PreNorm, norm=layer_norm),
        image_size=12,
        patch_size=4,
        pixel_mean=0.5,
        pixel_deviation=0.25,
    ).eval()
    with torch.no_grad():  # gates and the output start at zero
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return TextToImage(model, Tokenizers(tokenizer, tokenizer))


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_maps_are_those_of_the_conditional_half_of_the_guided_pass(
    generator: TextToImage, solver: Solver, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder, passes = generator.model.decoder, []
    original = decoder.forward

    def watched(noisy: Tensor, time: Tensor, encoded: object, record: Recorder | None = None) -> Tensor:
        recorder = Recorder()
        passes.append((float(time[0]), recorder.maps))
        return original(noisy, time, encoded, recorder.under("decoder"))

    drawing = Drawing(3, 2.5, solver)
    monkeypatch.setattr(decoder, "forward", watched)
    images = list(generator.draw(WANTED, drawing))
    monkeypatch.undo()
    traces = trace_drawings(generator, WANTED, drawing)
    firsts = passes if solver == "euler" else [passes[0], passes[2], passes[4]]
    assert [time for time, _ in firsts] == pytest.approx([0, 1 / 3, 2 / 3])
    for place, (trace, image) in enumerate(zip(traces, images, strict=True)):
        assert (trace.image == image).all()
        assert trace.times == [0, 1 / 3, 2 / 3]
        assert set(trace.maps.cross) == {"decoder.0.cross", "decoder.1.cross"}
        for name, weights in trace.maps.cross.items():
            seen = np.stack([maps[name][place, :, :, : len(trace.pieces)].numpy() for _, maps in firsts])
            np.testing.assert_allclose(weights, seen, atol=1e-5)
            assert weights.std() > 0.01, "weights that differ"
        for name, weights in trace.maps.patches.items():
            seen = np.mean([maps[name][place].numpy() for _, maps in firsts], axis=0)
            np.testing.assert_allclose(weights, seen, atol=1e-5)


def test_weights_are_over_the_pieces_with_the_end_and_without_padding(generator: TextToImage) -> None:
    traces = trace_drawings(generator, WANTED, Drawing(2, 1.0))
    assert len(traces[0].pieces) < len(traces[1].pieces)
    for trace in traces:
        assert trace.pieces[-1] == "</s>"
        assert "".join(trace.pieces[:-1]).replace("▁", " ").strip() == trace.wanted.prompt
        assert trace.grid == (3, 3)
        pieces = len(trace.pieces)
        assert {weights.shape for weights in trace.maps.cross.values()} == {(2, 2, 9, pieces)}
        assert {weights.shape for weights in trace.maps.patches.values()} == {(2, 9, 9)}
        assert {name: weights.shape for name, weights in trace.maps.prompt.items()} == {
            "encoder.0.self": (2, pieces, pieces)
        }
        for maps in (trace.maps.cross, trace.maps.patches, trace.maps.prompt):
            for weights in maps.values():
                np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-5)


def test_the_stages_lead_from_noise_to_the_image(generator: TextToImage) -> None:
    (trace,) = trace_drawings(generator, WANTED[:1], Drawing(4, 2.0))
    assert len(trace.noisy) == len(trace.predicted) == 4
    (noise,) = generator.pixels(generator.noise([3]))
    assert (trace.noisy[0] == noise).all()
    assert (trace.predicted[-1] == trace.image).all(), "the last step of Euler ends at what is predicted"
    assert (trace.noisy[1] != trace.noisy[0]).any()
