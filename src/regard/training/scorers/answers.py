"""Samples of sequences with answers, and examples whose attention is recorded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import torch

from regard.data.answers import AnswerData
from regard.data.batching import Batch
from regard.data.corpora.corpus import Split
from regard.data.tokenizer.specials import PAD
from regard.inference.answer_model import AnswerModel
from regard.inference.forced_pass import forced_logits
from regard.model.transformer import Transformer
from regard.training.scorers.given import warn_of_long_texts
from regard.training.scorers.scorer import ProbeExample, Sample
from regard.training.task import Task

CANDIDATES = 64
"""Number of first validation examples that are rated."""


class AnswerScorer:
    """Samples the most likely answers of the first validation examples. There are no scores but the loss and accuracy.

    samples: number of examples
    """

    def __init__(self, samples: int) -> None:
        self.count = samples

    def outputs(self, task: Task, batch: Batch, split: Split) -> dict[int, str]:
        """Return no outputs: the accuracy is computed with the loss."""
        return {}

    def samples(self, task: Task, split: Split, outputs: dict[int, str]) -> list[Sample]:
        """Return the first validation examples with ``?`` for each answer, the answers, and those of the model."""
        texts = _first_texts(task, self.count) if split == "validation" else []
        if not texts:
            return []
        data, decode = _answer_data(task), task.tokenizers.target.decode
        batch = data.batch(split, [*range(len(texts))])
        with torch.inference_mode():
            likely = forced_logits(_model(task), batch.on(task.device)).argmax(dim=-1).cpu()
        found = []
        for text, target, output in zip(texts, batch.target, likely, strict=True):
            places = data.answer_places(text)
            asked = "".join("?" if place in places else character for place, character in enumerate(text))
            found.append(Sample(asked, decode(target.tolist()), decode(output[target != PAD].tolist())))
        return found

    def scores(self, task: Task, split: Split, loss: float, samples: list[Sample]) -> dict[str, float]:
        """Return no further scores."""
        return {}

    def score_sample(self, sample: Sample) -> float:
        """Return the percentage of correct answers."""
        pairs = [*zip(sample.reference, sample.output, strict=True)]
        return 100 * sum(right == given for right, given in pairs) / len(pairs)

    def given_examples(self, task: Task, texts: Sequence[str]) -> list[ProbeExample]:
        """See `Scorer`."""
        warn_of_long_texts(texts, task.tokenizers.target, task.model.max_length - 1)
        return [ProbeExample("given", text, None, text) for text in texts]

    def fixed_examples(self, task: Task, count: int, longest: int) -> list[ProbeExample]:
        """See `Scorer`. Examples are whole: all have the same length."""
        questions = map(_answer_data(task).question, _first_texts(task, count))
        return [ProbeExample("first", text, None, text) for text in questions]

    def rated_examples(self, task: Task, longest: int) -> Iterator[tuple[tuple[float, int], ProbeExample]]:
        """See `Scorer`. The score is the mean log-probability of the answers."""
        data, texts = _answer_data(task), _first_texts(task, CANDIDATES)
        batch = data.batch("validation", [*range(len(texts))]).on(task.device)
        with torch.inference_mode():
            scores = forced_logits(_model(task), batch).float().log_softmax(dim=-1)
            values = scores.gather(-1, batch.target[..., None])[..., 0]
            is_answer = batch.target != PAD
            means = ((values * is_answer).sum(dim=-1) / is_answer.sum(dim=-1)).tolist()
        for text, mean in zip(map(data.question, texts), means, strict=True):
            yield (mean, 0), ProbeExample(f"{-mean:.2f} nats/answer", text, None, text)

    def signatures(self) -> dict[str, str]:
        """Return no signatures."""
        return {}


def _answer_data(task: Task) -> AnswerData:
    if not isinstance(task.data, AnswerData):
        raise TypeError("this scorer needs data with answers")
    return task.data


def _model(task: Task) -> Transformer:
    if not isinstance(task.generator, AnswerModel):
        raise TypeError("this scorer needs a model of answers")
    return task.generator.model


def _first_texts(task: Task, count: int) -> list[str]:
    return [text for (text,) in islice(task.data.records("validation"), count)]
