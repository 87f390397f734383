"""What a model does with sentences as one self-contained page: a file to open, mail or archive; it asks no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from regard.files import replacing
from regard.observe.draw.packing import pack_common, pack_sentence, pack_vectors
from regard.observe.draw.page_template import json_length, load_template
from regard.observe.record.trace import Trace

MAX_BYTES = 16 * 2**20
# Characters around the vectors of a sentence, and of the words on what was left out.
ROOM_FOR_TAGS, ROOM_TO_SAY_SO = 80, 400


@dataclass(frozen=True)
class Omitted:
    """What did not fit into a page: sentences of which it has no vectors, and sentences that it has not at all."""

    vectors: int = 0
    sentences: int = 0

    def __str__(self) -> str:
        """Empty if all is there."""
        parts = []
        if self.vectors:
            parts.append(f"the numbers that the weights of {_count(self.vectors)} come from")
        if self.sentences:
            parts.append(_count(self.sentences))
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
    """Write the attention page of ``sentences`` to ``path``; title, subtitle and facts are plain text.

    ``notes``, if given, says a few words of each sentence.

    Of a page over ``max_bytes`` are left out vectors, of the last sentences first, then the last sentences; the first
    sentence stays. What was left out is returned, and the page says so. The rounding of the numbers is that of
    `packing`. The page opens on ``#map=decoder.1.cross&head=2&query=3``, where any part may be missing.

    Raises ValueError without sentences or for a sentence without maps.
    """
    if not sentences or not all(sentence.maps.maps for sentence in sentences):
        raise ValueError("an attention page needs at least one sentence, and each sentence at least one map")
    template = load_template("attention/page.html.jinja")
    packed = [pack_sentence(sentence) for sentence in sentences]
    vectors = [pack_vectors(sentence.vectors) for sentence in sentences]

    def html(count: int, with_vectors: int, left_out: str) -> bytes:
        text = template.render(
            title=title,
            subtitle=subtitle,
            facts=dict(facts or {}),
            data=pack_common() | {"sentences": packed[:count], "notes": list(notes)},
            vectors=vectors[:with_vectors],
            left_out=left_out,
        )
        return text.encode("utf-8", errors="replace")  # a lone surrogate in a title is no reason to stop

    sizes = [json_length(sentence) + 1 for sentence in packed]
    room = max_bytes - len(html(0, 0, "x" * ROOM_TO_SAY_SO))
    count, with_vectors = _fitting(sizes, [len(text) + ROOM_FOR_TAGS for text in vectors], room)
    left_out = Omitted(count - with_vectors, len(packed) - count)
    content = html(count, with_vectors, str(left_out))
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside:
        beside.write_bytes(content)
    return left_out


def _fitting(sizes: Sequence[int], vector_sizes: Sequence[int], room: int) -> tuple[int, int]:
    """How many sentences fit into ``room`` bytes, at least one, and of how many of those the vectors."""
    count, with_vectors = len(sizes), len(vector_sizes)
    while with_vectors and sum(sizes) + sum(vector_sizes[:with_vectors]) > room:
        with_vectors -= 1
    while count > 1 and sum(sizes[:count]) > room:
        count -= 1
    return count, with_vectors


def _count(number: int) -> str:
    return "1 sentence" if number == 1 else f"{number} sentences"
