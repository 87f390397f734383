"""How much the logits of a page differ from those of PyTorch with float32 weights."""

from __future__ import annotations

from base64 import b64encode
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from regard.data.batching import pad
from regard.data.images.image import Image
from regard.data.sources.image import ImageSource
from regard.data.sources.source import Source
from regard.data.sources.text import TextSource
from regard.data.teacher_forcing import decoder_prefix
from regard.data.tokenizer.specials import BOS, EOS, UNK
from regard.exchange.layers import Plain
from regard.exchange.page.weights import WeightFormat, as_stored
from regard.inference.decoding import Sampling
from regard.inference.generator import ForcedExample, TextGenerator
from regard.inference.language_model import LanguageModel

EXAMPLES = 16
EXAMPLE_TOKENS = 24
SEED = 0
REFERENCE_TOKENS = 500
"""Tokens of the vocabulary whose logits a page contains for its own check."""


class Deviation(NamedTuple):
    """Differences of logits, and where they were measured.

    largest, mean: absolute differences over all positions and tokens of the vocabulary
    same: share of the positions whose most likely token is the same
    """

    largest: float
    mean: float
    same: float
    examples: int
    positions: int


@torch.inference_mode()
def measure_deviation(generator: TextGenerator, matrices: WeightFormat) -> Deviation:
    """Measure in PyTorch what the format of the weights changes, in forced passes over `random_examples`."""
    stored = as_stored(generator.model, matrices)
    differences, same = [], []
    examples = random_examples(generator)
    for example in examples:
        exact, rounded = (forced_logits(generator, model, example) for model in (generator.model, stored))
        differences.append((rounded - exact).abs())
        same.append(rounded.argmax(dim=-1) == exact.argmax(dim=-1))
    difference, agrees = torch.cat(differences), torch.cat(same)
    return Deviation(
        difference.max().item(), difference.mean().item(), agrees.float().mean().item(), len(examples), len(agrees)
    )


def random_examples(generator: TextGenerator) -> list[ForcedExample]:
    """Return random inputs with the outputs of the model for them.

    A language model has no input: its outputs are sampled texts.
    """
    if isinstance(generator, LanguageModel):
        length = min(EXAMPLE_TOKENS, generator.model.max_length - 1)
        texts = generator.continue_prompts([[BOS]] * EXAMPLES, Sampling(), length, SEED)
        return [ForcedExample(None, output, "", "") for output in texts]
    return [generator.forced_example(given, None, 1, 1.0) for given in random_inputs(generator.source)]


def random_inputs(source: Source | None) -> list[Any]:
    """Return texts of random tokens, or images of random pixels."""
    rng = np.random.default_rng(SEED)
    if isinstance(source, ImageSource):
        shape = (EXAMPLES, source.size, source.size, 3)
        return [Image(pixels) for pixels in rng.integers(0, 256, shape, dtype=np.uint8)]
    assert isinstance(source, TextSource)
    ids = rng.integers(UNK + 1, source.tokenizer.vocab_size, (EXAMPLES, EXAMPLE_TOKENS))
    return [source.tokenizer.decode(row) for row in ids.tolist()]


@torch.inference_mode()
def describe_reference(generator: TextGenerator) -> Plain:
    """Return an example with its logits in PyTorch, which a page compares with its own when it is opened.

    source: token ids, or the bytes of an image, "height width channel", in base64
    expected: the logits, float32 in base64, "target vocab" of the tokens ``vocabulary`` only
    """
    example = random_examples(generator)[0]
    logits = forced_logits(generator, generator.model, example)
    size = logits.shape[1]
    image = example.source.permute(1, 2, 0).contiguous() if isinstance(example.source, Tensor) else None
    vocabulary = np.unique(np.linspace(0, size - 1, min(size, REFERENCE_TOKENS)).astype(int))
    chosen = logits[:, torch.from_numpy(vocabulary)].float().cpu().numpy()
    return {
        "source": example.source if image is None else b64encode(image.numpy().tobytes()).decode("ascii"),
        "prefix": decoder_prefix([*example.output, EOS]),
        "vocabulary": vocabulary.tolist(),
        "expected": b64encode(chosen.astype("<f4").tobytes()).decode("ascii"),
    }


def forced_logits(generator: TextGenerator, model: nn.Module, example: ForcedExample) -> Tensor:
    """Return the logits of ``model`` for an example of its generator, "target vocab"."""
    source = None if generator.source is None else generator.source.collate([example.source])
    logits: Tensor = model(pad([decoder_prefix([*example.output, EOS])]), source)
    return logits[0]
