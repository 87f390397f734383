"""The embedded corpus of images: scenes of coloured shapes with captions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

import numpy as np
import numpy.typing as npt

from regard.data.corpora.corpus import IMAGE_CAPTION, Split
from regard.data.corpora.shapes.combinations import HELD_OUT_TUPLES, NUMBERS, SEEN, WITH_HELD_OUT_PAIR, Description
from regard.data.corpora.shapes.grammar import WORD_KINDS, describe
from regard.data.corpora.shapes.judge import Judgement, Mention, find_mentions, judge_caption
from regard.data.corpora.shapes.judge_picture import judge_picture
from regard.data.corpora.shapes.layout import draw_scene
from regard.data.corpora.shapes.read_picture import read_picture
from regard.data.corpora.shapes.render import render
from regard.data.corpora.shapes.scene import MOST_GROUPS, PIXELS, SIDE, SMALLEST_SIDE, read_scene, write_scene
from regard.errors import UsageError

# Part of the fingerprint: raise it when the same arguments result in other scenes or images.
GENERATOR = 1


class Shapes:
    """Scenes with one to three groups of one to four equal objects. Every number of groups is equally frequent.

    A record is a reference, which is the scene itself as JSON, and a caption: "a large red circle left of two small
    blue squares". The first group of a caption is related to each of the others. No two groups of a scene have the
    same colour and shape.

    Seeded, and the same in every process. No part depends on ``size``, apart from the number of training scenes.
    No scene of the validation and test parts is in another part. A caption can be: there are only 224 of one group.

    Two kinds of combinations are never in these parts: four of the 36 colour-shape pairs, and one in eight of the other
    tuples (number, size, colour, shape). `held_out` has scenes with them.

    Args:
        size: number of training scenes.
        seed: random seed of the scenes. The held-out combinations are the same for every seed.
        pixels: side of the square images. The scene scales with it.
        validation_size, test_size: number of scenes of these parts, in addition to ``size``.
        held_out_size: number of scenes of each part of `held_out`.
        most_groups: largest number of groups of a scene, 1 to 3.
        most_objects: largest number of objects of a group, 1 to 4. No part has tuples with a larger number.
        side: side of the images in units, 24 to 48. With fewer than 48, objects are larger in the image, and
            ``most_objects`` is 1.
    """

    columns = IMAGE_CAPTION

    def __init__(
        self,
        size: int = 20_000,
        seed: int = 1,
        pixels: int = 48,
        validation_size: int = 500,
        test_size: int = 1000,
        held_out_size: int = 500,
        most_groups: int = MOST_GROUPS,
        most_objects: int = NUMBERS[-1],
        side: float = SIDE,
    ) -> None:
        self.size = size
        self.seed = seed
        self.pixels = pixels
        self.validation_size = validation_size
        self.test_size = test_size
        self.held_out_size = held_out_size
        self.most_groups = most_groups
        self.most_objects = most_objects
        self.side = side

    def check(self) -> None:
        """Check that sizes are positive integers and that ``pixels`` and the limits are in their ranges.

        Raises:
            UsageError: names the key.
        """
        for key in ("size", "validation_size", "test_size", "held_out_size"):
            number = getattr(self, key)
            if type(number) is not int or number < 1:
                raise UsageError(f"data.{key}={number}: expected an integer >= 1")
        if type(self.seed) is not int:
            raise UsageError(f"data.seed={self.seed}: expected an integer")
        limits = {"pixels": PIXELS, "most_groups": range(1, MOST_GROUPS + 1), "most_objects": NUMBERS}
        for key, options in limits.items():
            number = getattr(self, key)
            if type(number) is not int or number not in options:
                raise UsageError(f"data.{key}={number}: expected an integer from {options[0]} to {options[-1]}")
        if not SMALLEST_SIDE <= self.side <= SIDE:
            raise UsageError(f"data.side={self.side}: expected a number from {SMALLEST_SIDE:g} to {SIDE:g}")
        if self.side < SIDE and self.most_objects > 1:
            raise UsageError(
                f"data.side={self.side}: groups of several objects need data.side={SIDE:g}; or give data.most_objects=1"
            )

    def fingerprint(self) -> dict[str, object]:
        """Return everything that the scenes depend on."""
        limits: dict[str, tuple[float, float]] = {
            "most_groups": (self.most_groups, MOST_GROUPS),
            "most_objects": (self.most_objects, NUMBERS[-1]),
            "side": (self.side, SIDE),
        }
        return {
            "corpus": "shapes",
            "generator": GENERATOR,
            "size": self.size,
            "seed": self.seed,
            "pixels": self.pixels,
            "validation_size": self.validation_size,
            "test_size": self.test_size,
            "held_out_size": self.held_out_size,
            # Only if they limit something, so that caches of versions without them remain valid.
            **{key: limit for key, (limit, largest) in limits.items() if limit < largest},
        }

    def records(self, split: Split) -> Iterator[tuple[str, str]]:
        """Yield (reference, caption) of one part. Only the validation and test parts are held in memory.

        Raises:
            UsageError: as `check`.
        """
        self.check()
        # The test part comes first, so that it does not depend on the size of the validation part.
        sizes = {"test": self.test_size, "validation": self.validation_size, "train": self.size}
        earlier: set[str] = set()
        for part, size in sizes.items():
            records = self._draw(part, size, SEEN, earlier)
            if part == split:
                yield from records
                return
            earlier.update([reference for reference, _ in records])

    def held_out(self) -> dict[str, Iterator[tuple[str, str]]]:
        """Return further test parts: scenes in which one group is a combination that is not in training.

        "tuples": its tuple (number, size, colour, shape) is not, but its colour-shape pair is. "pairs": its pair is
        not. The other groups of the scene are tuples of the training part.

        Raises:
            UsageError: as `check`.
        """
        self.check()
        return {
            "tuples": self._draw("tuples", self.held_out_size, HELD_OUT_TUPLES, set()),
            "pairs": self._draw("pairs", self.held_out_size, WITH_HELD_OUT_PAIR, set()),
        }

    def read_image(self, reference: str) -> npt.NDArray[np.uint8]:
        """Render the image of a reference, RGB "height width channel".

        Raises:
            RegardError: the reference is malformed.
        """
        return render(read_scene(reference))

    def image_name(self, reference: str) -> str:
        """Return an empty text: scenes have no names."""
        return ""

    def judge(self, reference: str, caption: str) -> Judgement:
        """Compare any text with the scene of a reference; see `judge_caption`.

        Raises:
            RegardError: the reference is malformed.
        """
        return judge_caption(read_scene(reference), caption)

    def mentions(self, reference: str, caption: str) -> list[Mention]:
        """Return the correct colour words and nouns of any text, with the pixels of their objects.

        See `find_mentions`.

        Raises:
            RegardError: the reference is malformed.
        """
        return find_mentions(read_scene(reference), caption)

    def judge_picture(self, pixels: npt.NDArray[np.uint8], prompt: str) -> Judgement | None:
        """Compare a square picture, RGB "height width channel", with its prompt.

        See `regard.data.corpora.shapes.judge_picture`. None: the prompt is not a caption of this corpus.
        """
        return judge_picture(read_picture(pixels, self.side), prompt)

    def picture_mentions(self, pixels: npt.NDArray[np.uint8], prompt: str) -> list[Mention]:
        """Return the colour words and nouns of a prompt that a square picture shows, with the pixels of their objects.

        See `read_picture` and `find_mentions`.
        """
        return find_mentions(read_picture(pixels, self.side).scene, prompt)

    @property
    def word_kinds(self) -> dict[str, str]:
        """Return the kind of each word: number, size, colour, shape, relation, or "and"."""
        return WORD_KINDS

    def _draw(
        self, part: str, size: int, one_of: Sequence[Description], without: set[str]
    ) -> Iterator[tuple[str, str]]:
        """Draw ``size`` scenes whose references are not in ``without``. One group of each is from ``one_of``."""
        random = Random(f"regard shapes {self.seed} {part}")  # a string seed is the same in every process
        seen, one_of = ([each for each in some if each.number <= self.most_objects] for some in (SEEN, one_of))
        given = 0
        while given < size:
            descriptions = _draw_descriptions(random, random.randint(1, self.most_groups), one_of, seen)
            scene = draw_scene(random, descriptions, self.pixels, self.side)
            reference = write_scene(scene)
            if reference not in without:
                given += 1
                yield reference, describe(descriptions, scene.relations)


def _draw_descriptions(
    random: Random, number: int, one_of: Sequence[Description], seen: Sequence[Description]
) -> list[Description]:
    """Draw groups with different colour-shape pairs, in random order: one from ``one_of``, the others from ``seen``."""
    descriptions = [random.choice(one_of)]
    while len(descriptions) < number:
        another = random.choice(seen)
        if all(another.pair != each.pair for each in descriptions):
            descriptions.append(another)
    random.shuffle(descriptions)
    return descriptions
