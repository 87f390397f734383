"""Layout and rendering: objects do not overlap, masks have the colour of the group, relations are visible."""

from __future__ import annotations

from itertools import combinations, pairwise
from math import hypot

import numpy as np
import pytest

from regard.data.corpora.shapes.layout import RGB
from regard.data.corpora.shapes.render import DISTANCES, mask, render
from regard.data.corpora.shapes.scene import SIDE, Group, Object, Scene, holds, read_scene, write_scene
from regard.data.corpora.shapes.shapes import Shapes


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [read_scene(reference) for reference, _ in Shapes(size=1000).records("train")]


def test_a_reference_is_the_scene_on_one_line(scenes: list[Scene]) -> None:
    for scene in scenes:
        reference = write_scene(scene)
        assert "\n" not in reference
        assert write_scene(read_scene(reference)) == reference
        assert read_scene(reference) == scene


def test_objects_are_inside_the_image_and_do_not_overlap(scenes: list[Scene]) -> None:
    for scene in scenes:
        objects = [each for group in scene.groups for each in group.objects]
        assert all(each.radius <= place <= SIDE - each.radius for each in objects for place in (each.x, each.y))
        assert all(hypot(a.x - b.x, a.y - b.y) > a.radius + b.radius + 0.5 for a, b in combinations(objects, 2))


def test_large_objects_are_larger(scenes: list[Scene]) -> None:
    for shape in DISTANCES:
        areas = {
            size: [
                mask(group, 48).sum() / len(group.objects)
                for scene in scenes for group in scene.groups if (group.size, group.shape) == (size, shape)
            ]
            for size in ("small", "large")
        }  # fmt: skip
        assert min(areas["large"]) > 1.5 * max(areas["small"]), shape


def test_relations_are_those_of_the_masks(scenes: list[Scene]) -> None:
    seen = set()
    for scene in scenes:
        (x, y), *others = (np.argwhere(mask(group, 48)).mean(axis=0)[::-1] for group in scene.groups)
        for relation, (other_x, other_y), group in zip(scene.relations, others, scene.groups[1:], strict=True):
            right, down = other_x - x, other_y - y
            distance = {"left of": right, "right of": -right, "above": down, "below": -down}[relation]
            assert distance > 6
            assert distance > min(abs(right), abs(down)), "the axis of the relation is the main one"
            assert holds(scene.groups[0], relation, group)
            seen.add((len(scene.groups), relation))
    assert len(seen) == 8, "every relation, with two and with three groups"


@pytest.mark.parametrize("pixels", [32, 48, 75])
def test_masks_are_disjoint_and_have_the_colour_of_the_group(pixels: int) -> None:
    for reference, _ in Shapes(size=150, pixels=pixels).records("train"):
        scene = read_scene(reference)
        image = render(scene)
        assert image.shape == (pixels, pixels, 3)
        assert image.dtype == np.uint8
        masks = [mask(group, pixels) for group in scene.groups]
        assert all(each.shape == (pixels, pixels) and each.dtype == np.bool_ for each in masks)
        assert sum(each.astype(int) for each in masks).max() == 1
        for group, each in zip(scene.groups, masks, strict=True):
            distances = {colour: np.abs(image[each].mean(axis=0) - rgb).sum() for colour, rgb in RGB.items()}
            assert min(distances, key=distances.get) == group.colour
        # Elsewhere the pixels are the background or mostly the background.
        rest = image[~np.logical_or.reduce(masks)].astype(int)
        assert (rest == scene.background).all(axis=1).mean() > 0.5
        assert rest.sum() / rest.size > scene.background - 40


def test_every_object_is_a_separate_spot(scenes: list[Scene]) -> None:
    for scene in scenes[:300]:
        for group in scene.groups:
            for each in group.objects:
                alone = mask(group._replace(objects=(each,)), 48)
                rows, columns = np.nonzero(alone)
                assert abs(rows.mean() + 0.5 - each.y) < 1
                assert abs(columns.mean() + 0.5 - each.x) < 1
            spots = [mask(group._replace(objects=(each,)), 48) for each in group.objects]
            assert (sum(spot.astype(int) for spot in spots) == mask(group, 48)).all()


def test_shapes_touch_their_enclosing_circle_and_differ() -> None:
    x, y = np.meshgrid(*[np.linspace(-1.1, 1.1, 221, dtype=np.float32)] * 2)
    inside = {shape: distance(x, y) <= 0 for shape, distance in DISTANCES.items()}
    for shape, points in inside.items():
        reach = np.hypot(x, y)[points].max()
        assert 0.97 < reach <= 1.005 if shape != "circle" else 0.89 < reach < 0.905
        assert (points == points[:, ::-1]).all(), "symmetric"
    for a, b in combinations(inside, 2):
        assert (inside[a] & inside[b]).sum() < 0.8 * (inside[a] | inside[b]).sum(), (a, b)


def test_rotation_is_clockwise() -> None:
    def triangle(rotation: int) -> np.ndarray:
        return mask(Group("large", "red", "triangle", (Object(24, 24, 12, rotation, (1, 2, 3)),)), 96)

    up, right, down = (triangle(rotation) for rotation in (0, 90, 180))
    assert (np.rot90(up, -1) == right).all()
    assert (up[::-1] == down).all()
    widths = up[up.any(axis=1)].sum(axis=1)
    assert all(above <= below for above, below in pairwise(widths)), "the tip is at the top"


def test_the_image_scales_with_the_pixels() -> None:
    scene = read_scene(next(Shapes(size=1).records("train"))[0])
    shares = [mask(scene.groups[0], pixels).mean() for pixels in (48, 96, 192)]
    assert max(shares) < 1.1 * min(shares)
    small, large = render(scene._replace(pixels=48)), render(scene._replace(pixels=192))
    reduced = large.reshape(48, 4, 48, 4, 3).mean(axis=(1, 3))
    assert np.abs(reduced - small).mean() < 1, "pixels at edges are mixed by the area that is covered"
