"""Scores of captions: BLEU and chrF, and for a corpus that knows what its images show, what is described correctly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, islice

from regard.data.batching import Batch
from regard.data.captioning import CaptioningData
from regard.data.corpora.captions.judged import JudgedCorpus
from regard.data.corpora.corpus import Split
from regard.inference.encoder_decoder import EncoderDecoder
from regard.training.scorers.scorer import ProbeExample, Sample
from regard.training.scorers.translation import TranslationScorer
from regard.training.task import Task

CHUNK = 256
"""Number of images of a further test part that are in memory at a time."""


class CaptioningScorer(TranslationScorer):
    """Captions each image once and compares the caption with all references of the image.

    With a `JudgedCorpus`, ``exact`` is the share of captions that describe the image exactly in any words, and each
    attribute has its accuracy. The test part then also has ``exact_NAME`` for each part that the corpus holds out, and
    ``exact_shuffled``: the same captions, each with the image of another, as if the model had not seen its image.
    See `TranslationScorer` for the arguments.
    """

    def outputs(self, task: Task, batch: Batch, split: Split) -> dict[int, str]:
        """Return the caption of each image of the batch, by the first row of the image."""
        if batch.source is None or not isinstance(task.data, CaptioningData):
            raise TypeError("captions are scored on batches of images")
        places = task.data.first_places(split, batch.rows)
        if not places:
            return {}
        firsts = batch._replace(source=batch.source[places], rows=[batch.rows[place] for place in places])
        return super().outputs(task, firsts, split)

    def scores(self, task: Task, split: Split, loss: float, samples: list[Sample]) -> dict[str, float]:
        """Return bleu, chrf and exact, and with a `JudgedCorpus` the accuracy of each attribute, 0 to 1."""
        by_image = groupby(task.data.records(split), key=_reference)
        references = {image: [caption for _, caption in group] for image, group in by_image}
        images, captions = [sample.source for sample in samples], [sample.output for sample in samples]
        metrics = self.compare_with_all(captions, [references[image] for image in images])
        corpus = task.data.corpus
        if isinstance(corpus, JudgedCorpus):
            metrics |= _judge(corpus, list(zip(images, captions, strict=True)))
            if split == "test":
                others = list(zip(images, [*captions[1:], *captions[:1]], strict=True))
                metrics["exact_shuffled"] = _judge(corpus, others)["exact"]
                for name, records in corpus.held_out().items():
                    captioned = self._caption(task, (reference for reference, _ in records))
                    metrics[f"exact_{name}"] = _judge(corpus, captioned)["exact"]
        return metrics

    def given_examples(self, task: Task, texts: Sequence[str]) -> list[ProbeExample]:
        """See `Scorer`. The texts are paths of images."""
        if task.generator.source is None:
            raise TypeError("captioning needs a source")
        return [ProbeExample("given", text, task.generator.source.read(text)) for text in texts]

    def fixed_examples(self, task: Task, count: int, longest: int) -> list[ProbeExample]:
        """See `Scorer`."""
        records = [next(group) for _, group in islice(groupby(task.data.records("validation"), key=_reference), count)]
        images = task.data.inputs([reference for reference, _ in records])
        return [
            ProbeExample("first", reference, image, None, caption)
            for (reference, caption), image in zip(records, images, strict=True)
        ]

    def rated_examples(self, task: Task, longest: int) -> Iterator[tuple[tuple[float, int], ProbeExample]]:
        """See `Scorer`. The score is sentence BLEU."""
        for sample in task.samples:
            score = self.score_sample(sample)
            (image,) = task.data.inputs([sample.source])
            example = ProbeExample(f"BLEU {score:.1f}", sample.source, image, None, sample.reference)
            yield (score, len(sample.reference)), example

    def _caption(self, task: Task, references: Iterator[str]) -> list[tuple[str, str]]:
        """Return (reference, caption) of further images."""
        generator = task.generator
        if not isinstance(generator, EncoderDecoder):
            raise TypeError("captioning needs an encoder")
        found: list[tuple[str, str]] = []
        while chunk := list(islice(references, CHUNK)):
            examples, _ = generator.source.encode(task.data.inputs(chunk))
            written = dict(generator.generate(examples, self.beam_size, self.length_penalty))
            found += [(reference, generator.text(written[row])) for row, reference in enumerate(chunk)]
        return found


def _reference(record: tuple[str, ...]) -> str:
    return record[0]


def _judge(corpus: JudgedCorpus, captioned: Sequence[tuple[str, str]]) -> dict[str, float]:
    """Return the share of exact captions, and the accuracy of each attribute."""
    judged = [corpus.judge(reference, caption) for reference, caption in captioned]
    metrics = {"exact": sum(each.exact for each in judged) / len(judged)}
    for attribute in judged[0].correct:
        counts = [each.correct[attribute] for each in judged]
        metrics[attribute] = sum(correct for correct, _ in counts) / max(1, sum(total for _, total in counts))
    return metrics
