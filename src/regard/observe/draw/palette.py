"""The colour scale of attention maps, in images and on pages.

A single hue (blue) of increasing contrast to the background: luminance alone encodes the weight, so that the scale is
readable with any kind of colour vision and in greyscale. The scale always covers weights from 0 to 1. Its stops are
closer together near 0, since the weights of long sentences are small.
"""

from __future__ import annotations

Stops = tuple[tuple[float, str], ...]

LIGHT: Stops = (
    (0.0, "#f0f3f6"),
    (0.06, "#dbe7f2"),
    (0.25, "#9cc3e3"),
    (0.5, "#4f93c9"),
    (0.75, "#1f63a6"),
    (1.0, "#0a2f63"),
)

DARK: Stops = (
    (0.0, "#1b212b"),
    (0.06, "#203248"),
    (0.25, "#29557f"),
    (0.5, "#4189c0"),
    (0.75, "#80bfe8"),
    (1.0, "#e6f5ff"),
)
