"""Small real parts that several tests use.

Torch and regard are imported inside: this file is read before pytest switches the shape checks of regard.model on.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from regard.data.tokenizer import Tokenizer
    from regard.model.transformer import Transformer

COLOURS = {"red": "rot", "green": "grün", "blue": "blau", "white": "weiß", "black": "schwarz"}
THINGS = {"house": "Haus", "roof": "Dach", "boat": "Boot", "book": "Buch", "horse": "Pferd", "sheet": "Blatt"}


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """On tensors as small as ours threads only wait for each other, on a busy machine for long."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def pairs() -> list[tuple[str, str]]:
    """Ninety sentences, English and German, of three to some twenty tokens."""
    return [
        (
            f"the {thing} is " + f"very, {'very, ' * more}" * (more > 0) + colour,
            f"das {ding} ist {'sehr ' * more}{farbe}",
        )
        for more in (0, 1, 3)
        for thing, ding in THINGS.items()
        for colour, farbe in COLOURS.items()
    ]


@pytest.fixture(scope="session")
def tokenizer(pairs: list[tuple[str, str]]) -> Tokenizer:
    """A joint vocabulary of 70 pieces, learned from ``pairs``."""
    from regard.data.tokenizer import TokenizerSettings
    from regard.data.vocabulary import train_tokenizer

    settings = TokenizerSettings(vocab_size=70, byte_fallback=False, character_coverage=1.0)
    return train_tokenizer((side for pair in pairs for side in pair), settings)


@pytest.fixture(scope="session")
def make_model() -> Callable[..., Transformer]:
    """Makes a small random model in eval mode; options override the arguments of ``Transformer``."""
    import torch

    from regard.model.encoder import TextEncoder
    from regard.model.feed_forward import relu
    from regard.model.mixer import SelfAttention
    from regard.model.norm import layer_norm
    from regard.model.positions import Sinusoidal
    from regard.model.residual import PreNorm
    from regard.model.transformer import Transformer

    def make(seed: int = 0, encoder: bool = True, **options: Any) -> Transformer:
        torch.manual_seed(seed)
        arguments: dict[str, Any] = {"dim": 16, "depth": 2, "num_heads": 2, "ffn_dim": 24, "dropout": 0.0}
        arguments |= {"vocab_size": 13, "source_vocab_size": None, "max_length": 32}
        arguments |= {"positions": Sinusoidal, "mixer": SelfAttention, "feed_forward": relu}
        arguments |= {"residual": partial(PreNorm, norm=layer_norm)} | options
        text_encoder = partial(TextEncoder, depth=arguments["depth"])
        return Transformer(**arguments, encoder=text_encoder if encoder else None).eval()

    return make
