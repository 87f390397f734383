"""Batches of prompts and images: the batches of captioning with source and target exchanged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from regard.data.corpora.shapes.shapes import Shapes
from regard.data.text_to_image import TextToImageData
from regard.data.tokenizer.specials import EOS, PAD
from regard.data.tokenizer.tokenizer import TokenizerSettings


def make(cache: Path) -> TextToImageData:
    corpus: Any = Shapes(size=50, validation_size=10, test_size=10, held_out_size=5)
    settings = TokenizerSettings(vocab_size=60, byte_fallback=False, normalization="identity")
    return TextToImageData(
        corpus, settings, str(cache), images_per_batch=8, evaluation_images_per_batch=4, max_length=200, image_size=48,
        seed=1, say=lambda text: None,
    )  # fmt: skip


def test_a_batch_has_each_prompt_as_source_and_its_image_as_target(tmp_path: Path) -> None:
    data = make(tmp_path)
    records = list(data.records("validation"))
    dataset, items = data.evaluation("validation")
    for item in items:
        batch = dataset[item]
        assert batch.source is not None
        for row, source, target in zip(batch.rows, batch.source, batch.target, strict=True):
            reference, prompt = records[row]
            ids = [token for token in source.tolist() if token != PAD]
            assert ids.pop() == EOS
            assert data.prepared.target_tokenizer.decode(ids) == prompt
            assert (target.permute(1, 2, 0).numpy() == data.image_corpus.read_image(reference)).all()
    assert sorted(row for item in items for row in item.rows) == list(range(10))


def test_a_target_is_an_image(tmp_path: Path) -> None:
    _, plan = make(tmp_path).training()
    planned = [each for number in range(plan.pools(0)) for each in plan.pool(0, number)]
    assert all(each.tokens == len(each.rows) for each in planned)
    assert sum(each.tokens for each in planned) == 50
