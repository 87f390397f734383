"""Scores of captions: any reference counts, and a corpus that knows its images judges them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from regard.data.corpora.corpus import Record
from regard.data.corpora.shapes.shapes import Shapes
from regard.training.scorers.captioning import CaptioningScorer
from regard.training.scorers.scorer import Sample

SCORER = CaptioningScorer(1, 1, 1.0)


def scores(corpus: Any, samples: list[Sample], split: str = "validation", more: Record = ()) -> dict[str, float]:
    """The metrics of samples; the first image has the references ``more`` too."""
    records = [(sample.source, sample.reference) for sample in samples]
    records[:1] = [*((samples[0].source, each) for each in more), records[0]]
    task: Any = SimpleNamespace(data=SimpleNamespace(corpus=corpus, records=lambda split: iter(records)))
    return SCORER.scores(task, split, 0.5, samples)


def test_any_reference_of_an_image_counts() -> None:
    text = "a dog runs over the wet grass"
    sample = Sample("a.png", "a cat sleeps on a chair", text)
    found = scores(object(), [sample], more=(text,))
    assert found == pytest.approx({"bleu": 100.0, "chrf": 100.0, "exact": 1.0})
    other = Sample("b.png", "two men sit on a red bench", "a tree")
    assert scores(object(), [sample, other], more=(text,))["exact"] == 0.5
    assert scores(object(), [sample])["exact"] == 0


def test_a_corpus_judges_by_content() -> None:
    corpus = Shapes(size=200)
    two = next(record for record in corpus.records("train") if " left of " in record[1] and " and " not in record[1])
    first, second = two[1].split(" left of ")
    turned = f"{second} right of {first}"
    found = scores(corpus, [Sample(two[0], two[1], turned)])
    assert (found["exact"], found["relation"]) == (1.0, 1.0)
    assert found["bleu"] < 100
    wrong = scores(corpus, [Sample(two[0], two[1], f"{first} right of {second}")])
    assert (wrong["exact"], wrong["relation"], wrong["colour"], wrong["number"]) == (0.0, 0.0, 1.0, 1.0)


def test_held_out_parts_are_scored_in_the_test_part(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = Shapes(size=20, held_out_size=8)
    known = {reference: caption for part in corpus.held_out().values() for reference, caption in part}
    pairs = {reference for reference, _ in corpus.held_out()["pairs"]}

    def caption(self: CaptioningScorer, task: Any, references: Any) -> list[tuple[str, str]]:
        """Perfect but for unseen pairs."""
        return [(each, "a large red circle" if each in pairs else known[each]) for each in references]

    monkeypatch.setattr(CaptioningScorer, "_caption", caption)
    samples = [Sample(reference, text, text) for reference, text in corpus.records("validation")]
    found = scores(corpus, samples, "test")
    assert (found["exact"], found["exact_tuples"]) == (1.0, 1.0)
    assert found["exact_pairs"] < 0.3
    assert found["exact_shuffled"] < 0.1
    assert "exact_tuples" not in scores(corpus, samples)
