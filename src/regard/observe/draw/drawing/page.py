"""The page of drawn images: one self-contained HTML file that needs no network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from regard.files import replacing
from regard.observe.draw.drawing.packing import pack_drawing
from regard.observe.draw.page_template import load_template
from regard.observe.draw.palette import DARK, LIGHT
from regard.observe.record.drawing import DrawingTrace

FEWER_STEPS = (16, 8, 4, 1)


class Kept(NamedTuple):
    """What of the drawings is on the page: whether the maps between patches, and how many steps and drawings."""

    patches: bool
    steps: int
    drawings: int


def render_drawings(
    path: Path,
    traces: Sequence[DrawingTrace],
    title: str,
    subtitle: str = "",
    facts: Mapping[str, str] | None = None,
    max_bytes: int = 16 * 2**20,
    notes: Sequence[str] = (),
) -> str:
    """Write the page of drawings to ``path``.

    title, subtitle, facts: plain text
    max_bytes: maximum size of the page. If it is exceeded, the maps between patches are left out, then steps, then all
        drawings except the first. The page states what was left out.
    notes: a short note per drawing

    Numbers are rounded as in `pack_drawing`. The fragment of the address selects the view, for example
    ``#layer=1&head=mean&word=2``; each part is optional.

    Returns what was left out, empty if nothing was. Raises ValueError without drawings.
    """
    if not traces:
        raise ValueError("expected at least one drawing")
    template = load_template("drawing/page.html.jinja")
    most = max(len(trace.times) for trace in traces)
    for kept in _levels(most, len(traces)):
        left_out = _describe(kept, most, len(traces))
        drawings = [pack_drawing(trace, kept.steps, kept.patches) for trace in traces[: kept.drawings]]
        data = {"palette": {"light": LIGHT, "dark": DARK}, "drawings": drawings, "notes": list(notes)}
        text = template.render(title=title, subtitle=subtitle, facts=dict(facts or {}), data=data, left_out=left_out)
        content = text.encode("utf-8", errors="replace")  # prompts may contain lone surrogates
        if len(content) <= max_bytes:
            break
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside:
        beside.write_bytes(content)
    return left_out


def _levels(steps: int, drawings: int) -> Iterator[Kept]:
    """Yield what is kept, from everything to the least."""
    yield Kept(True, steps, drawings)
    fewer = [number for number in FEWER_STEPS if number < steps]
    yield from (Kept(False, number, drawings) for number in (steps, *fewer))
    yield from (Kept(False, min(steps, FEWER_STEPS[-1]), number) for number in range(drawings - 1, 0, -1))


def _describe(kept: Kept, steps: int, drawings: int) -> str:
    parts = []
    if not kept.patches:
        parts.append("the attention between patches")
    if kept.steps < steps:
        parts.append(f"{steps - kept.steps} of {steps} steps (the mean over steps is that of all)")
    if kept.drawings < drawings:
        parts.append(f"{drawings - kept.drawings} of {drawings} drawings")
    return ", ".join(parts)
