from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from regard.errors import RegardError
from regard.observe.record.maps import SentenceMaps, entropy, load_maps, save_maps, split_name


def softmax_maps(heads: int, queries: int, keys: int, seed: int = 0) -> np.ndarray:
    scores = 3 * np.random.default_rng(seed).normal(size=(heads, queries, keys))
    weights = np.exp(scores)
    return (weights / weights.sum(-1, keepdims=True)).astype(np.float32)


def pair(seed: int = 0) -> SentenceMaps:
    maps = {
        "encoder.0.self": softmax_maps(2, 3, 3, seed),
        "decoder.0.self": softmax_maps(2, 4, 4, seed + 1),
        "decoder.0.cross": softmax_maps(2, 4, 3, seed + 2),
    }
    source, target = ["▁a", '"</script>', "</s>"], ["▁ein", "日本", "\ud800🙂", "</s>"]
    return SentenceMaps(source, ["<s>", *target[:-1]], target, maps)


def test_entropy_spans_from_one_key_to_all_keys() -> None:
    one_hot, uniform = np.eye(5, dtype=np.float32), np.full((5, 5), 0.2, dtype=np.float32)
    nats = entropy(np.stack([one_hot, uniform]))
    assert nats[0] == 0.0
    assert nats[1] == pytest.approx(math.log(5))


def test_entropy_leaves_masked_rows_out_of_the_mean() -> None:
    weights = softmax_maps(3, 4, 6)
    padded = np.concatenate([weights, np.zeros((3, 7, 6), np.float32)], axis=1)
    np.testing.assert_allclose(entropy(padded), entropy(weights))
    assert np.isnan(entropy(np.zeros((2, 3, 4), np.float32))).all()


def test_maps_must_fit_their_tokens() -> None:
    with pytest.raises(ValueError, match=r"decoder\.0\.cross has shape \(2, 3, 4\), expected \(heads, 4, 3\)"):
        SentenceMaps(list("abc"), list("wxyz"), list("xyz!"), {"decoder.0.cross": softmax_maps(2, 3, 4)})
    with pytest.raises(ValueError, match="is not an attention map"):
        SentenceMaps([], ["a"], ["b"], {"decoder.self": softmax_maps(1, 1, 1)})


def test_axes_of_each_kind() -> None:
    sentence = pair()
    assert sentence.tokens("encoder.0.self") == (sentence.source, sentence.source)
    assert sentence.tokens("decoder.0.self") == (sentence.target, sentence.prefix)
    assert sentence.tokens("decoder.0.cross") == (sentence.target, sentence.source)
    assert split_name("decoder.12.cross") == ("decoder.cross", 12)


def test_saved_maps_come_back_within_the_documented_error(tmp_path: Path) -> None:
    sentences = [pair(0), pair(10)]
    assert save_maps(tmp_path / "new" / "maps.npz", sentences) == 0
    loaded = load_maps(tmp_path / "new" / "maps.npz")
    assert [(s.source, s.prefix, s.target) for s in loaded] == [(s.source, s.prefix, s.target) for s in sentences]
    for before, after in zip(sentences, loaded, strict=True):
        assert before.maps.keys() == after.maps.keys()
        for name in before.maps:
            assert after.maps[name].dtype == np.float32
            assert np.abs(after.maps[name] - before.maps[name]).max() <= 2**-12
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["maps.npz"]


def test_budget_keeps_the_first_sentences_and_counts_the_others(tmp_path: Path) -> None:
    sentences = [pair(seed) for seed in range(5)]
    size = 2 * sum(weights.size for weights in sentences[0].maps.values())
    assert save_maps(tmp_path / "maps.npz", sentences, max_bytes=2 * size) == 3
    kept = load_maps(tmp_path / "maps.npz")
    assert len(kept) == 2
    np.testing.assert_allclose(kept[1].maps["encoder.0.self"], sentences[1].maps["encoder.0.self"], atol=2**-12)
    assert save_maps(tmp_path / "maps.npz", sentences, max_bytes=size - 1) == 5
    assert load_maps(tmp_path / "maps.npz") == []


def test_what_is_no_file_of_maps_is_named(tmp_path: Path) -> None:
    whole, cut, pickled, other = (tmp_path / name for name in ("whole.npz", "cut.npz", "pickled.npz", "other.npz"))
    save_maps(whole, [pair()])
    cut.write_bytes(whole.read_bytes()[:-100])
    np.savez(pickled, tokens=np.array([{"format": 1}], dtype=object))
    np.savez(other, something=np.zeros(3))
    (tmp_path / "text.npz").write_text("not a zip")
    for path in (cut, pickled, other, tmp_path / "text.npz", tmp_path / "missing.npz"):
        with pytest.raises(RegardError, match=path.name):
            load_maps(path)
