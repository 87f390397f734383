"""The one colour scale of every attention map, in images and in pages.

A single hue (blue) from the page's own background towards ink, so luminance alone carries the weight: it
reads the same in every kind of colour vision and in grey print. The scale is of the weight itself, 0 to 1,
always; its stops lie closer together near 0 because long sentences spread attention thin.
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
