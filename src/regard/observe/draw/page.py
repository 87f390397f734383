"""The attention page: one self-contained HTML file that needs no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from regard.files import replacing
from regard.observe.draw.kernels_packing import pack_mixers
from regard.observe.draw.packing import pack_common, pack_sentence, pack_vectors
from regard.observe.draw.page_template import json_length, load_template
from regard.observe.record.mixers import describe_mixers
from regard.observe.record.trace import Trace

MAX_BYTES = 16 * 2**20
TAG_CHARACTERS = 80
"""Size of the script element around the vectors of a sentence."""
KERNEL_SHARE = 1 / 4
"""Maximum share of the kernels in the size of the page."""
NOTICE_CHARACTERS = 400
"""Size of the notice about what was left out."""


@dataclass(frozen=True)
class Omitted:
    """What was left out of a page: the number of sentences without vectors, of missing sentences, and of channels."""

    vectors: int = 0
    sentences: int = 0
    channels: int = 0

    def __str__(self) -> str:
        """Describe what was left out; empty if nothing was."""
        parts = []
        if self.vectors:
            parts.append(f"query, key and value vectors of {_count(self.vectors)}")
        if self.sentences:
            parts.append(_count(self.sentences))
        if self.channels:
            parts.append(f"kernels of {self.channels:,} channels")
        return ", and ".join(parts)


def render_page(
    path: Path,
    sentences: Sequence[Trace],
    title: str,
    subtitle: str = "",
    facts: Mapping[str, str] | None = None,
    max_bytes: int = MAX_BYTES,
    notes: Sequence[str] = (),
) -> Omitted:
    """Write the attention page of ``sentences`` to ``path``.

    title, subtitle, facts: plain text
    max_bytes: maximum size of the page. If it is exceeded, vectors are left out, starting with the last sentence, then
        sentences, except the first. Channels are left out if their kernels exceed KERNEL_SHARE of the page. The page
        states what was left out.
    notes: a short note per sentence

    Numbers are rounded as in `packing`. The fragment of the address selects the view, for example
    ``#map=decoder.1.cross&head=2&query=3``; each part is optional.

    The sentences are of the same model: their kernels are written once.

    Returns what was left out. Raises ValueError without sentences.
    """
    if not sentences:
        raise ValueError("expected at least one sentence")
    template = load_template("attention/page.html.jinja")
    packed = [pack_sentence(sentence) for sentence in sentences]
    vectors = [pack_vectors(sentence.vectors) for sentence in sentences if sentence.vectors]
    mixers = pack_mixers(sentences[0].mixers, int(KERNEL_SHARE * max_bytes))
    common = pack_common(sentences[0].maps) | {"mixers": mixers.data, "notes": list(notes)}

    def html(count: int, with_vectors: int, left_out: str) -> bytes:
        text = template.render(
            title=title,
            subtitle=subtitle,
            facts=dict(facts or {}),
            mixers=describe_mixers(sentences[0].mixers),
            data=common | {"sentences": packed[:count]},
            vectors=vectors[:with_vectors],
            left_out=left_out,
        )
        return text.encode("utf-8", errors="replace")  # titles may contain lone surrogates

    sizes = [json_length(sentence) + 1 for sentence in packed]
    room = max_bytes - len(html(0, 0, "x" * NOTICE_CHARACTERS))
    count, with_vectors = _fitting(sizes, [len(text) + TAG_CHARACTERS for text in vectors], room)
    left_out = Omitted(count - with_vectors if vectors else 0, len(packed) - count, mixers.left_out)
    content = html(count, with_vectors, str(left_out))
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside:
        beside.write_bytes(content)
    return left_out


def page_title(trace: Trace) -> str:
    """Return the title of a page, after what its first view shows."""
    if trace.maps.maps:
        return "Attention"
    return "Kernels" if any(mixer.kernels for mixer in trace.mixers.values()) else "Predictions"


def _fitting(sizes: Sequence[int], vector_sizes: Sequence[int], room: int) -> tuple[int, int]:
    """Return how many sentences (at least one), and how many of their vectors, fit into ``room`` bytes."""
    count, with_vectors = len(sizes), len(vector_sizes)
    while with_vectors and sum(sizes) + sum(vector_sizes[:with_vectors]) > room:
        with_vectors -= 1
    while count > 1 and sum(sizes[:count]) > room:
        count -= 1
    return count, with_vectors


def _count(number: int) -> str:
    return "1 sentence" if number == 1 else f"{number} sentences"
