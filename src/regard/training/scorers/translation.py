"""Scores of translations: BLEU and chrF on plain text, and the share that is exactly right."""

from __future__ import annotations

import warnings

from sacrebleu.metrics import BLEU, CHRF

from regard.data.batching import Batch
from regard.data.corpora.corpus import Split
from regard.inference.translator import Translator
from regard.training.task import Sample, Task


class TranslationScorer:
    """Decodes the source sentences and compares with the references.

    beam_size: for the test split; validation_beam_size: while training, where 1 (greedy) is quick
    length_penalty: the power alpha of Wu et al. 2016, equation 14
    bleu_tokenizer: sacreBLEU's tokenizer; 13a, but ja-mecab or zh where words are not spaced
    """

    def __init__(
        self, beam_size: int, validation_beam_size: int, length_penalty: float, bleu_tokenizer: str = "13a"
    ) -> None:
        self.beam_size, self.validation_beam_size = beam_size, validation_beam_size
        self.length_penalty = length_penalty
        self.bleu, self.chrf = BLEU(tokenize=bleu_tokenizer), CHRF()
        self.sentence_bleu = BLEU(tokenize=bleu_tokenizer, effective_order=True)

    def outputs(self, task: Task, batch: Batch, split: Split) -> dict[int, str]:
        """The detokenised translation of each sentence of the batch."""
        if batch.source is None:
            raise TypeError("translations need a source")
        translator = Translator(task.model, task.source_tokenizer, task.target_tokenizer)
        beam_size = self.beam_size if split == "test" else self.validation_beam_size
        found = translator.decode(batch.source, beam_size, self.length_penalty)
        return {row: translator.text(hypothesis) for row, hypothesis in zip(batch.rows, found, strict=True)}

    def samples(self, task: Task, split: Split, outputs: dict[int, str]) -> list[Sample]:
        """Every sentence that was translated, in order."""
        sources, references = task.data.texts(split)
        return [Sample(sources[row], references[row], outputs[row]) for row in sorted(outputs)]

    def scores(self, task: Task, split: Split, loss: float, samples: list[Sample]) -> dict[str, float]:
        """As `compare`."""
        return self.compare([sample.output for sample in samples], [sample.reference for sample in samples])

    def compare(self, outputs: list[str], references: list[str]) -> dict[str, float]:
        """bleu and chrf (0 to 100), exact (a share between 0 and 1)."""
        exact = sum(a.strip() == b.strip() for a, b in zip(outputs, references, strict=True)) / len(outputs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # sacreBLEU warns of text that looks tokenised; it is the user's
            bleu = self.bleu.corpus_score(outputs, [references]).score
            chrf = self.chrf.corpus_score(outputs, [references]).score
        return {"bleu": bleu, "chrf": chrf, "exact": exact}

    def score_sample(self, sample: Sample) -> float:
        """Sentence BLEU, of the orders that it is long enough for; zeros are smoothed (Chen and Cherry 2014)."""
        score: float = self.sentence_bleu.sentence_score(sample.output, [sample.reference]).score
        return score

    def signatures(self) -> dict[str, str]:
        """sacreBLEU's signatures (Post 2018), which make the scores comparable; after ``scores``."""
        return {"bleu": str(self.bleu.get_signature()), "chrf": str(self.chrf.get_signature())}
