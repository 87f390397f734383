"""Attention maps of a sentence pair: axes, entropy, files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Float

from regard.errors import RegardError
from regard.files import replacing

FORMAT = 1


@dataclass(frozen=True)
class AttentionKind:
    """The kind of an attention map (encoder self, decoder self or cross).

    title: its name on pages
    query, key: what the rows and the columns are
    causal: queries do not attend to keys after their own position
    """

    title: str
    query: str
    key: str
    causal: bool = False


ATTENTION_KINDS = {
    "encoder.self": AttentionKind("Encoder self-attention", "source token", "source tokens it attends to"),
    "decoder.self": AttentionKind("Decoder self-attention", "predicted token", "preceding tokens", causal=True),
    "decoder.cross": AttentionKind("Cross-attention", "predicted token", "source tokens"),
}


IMAGE_KINDS = ATTENTION_KINDS | {
    "encoder.self": AttentionKind("Encoder self-attention", "image patch", "image patches it attends to"),
    "decoder.cross": AttentionKind("Cross-attention", "predicted token", "image patches"),
}
"""The same for a model whose source is an image."""


def split_name(name: str) -> tuple[str, int]:
    """Return the kind and the layer of a map: ``("decoder.cross", 2)`` for ``"decoder.2.cross"``.

    Raises ValueError if the kind is not in ATTENTION_KINDS.
    """
    parts = re.fullmatch(r"(\w+)\.(\d+)\.(\w+)", name)
    kind = f"{parts[1]}.{parts[3]}" if parts else ""
    if parts is None or kind not in ATTENTION_KINDS:
        known = ", ".join(kind.replace(".", ".<layer>.") for kind in ATTENTION_KINDS)
        raise ValueError(f"{name!r} is not an attention map: expected {known}")
    return kind, int(parts[2])


@dataclass(frozen=True)
class SentenceMaps:
    """The attention maps of one sentence pair, or of an image and its caption, with the tokens on their axes.

    source: input pieces of the encoder, with ``</s>``; labels of the patches of an image; empty for a language model
    prefix: input pieces of the decoder, starting with ``<s>``
    target: output pieces of the decoder, ending with ``</s>``; one for each piece of prefix
    maps: ``"encoder.0.self"``, ``"decoder.0.self"``, ``"decoder.0.cross"``, ... -> float32
        (heads, query, key). A row has the weights of one query over all keys; it sums to 1, or is all zeros if every
        key is masked.

    grid: rows and columns of the patches, if the source is an image; the patches are in the order of reading

    Raises ValueError if the shape of a map does not match its tokens.
    """

    source: list[str]
    prefix: list[str]
    target: list[str]
    maps: dict[str, np.ndarray]
    grid: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        for name, weights in self.maps.items():
            queries, keys = self.tokens(name)
            expected = (len(queries), len(keys))
            if weights.ndim != 3 or weights.shape[1:] != expected:
                raise ValueError(f"{name} has shape {weights.shape}, expected (heads, {expected[0]}, {expected[1]})")

    @property
    def kinds(self) -> dict[str, AttentionKind]:
        """The kinds of attention of its model."""
        return ATTENTION_KINDS if self.grid is None else IMAGE_KINDS

    def tokens(self, name: str) -> tuple[list[str], list[str]]:
        """Return the pieces on the query axis and on the key axis of the map ``name``."""
        kind, _ = split_name(name)
        if kind == "encoder.self":
            return self.source, self.source
        return self.target, self.source if kind == "decoder.cross" else self.prefix

    def key_grid(self, name: str) -> tuple[int, int] | None:
        """Return ``grid`` if the keys of the map ``name`` are the patches of an image, else None."""
        return None if split_name(name)[0] == "decoder.self" else self.grid


def entropy(weights: Float[np.ndarray, "heads query key"]) -> Float[np.ndarray, "heads"]:
    """Mean entropy of each head in nats: from 0 (all weight on one key) to ln(keys) (uniform weights).

    -sum_k p_k ln p_k with 0 ln 0 = 0, averaged over query rows. Rows of zeros (fully masked) are ignored; NaN for a
    head without other rows.
    """
    count = np.any(weights > 0, axis=-1).sum(axis=-1)
    total = row_entropy(weights).sum(axis=-1)  # rows of zeros contribute 0
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def row_entropy(weights: Float[np.ndarray, "heads query key"]) -> Float[np.ndarray, "heads query"]:
    """Entropy of each row in nats; 0 for a row of zeros."""
    p = weights.astype(np.float64)
    return np.maximum(-np.sum(p * np.log(np.where(p > 0, p, 1.0)), axis=-1), 0.0)  # one-hot rows give -0.0


def save_maps(path: Path, sentences: Sequence[SentenceMaps], max_bytes: int = 64 * 2**20) -> int:
    """Save the first sentences whose maps together fit in ``max_bytes``; return the number of sentences left out.

    The file is a compressed ``.npz`` without pickle: ``tokens`` (JSON text in UTF-8 bytes) and one float16 array per
    map, ``<sentence>/<name>``. The limit applies to the float16 arrays before compression. The rounding error of a
    weight is at most 2**-12 (0.00025).
    """
    count = 0
    room = max_bytes
    for sentence in sentences:
        room -= sum(2 * weights.size for weights in sentence.maps.values())
        if room < 0:
            break
        count += 1
    arrays: dict[str, Any] = {}
    header = []
    for number, sentence in enumerate(sentences[:count]):
        tokens: dict[str, Any] = {"source": sentence.source, "prefix": sentence.prefix, "target": sentence.target}
        header.append(tokens | ({} if sentence.grid is None else {"grid": sentence.grid}))
        arrays |= {f"{number}/{name}": weights.astype(np.float16) for name, weights in sentence.maps.items()}
    text = json.dumps({"format": FORMAT, "sentences": header})
    arrays["tokens"] = np.frombuffer(text.encode(), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside, beside.open("wb") as file:
        np.savez_compressed(file, **arrays)
    return len(sentences) - count


def load_maps(path: Path, choose: Callable[[Sequence[str]], Sequence[str]] = tuple) -> list[SentenceMaps]:
    """Load the maps that ``save_maps`` wrote, as float32; ``choose`` selects the maps of a sentence by their names.

    Raises RegardError with the file name if the file is missing, damaged or of another format.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            header = json.loads(arrays["tokens"].tobytes())
            if header["format"] != FORMAT:
                raise ValueError(f"format {header['format']}, expected {FORMAT}")
            names: list[list[str]] = [[] for _ in header["sentences"]]
            for key in arrays.files:
                if key != "tokens":
                    number, _, name = key.partition("/")
                    names[int(number)].append(name)
            maps = [
                {name: arrays[f"{number}/{name}"].astype(np.float32) for name in choose(theirs)}
                for number, theirs in enumerate(names)
            ]
        return [SentenceMaps(**tokens, maps=named) for tokens, named in zip(header["sentences"], maps, strict=True)]
    except FileNotFoundError:
        raise RegardError(f"{path}: no such file; expected a file of attention maps written by a run") from None
    except (OSError, BadZipFile, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise RegardError(f"{path}: not a file of attention maps ({error}); record them again") from error
