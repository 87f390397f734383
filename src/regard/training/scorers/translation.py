"""Scores of translations: BLEU, chrF and exact matches."""

from __future__ import annotations

import warnings

from sacrebleu.metrics import BLEU, CHRF

from regard.data.batching import Batch
from regard.data.corpora.corpus import Split
from regard.inference.translator import Translator
from regard.training.task import Sample, Task


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
        if batch.source is None:
            raise TypeError("a batch of translations needs a source")
        translator = Translator(task.model, task.source_tokenizer, task.target_tokenizer)
        beam_size = self.beam_size if split == "test" else self.validation_beam_size
        found = translator.decode(batch.source, beam_size, self.length_penalty)
        return {row: translator.text(hypothesis) for row, hypothesis in zip(batch.rows, found, strict=True)}

    def samples(self, task: Task, split: Split, outputs: dict[int, str]) -> list[Sample]:
        """Return all translated sentences, in order."""
        sources, references = task.data.texts(split)
        return [Sample(sources[row], references[row], outputs[row]) for row in sorted(outputs)]

    def scores(self, task: Task, split: Split, loss: float, samples: list[Sample]) -> dict[str, float]:
        """Return the metrics of `compare`."""
        return self.compare([sample.output for sample in samples], [sample.reference for sample in samples])

    def compare(self, outputs: list[str], references: list[str]) -> dict[str, float]:
        """Compute bleu and chrf (0 to 100) and the share of exact matches, exact (0 to 1)."""
        exact = sum(a.strip() == b.strip() for a, b in zip(outputs, references, strict=True)) / len(outputs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # sacreBLEU warns of text that looks tokenised; regard does not tokenise it
            bleu = self.bleu.corpus_score(outputs, [references]).score
            chrf = self.chrf.corpus_score(outputs, [references]).score
        return {"bleu": bleu, "chrf": chrf, "exact": exact}

    def score_sample(self, sample: Sample) -> float:
        """Compute sentence BLEU, with n-grams up to the length of the sentence and smoothing (Chen and Cherry 2014)."""
        score: float = self.sentence_bleu.sentence_score(sample.output, [sample.reference]).score
        return score

    def signatures(self) -> dict[str, str]:
        """Return sacreBLEU's signatures (Post 2018), which make scores comparable. Call it after ``scores``."""
        return {"bleu": str(self.bleu.get_signature()), "chrf": str(self.chrf.get_signature())}
