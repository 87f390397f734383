"""The embedded corpus of images: scenes of coloured shapes with captions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

import numpy as np
import numpy.typing as npt

from regard.data.corpora.corpus import IMAGE_CAPTION, Split
from regard.data.corpora.shapes.combinations import HELD_OUT_TUPLES, SEEN, WITH_HELD_OUT_PAIR, Description
from regard.data.corpora.shapes.grammar import describe
from regard.data.corpora.shapes.judge import Judgement, Mention, find_mentions, judge_caption
from regard.data.corpora.shapes.layout import draw_scene
from regard.data.corpora.shapes.render import render
from regard.data.corpora.shapes.scene import MOST_GROUPS, PIXELS, read_scene, write_scene
from regard.errors import UsageError

# Part of the fingerprint: raise it when the same arguments result in other scenes or images.
GENERATOR = 1


class Shapes:
    """Scenes with one to three groups of equal objects, each number of groups in a third of the scenes.

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
    ) -> None:
        self.size = size
        self.seed = seed
        self.pixels = pixels
        self.validation_size = validation_size
        self.test_size = test_size
        self.held_out_size = held_out_size

    def check(self) -> None:
        """Check that sizes are positive integers and that ``pixels`` is in its range.

        Raises:
            UsageError: names the key.
        """
        for key in ("size", "validation_size", "test_size", "held_out_size"):
            number = getattr(self, key)
            if type(number) is not int or number < 1:
                raise UsageError(f"data.{key}={number}: expected an integer >= 1")
        if type(self.seed) is not int:
            raise UsageError(f"data.seed={self.seed}: expected an integer")
        if type(self.pixels) is not int or self.pixels not in PIXELS:
            raise UsageError(f"data.pixels={self.pixels}: expected an integer from {PIXELS[0]} to {PIXELS[-1]}")

    def fingerprint(self) -> dict[str, object]:
        """Return everything that the scenes depend on."""
        return {
            "corpus": "shapes",
            "generator": GENERATOR,
            "size": self.size,
            "seed": self.seed,
            "pixels": self.pixels,
            "validation_size": self.validation_size,
            "test_size": self.test_size,
            "held_out_size": self.held_out_size,
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

    def _draw(
        self, part: str, size: int, one_of: Sequence[Description], without: set[str]
    ) -> Iterator[tuple[str, str]]:
        """Draw ``size`` scenes whose references are not in ``without``. One group of each is from ``one_of``."""
        random = Random(f"regard shapes {self.seed} {part}")  # a string seed is the same in every process
        given = 0
        while given < size:
            descriptions = _draw_descriptions(random, one_of)
            scene = draw_scene(random, descriptions, self.pixels)
            reference = write_scene(scene)
            if reference not in without:
                given += 1
                yield reference, describe(descriptions, scene.relations)


def _draw_descriptions(random: Random, one_of: Sequence[Description]) -> list[Description]:
    """Draw one to three groups with different colour-shape pairs, in random order. One is from ``one_of``."""
    number = random.randint(1, MOST_GROUPS)
    descriptions = [random.choice(one_of)]
    while len(descriptions) < number:
        another = random.choice(SEEN)
        if all(another.pair != each.pair for each in descriptions):
            descriptions.append(another)
    random.shuffle(descriptions)
    return descriptions
