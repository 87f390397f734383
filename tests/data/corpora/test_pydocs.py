"""The embedded text: available without a network, with the same parts on every machine."""

from __future__ import annotations

from pydoc_data.topics import topics

from regard.data.corpora.corpus import SPLITS
from regard.data.corpora.pydocs import Pydocs, _part


def test_every_topic_is_a_document_of_one_part() -> None:
    corpus = Pydocs()
    corpus.check()
    parts = {split: [text for (text,) in corpus.records(split)] for split in SPLITS}
    assert sorted(text for texts in parts.values() for text in texts) == sorted(topics.values())
    assert len(parts["train"]) > 0.8 * len(topics)
    assert min(len(parts["validation"]), len(parts["test"])) >= 3
    assert any("\n" in text for text in parts["train"])


def test_the_part_of_a_topic_is_the_same_on_every_machine() -> None:
    names = ("assert", "imaginary", "types", "typesmodules", "with")
    assert [_part(name) for name in names] == ["train", "test", "validation", "test", "validation"]


def test_the_fingerprint_depends_on_the_text(monkeypatch) -> None:
    before = Pydocs().fingerprint()
    assert Pydocs().fingerprint() == before
    monkeypatch.setitem(topics, "assert", "another")
    assert Pydocs().fingerprint() != before
