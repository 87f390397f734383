"""Attention maps as one self-contained page: an HTML file to open, mail or archive; it asks no network."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from jaxtyping import Float
from jinja2 import Environment, PackageLoader, StrictUndefined

from regard.files import replacing
from regard.observe.maps import BLOCKS, SentenceMaps, entropy
from regard.observe.palette import DARK, LIGHT

# The marks around a sentence, and how SentencePiece writes the space before a word.
SPECIALS, SPACE = frozenset({"<pad>", "<s>", "</s>"}), "\N{LOWER ONE EIGHTH BLOCK}"


def render_page(
    path: Path,
    sentences: Sequence[SentenceMaps],
    title: str,
    subtitle: str = "",
    facts: Mapping[str, str] | None = None,
) -> None:
    """Write the attention page of ``sentences`` to ``path``; title, subtitle and facts are plain text.

    Weights are kept as whole steps of 1/255, so each is within 1/510 of what it was; entropies are computed
    before that rounding. The page opens on ``#sentence=0&map=decoder.1.cross&head=2&query=3``, where every
    part may be left out. Raises ValueError without sentences or for a sentence without maps.
    """
    if not sentences or not all(sentence.maps for sentence in sentences):
        raise ValueError("an attention page needs at least one sentence, and each sentence at least one map")
    environment = Environment(
        loader=PackageLoader("regard.observe"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}  # in order (jinja2 sorts keys), compact
    html = environment.get_template("attention.html.jinja").render(
        title=title, subtitle=subtitle, facts=dict(facts or {}), data=_page_data(sentences)
    )
    content = html.encode("utf-8", errors="replace")  # a lone surrogate in a title is no reason to stop
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside:
        beside.write_bytes(content)


def _page_data(sentences: Sequence[SentenceMaps]) -> dict[str, object]:
    """What the page's script reads; the template's ``tojson`` escapes ``<``, ``>`` and ``&`` in it."""
    return {
        "palette": {"light": LIGHT, "dark": DARK},
        "blocks": {name: asdict(block) for name, block in BLOCKS.items()},
        "sentences": [
            {
                "source": sentence.source,
                "prefix": sentence.prefix,
                "target": sentence.target,
                "sourceText": _text(sentence.source),
                "targetText": _text(sentence.target),
                "maps": {name: _pack(weights) for name, weights in sentence.maps.items()},
            }
            for sentence in sentences
        ],
    }


def _text(pieces: Sequence[str]) -> str:
    """The sentence that the pieces spell."""
    return "".join(piece for piece in pieces if piece not in SPECIALS).replace(SPACE, " ").strip()


def _pack(weights: Float[np.ndarray, "heads query key"]) -> dict[str, object]:
    heads = [None if math.isnan(nats) else round(float(nats), 4) for nats in entropy(weights)]
    steps = np.rint(np.clip(weights, 0, 1) * 255).astype(np.uint8)
    return {"entropy": heads, "steps": b64encode(steps.tobytes()).decode("ascii")}
