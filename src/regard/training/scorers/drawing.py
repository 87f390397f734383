"""Scores of drawn images: for a corpus that can read pictures, what was drawn correctly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from regard.data.batching import Batch
from regard.data.corpora.captions.judged import JudgedCorpus, JudgedPictures
from regard.data.corpora.corpus import Split
from regard.data.images.image import Pixels
from regard.inference.drawing.drawing import Drawing, Solver
from regard.inference.drawing.text_to_image import TextToImage, Wanted
from regard.training.scorers.given import warn_of_long_texts
from regard.training.scorers.scorer import ProbeExample, Sample
from regard.training.task import Task


class DrawingScorer:
    """Draws images for the first prompts of a part, the same noise in every evaluation.

    With `JudgedPictures`, ``exact`` is the share of images in which everything is as in the prompt, and each attribute
    has its accuracy. The test part then also has ``exact_NAME`` for each part that the corpus holds out, and
    ``exact_shuffled``: the same images, each with the prompt of another, which is chance. Other images have only the
    loss.

    validation_images, test_images: number of prompts of each part
    steps, guidance, solver: see `Drawing`
    """

    def __init__(
        self,
        validation_images: int,
        test_images: int,
        steps: int,
        guidance: float,
        solver: Solver,
    ) -> None:
        self.images: dict[Split, int] = {"train": 0, "validation": validation_images, "test": test_images}
        self.drawing = Drawing(steps, guidance, solver)

    def outputs(self, task: Task, batch: Batch, split: Split) -> dict[int, Pixels]:
        """Return the images of those prompts of the batch that are among the first."""
        rows = [row for row in batch.rows if row < self.images[split]]
        if not rows:
            return {}
        prompts = task.data.texts(split)[-1]
        drawn = _generator(task).draw([Wanted(prompts[row], row) for row in rows], self.drawing)
        return dict(zip(rows, drawn, strict=True))

    def samples(self, task: Task, split: Split, outputs: dict[int, Pixels]) -> list[Sample]:
        """Return all images, in order."""
        references, prompts = task.data.texts(split)
        return [Sample(prompts[row], references[row], outputs[row]) for row in sorted(outputs)]

    def scores(self, task: Task, split: Split, loss: float, samples: list[Sample]) -> dict[str, float]:
        """Return exact and the accuracy of each attribute, 0 to 1, with `JudgedPictures`."""
        corpus = task.data.corpus
        if not isinstance(corpus, JudgedPictures) or not samples:
            return {}
        prompts, images = [sample.source for sample in samples], [sample.output for sample in samples]
        metrics = _judge(corpus, prompts, images)
        if split == "test":
            metrics["exact_shuffled"] = _judge(corpus, prompts, [*images[1:], *images[:1]])["exact"]
            held_out = corpus.held_out() if isinstance(corpus, JudgedCorpus) else {}
            for name, records in held_out.items():
                others = [prompt for _, prompt in islice(records, self.images[split])]
                wanted = [Wanted(prompt, number) for number, prompt in enumerate(others)]
                metrics[f"exact_{name}"] = _judge(corpus, others, _generator(task).draw(wanted, self.drawing))["exact"]
        return metrics

    def score_sample(self, sample: Sample) -> None:
        """Return None: single images have no score."""

    def signatures(self) -> dict[str, str]:
        """Return an empty dict: there is no reference implementation."""
        return {}

    def given_examples(self, task: Task, texts: Sequence[str]) -> list[ProbeExample]:
        """See `Scorer`. The texts are prompts."""
        warn_of_long_texts(texts, task.tokenizers.target, _generator(task).model.max_length - 1)
        return [ProbeExample("given", text, text) for text in texts]

    def fixed_examples(self, task: Task, count: int, longest: int) -> list[ProbeExample]:
        """See `Scorer`."""
        return [ProbeExample("first", prompt, prompt) for _, prompt in islice(task.data.records("validation"), count)]

    def rated_examples(self, task: Task, longest: int) -> Iterator[tuple[tuple[float, int], ProbeExample]]:
        """Yield nothing: single images have no score."""
        return iter(())


def _generator(task: Task) -> TextToImage:
    if not isinstance(task.generator, TextToImage):
        raise TypeError("images are drawn by a model with a denoiser")
    return task.generator


def _judge(
    corpus: JudgedPictures, prompts: Sequence[str], images: Iterator[Pixels] | Sequence[Pixels]
) -> dict[str, float]:
    """Return the share of exact images, and the accuracy of each attribute."""
    found = (corpus.judge_picture(image, prompt) for prompt, image in zip(prompts, images, strict=True))
    judged = [each for each in found if each is not None]
    metrics = {"exact": sum(each.exact for each in judged) / len(judged)}
    for attribute in judged[0].correct:
        counts = [each.correct[attribute] for each in judged]
        metrics[attribute] = sum(correct for correct, _ in counts) / max(1, sum(total for _, total in counts))
    return metrics
