"""Scores of drawings: read by rule and compared with their prompts, with chance beside them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from regard.data.corpora.shapes.shapes import Shapes
from regard.inference.drawing.drawing import Drawing
from regard.inference.drawing.text_to_image import TextToImage
from regard.training.scorers.drawing import DrawingScorer
from regard.training.scorers.scorer import Sample

CORPUS = Shapes(size=1, validation_size=12, test_size=12, held_out_size=8, most_objects=1, most_groups=2)
SCORER = DrawingScorer(validation_images=3, test_images=6, steps=4, guidance=1.5, solver="heun")


class Painter(TextToImage):
    """Draws the true scene of each prompt; of prompts of unseen pairs, an empty image."""

    def __init__(self) -> None:
        self.drawn: list[Any] = []

    def draw(self, wanted: Any, drawing: Drawing) -> Any:
        assert drawing == Drawing(4, 1.5, "heun")
        self.drawn += wanted
        pairs = {prompt for _, prompt in CORPUS.held_out()["pairs"]}
        known = [*CORPUS.records("test"), *CORPUS.records("validation"), *CORPUS.held_out()["tuples"]]
        scenes = {prompt: reference for reference, prompt in known}
        for each in wanted:
            missing = each.prompt in pairs
            yield np.full((48, 48, 3), 240, np.uint8) if missing else CORPUS.read_image(scenes[each.prompt])


def task_of(corpus: Any = CORPUS) -> Any:
    def texts(split: Any) -> tuple[list[str], ...]:
        references, prompts = zip(*CORPUS.records(split), strict=True)
        return list(references), list(prompts)

    return SimpleNamespace(generator=Painter(), data=SimpleNamespace(corpus=corpus, texts=texts))


def test_the_first_prompts_of_a_split_are_drawn_each_with_the_same_noise() -> None:
    task = task_of()
    batch: Any = SimpleNamespace(rows=[5, 2, 0, 9])
    outputs = SCORER.outputs(task, batch, "validation")
    assert list(outputs) == [2, 0]
    assert [each.seed for each in task.generator.drawn] == [2, 0]
    assert SCORER.outputs(task, SimpleNamespace(rows=[7]), "validation") == {}  # type: ignore[arg-type]
    samples = SCORER.samples(task, "validation", outputs)
    assert [sample.source for sample in samples] == [task.data.texts("validation")[1][row] for row in (0, 2)]
    assert samples[0].output is outputs[0]


def test_true_scenes_are_exact_and_chance_is_not() -> None:
    task = task_of()
    outputs = SCORER.outputs(task, SimpleNamespace(rows=[*range(12)]), "test")  # type: ignore[arg-type]
    found = SCORER.scores(task, "test", 0.5, SCORER.samples(task, "test", outputs))
    attributes = ("exact", "number", "size", "colour", "shape", "binding", "relation", "exact_tuples")
    assert {name: found[name] for name in attributes} == dict.fromkeys(attributes, 1.0)
    assert found["exact_shuffled"] < 0.5
    assert found["exact_pairs"] == 0
    validation = SCORER.scores(task, "validation", 0.5, SCORER.samples(task, "validation", outputs))
    assert not {"exact_shuffled", "exact_pairs"} & validation.keys()


@pytest.mark.parametrize("images", [0, 1])
def test_other_images_have_only_the_loss(images: int) -> None:
    samples = [Sample("a dog", "a.png", np.zeros((8, 8, 3), np.uint8))] * images
    assert SCORER.scores(task_of(object()), "test", 0.5, samples) == {}
