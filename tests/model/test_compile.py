"""torch.compile: same numbers, same names of weights. Runs in a process in which shapes are not checked.

The test covers what regard can break: each kind of layer is captured in one graph. The code that PyTorch generates from
these graphs is not tested; it takes a minute to compile.
"""

from __future__ import annotations

from collections.abc import Callable

from warm import WarmProcess

SCRIPT = """
from functools import partial, partialmethod

import torch
from torch._dynamo.utils import counters

from regard.model.encoders.text import TextEncoder
from regard.model.feed_forward import relu
from regard.model.hybrid import Hybrid
from regard.model.mixer import SelfAttention
from regard.model.norm import layer_norm
from regard.model.positions import NoPositions, Rotary
from regard.model.residual import PreNorm
from regard.model.state_space.h3 import H3
from regard.model.transformer import Transformer
from regard.training.compilation import compile_training
from regard.training.objectives.next_token import NextToken

torch.manual_seed(0)
sizes = dict(vocab_size=13, source_vocab_size=None, dim=8, depth=4, num_heads=2, ffn_dim=8, dropout=0.0, max_length=16)
mixer, residual = Hybrid(H3, SelfAttention, [1, 3], Rotary), partial(PreNorm, norm=layer_norm)
pieces = dict(positions=NoPositions, mixer=mixer, feed_forward=relu, residual=residual)
model = Transformer(**sizes, **pieces, encoder=partial(TextEncoder, depth=4))
batches = [
    (torch.randint(1, 13, (rows, target)), torch.randint(1, 13, (rows, source)))
    for rows, target, source in [(2, 5, 7), (3, 9, 4), (4, 4, 8)]
]
for _, source in batches:
    source[0, 2:] = 0


def results():
    for prefix, source in batches:
        model.zero_grad()
        logits = model(prefix, source)
        logits.square().mean().backward()
        yield [logits, *(parameter.grad for parameter in model.parameters())]


names, plain = list(model.state_dict()), list(results())
torch.nn.Module.compile = partialmethod(torch.nn.Module.compile, backend="eager")
compile_training(model, NextToken(0.0))
for expected, found in zip(plain, results(), strict=True):
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(other, one, rtol=0, atol=1e-5)
assert list(model.state_dict()) == names
print(counters["stats"]["unique_graphs"], sum(counters["graph_break"].values()))
"""


def test_a_compiled_model_with_h3_and_attention_computes_the_same(start_warm: Callable[..., WarmProcess]) -> None:
    process = start_warm("-c", SCRIPT)
    out, errors = process.communicate()
    assert process.returncode == 0, errors
    # One graph for all lengths and for both layers with the same mixer, of the encoder and of the decoder.
    assert out.split() == ["4", "0"]
