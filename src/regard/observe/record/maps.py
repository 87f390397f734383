"""Attention maps of a sentence pair as data: what their axes mean, how focused they are, how they last."""

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
    """A family of maps, one per layer: its name in words and what rows (queries) and columns (keys) are.

    causal: a query sees no key after its own position
    """

    title: str
    query: str
    key: str
    causal: bool = False


ATTENTION_KINDS = {
    "encoder.self": AttentionKind("Encoder self-attention", "the source token that asks", "the source tokens it reads"),
    "decoder.self": AttentionKind(
        "Decoder self-attention", "the token being written", "the tokens written before it", causal=True
    ),
    "decoder.cross": AttentionKind("Cross-attention", "the token being written", "the source tokens read"),
}


def split_name(name: str) -> tuple[str, int]:
    """The kind and the layer of a map: ``"decoder.2.cross"`` is layer 2 of ``"decoder.cross"``.

    Raises ValueError if it names no kind of ATTENTION_KINDS.
    """
    parts = re.fullmatch(r"(\w+)\.(\d+)\.(\w+)", name)
    kind = f"{parts[1]}.{parts[3]}" if parts else ""
    if parts is None or kind not in ATTENTION_KINDS:
        known = ", ".join(kind.replace(".", ".<layer>.") for kind in ATTENTION_KINDS)
        raise ValueError(f"{name!r} is not an attention map: expected {known}")
    return kind, int(parts[2])


@dataclass(frozen=True)
class SentenceMaps:
    """Every attention map of one sentence pair, with the tokens on its axes.

    source: pieces the encoder reads, with ``</s>``; empty for a language model.
    prefix: pieces the decoder reads, starting with ``<s>``.
    target: pieces the decoder writes, ending with ``</s>``; one for each of prefix.
    maps: ``"encoder.0.self"``, ``"decoder.0.self"``, ``"decoder.0.cross"``, ... -> float32
        (heads, query, key); a row holds the weights of one query over all keys and sums to 1, or is all
        zeros where every key is masked.

    Raises ValueError if a map does not fit its tokens.
    """

    source: list[str]
    prefix: list[str]
    target: list[str]
    maps: dict[str, np.ndarray]

    def __post_init__(self) -> None:
        for name, weights in self.maps.items():
            queries, keys = self.tokens(name)
            expected = (len(queries), len(keys))
            if weights.ndim != 3 or weights.shape[1:] != expected:
                raise ValueError(f"{name} has shape {weights.shape}, expected (heads, {expected[0]}, {expected[1]})")

    def tokens(self, name: str) -> tuple[list[str], list[str]]:
        """The pieces on the query axis and on the key axis of the map ``name``."""
        kind, _ = split_name(name)
        if kind == "encoder.self":
            return self.source, self.source
        return self.target, self.source if kind == "decoder.cross" else self.prefix


def entropy(weights: Float[np.ndarray, "heads query key"]) -> Float[np.ndarray, "heads"]:
    """Mean entropy of each head in nats: 0 is a head that reads one token, ln(keys) one that reads all alike.

    -sum_k p_k ln p_k with 0 ln 0 = 0, averaged over query rows. Rows of zeros (fully masked) are left out; a
    head with no other rows has NaN.
    """
    count = np.any(weights > 0, axis=-1).sum(axis=-1)
    total = row_entropy(weights).sum(axis=-1)  # a row of zeros adds nothing
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def row_entropy(weights: Float[np.ndarray, "heads query key"]) -> Float[np.ndarray, "heads query"]:
    """The entropy of each row in nats; of a row of zeros 0."""
    p = weights.astype(np.float64)
    return np.maximum(-np.sum(p * np.log(np.where(p > 0, p, 1.0)), axis=-1), 0.0)  # a single 1 gives -0.0


def save_maps(path: Path, sentences: Sequence[SentenceMaps], max_bytes: int = 64 * 2**20) -> int:
    """Save the first sentences whose maps fit in ``max_bytes`` together; return how many were left out.

    One compressed ``.npz`` without pickle: ``tokens`` (JSON text in UTF-8 bytes) and one float16 array per
    map, ``<sentence>/<name>``. The bytes counted are those of the float16 arrays before compression. A weight
    comes back within 2**-12 (0.00025) of what it was. Sentences are left out from the first that does not
    fit, so the kept ones keep their numbers.
    """
    kept = 0
    room = max_bytes
    for sentence in sentences:
        room -= sum(2 * weights.size for weights in sentence.maps.values())
        if room < 0:
            break
        kept += 1
    arrays: dict[str, Any] = {}
    header = []
    for number, sentence in enumerate(sentences[:kept]):
        header.append({"source": sentence.source, "prefix": sentence.prefix, "target": sentence.target})
        arrays |= {f"{number}/{name}": weights.astype(np.float16) for name, weights in sentence.maps.items()}
    text = json.dumps({"format": FORMAT, "sentences": header})
    arrays["tokens"] = np.frombuffer(text.encode(), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside, beside.open("wb") as file:
        np.savez_compressed(file, **arrays)
    return len(sentences) - kept


def load_maps(path: Path, choose: Callable[[Sequence[str]], Sequence[str]] = tuple) -> list[SentenceMaps]:
    """Load what ``save_maps`` wrote, as float32: of each sentence the maps that ``choose`` takes of their names.

    Raises RegardError, naming the file, if it is missing, cut off or something else.
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
        raise RegardError(f"{path}: no such file; expected the attention maps that a run wrote") from None
    except (OSError, BadZipFile, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise RegardError(f"{path}: not a file of attention maps ({error}); record them again") from error
