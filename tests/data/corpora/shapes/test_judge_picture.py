"""Pictures: read back into scenes, and judged against prompts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from regard.data.corpora.shapes.combinations import COLOURS, NUMBERS, SHAPES, SIZES
from regard.data.corpora.shapes.judge_picture import judge_picture
from regard.data.corpora.shapes.read_picture import read_picture
from regard.data.corpora.shapes.render import render
from regard.data.corpora.shapes.scene import Scene, read_scene
from regard.data.corpora.shapes.shapes import Shapes

Picture = npt.NDArray[np.uint8]
CHANGES = {"number": NUMBERS, "size": SIZES, "colour": COLOURS, "shape": SHAPES}


def scenes(number: int, **arguments: int) -> list[tuple[Scene, str]]:
    records = Shapes(size=number, **arguments).records("train")
    return [(read_scene(reference), caption) for reference, caption in records]


def right(scene: Scene) -> dict[str, tuple[int, int]]:
    """All counts of a picture in which everything is right."""
    total = len(scene.groups)
    counts = dict.fromkeys(("size", "colour", "shape", "binding"), (total, total))
    return {"number": (1, 1), **counts, "relation": (total - 1, total - 1)}


def noisy(picture: Picture, deviation: float) -> Picture:
    noise = np.random.default_rng(1).normal(0, deviation, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("number", "arguments"), [(250, {}), (150, {"pixels": 32}), (100, {"pixels": 64}), (100, {"most_objects": 1})]
)
def test_the_picture_of_a_scene_is_exact(number: int, arguments: dict[str, int]) -> None:
    for scene, caption in scenes(number, **arguments):
        for deviation in (0, 5):
            reading = read_picture(noisy(render(scene), deviation))
            assert judge_picture(reading, caption) == (True, right(scene))
