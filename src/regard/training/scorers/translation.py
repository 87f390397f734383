"""Scores of translations: BLEU, chrF and exact matches."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

from sacrebleu.metrics import BLEU, CHRF

from regard.data.batching import Batch
from regard.data.corpora.corpus import Split
from regard.inference.encoder_decoder import EncoderDecoder
from regard.training.scorers.given import warn_of_long_texts
from regard.training.scorers.pairs import first_pairs, fits
from regard.training.scorers.scorer import ProbeExample, Sample
from regard.training.task import Task


class TranslationScorer:
    """Translates the source sentences and compares the translations with the references.

    beam_size: for the test part; validation_beam_size: during training, where 1 (greedy) is fast
    length_penalty: the exponent alpha of Wu et al. 2016, equation 14
    bleu_tokenizer: tokenizer of sacreBLEU: 13a, or ja-mecab or zh for text without spaces between words
    """

    def __init__(
        self, beam_size: int, validation_beam_size: int, length_penalty: float, bleu_tokenizer: str = "13a"
    ) -> None:
        self.beam_size, self.validation_beam_size = beam_size, validation_beam_size
        self.length_penalty = length_penalty
        self.bleu, self.chrf = BLEU(tokenize=bleu_tokenizer), CHRF()
        self.sentence_bleu = BLEU(tokenize=bleu_tokenizer, effective_order=True)

    def outputs(self, task: Task, batch: Batch, split: Split) -> dict[int, str]:
        """Return the detokenised translation of each sentence of the batch."""
        if batch.source is None or not isinstance(task.generator, EncoderDecoder):
            raise TypeError("outputs are decoded from a source: this task needs an encoder")
        beam_size = self.beam_size if split == "test" else self.validation_beam_size
        found = task.generator.decode(batch.source, beam_size, self.length_penalty)
        return {row: task.generator.text(hypothesis) for row, hypothesis in zip(batch.rows, found, strict=True)}

    def samples(self, task: Task, split: Split, outputs: dict[int, str]) -> list[Sample]:
        """Return all translated sentences, in order."""
        sources, references = task.data.texts(split)
        return [Sample(sources[row], references[row], outputs[row]) for row in sorted(outputs)]

    def scores(self, task: Task, split: Split, loss: float, samples: list[Sample]) -> dict[str, float]:
        """Return the metrics of `compare`."""
        return self.compare([sample.output for sample in samples], [sample.reference for sample in samples])

    def compare(self, outputs: list[str], references: list[str]) -> dict[str, float]:
        """Compute bleu and chrf (0 to 100) and the share of exact matches, exact (0 to 1)."""
        return self.compare_with_all(outputs, [[reference] for reference in references])

    def compare_with_all(self, outputs: list[str], references: list[list[str]]) -> dict[str, float]:
        """Compute the same metrics with any number of references for each output."""
        pairs = zip(outputs, references, strict=True)
        exact = sum(output.strip() in map(str.strip, own) for output, own in pairs) / len(outputs)
        # sacreBLEU takes one list for each reference of an output; None where an output has fewer.
        streams: Any = list(zip_longest(*references))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # sacreBLEU warns of text that looks tokenised; regard does not tokenise it
            bleu = self.bleu.corpus_score(outputs, streams).score
            chrf = self.chrf.corpus_score(outputs, streams).score
        return {"bleu": bleu, "chrf": chrf, "exact": exact}

    def score_sample(self, sample: Sample) -> float:
        """Compute sentence BLEU, with n-grams up to the length of the sentence and smoothing (Chen and Cherry 2014)."""
        score: float = self.sentence_bleu.sentence_score(sample.output, [sample.reference]).score
        return score

    def given_examples(self, task: Task, texts: Sequence[str]) -> list[ProbeExample]:
        """See `Scorer`. The texts are source sentences."""
        warn_of_long_texts(texts, task.tokenizers.source, task.model.max_length - 1)
        return [ProbeExample("given", text, text) for text in texts]

    def fixed_examples(self, task: Task, count: int, longest: int) -> list[ProbeExample]:
        """See `Scorer`. If every sentence is longer, the shortest ones, with a warning."""
        return first_pairs(task.data, task.tokenizers.source, count, longest)

    def rated_examples(self, task: Task, longest: int) -> Iterator[tuple[tuple[float, int], ProbeExample]]:
        """See `Scorer`. The score is sentence BLEU; longer sentences are closer to both ends."""
        for sample in task.samples:
            if fits(sample.source, task.tokenizers.source, longest):
                score, length = self.score_sample(sample), len(sample.source)
                order = (score, length if score >= 50 else -length)
                yield order, ProbeExample(f"BLEU {score:.1f}", sample.source, sample.source, None, sample.reference)

    def signatures(self) -> dict[str, str]:
        """Return sacreBLEU's signatures (Post 2018), which make scores comparable. Call it after ``scores``."""
        return {"bleu": str(self.bleu.get_signature()), "chrf": str(self.chrf.get_signature())}
