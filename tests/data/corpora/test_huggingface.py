"""Hugging Face datasets, offline: a folder is loaded like a name on the hub."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from regard.data.corpora import extra
from regard.data.corpora.corpus import PAIR, SPLITS, TEXT, MissingSplit
from regard.data.corpora.huggingface import HuggingFace
from regard.errors import RegardError, UsageError

TRAIN = [(f"house {i}", f"Haus\n{i}") for i in range(300)]
VALIDATION = [("dog", "Hund")]


@pytest.fixture(scope="module", autouse=True)
def offline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Set the environment: no network and no user cache. datasets reads it when it is first imported, in this file."""
    with pytest.MonkeyPatch.context() as patch:
        for key in ("HF_HUB_OFFLINE", "HF_DATASETS_DISABLE_PROGRESS_BARS"):
            patch.setenv(key, "1")
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("huggingface")))
        yield


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "dataset"
    folder.mkdir()
    for name, pairs in (("train", TRAIN), ("validation", VALIDATION)):
        rows = [{"id": i, "translation": {"en": en, "de": de}} for i, (en, de) in enumerate(pairs)]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def dataset(folder: Path, **options: Any) -> HuggingFace:
    return HuggingFace(**({"path": str(folder), "columns": ["translation.en", "translation.de"]} | options))


@pytest.mark.parametrize("streaming", [False, True])
def test_a_folder_of_json_lines(folder: Path, streaming: bool) -> None:
    corpus = dataset(folder, streaming=streaming)
    corpus.check()
    assert corpus.columns == PAIR
    assert list(corpus.records("train")) == [(en, de.replace("\n", " ")) for en, de in TRAIN]
    assert list(corpus.records("validation")) == VALIDATION
    with pytest.raises(MissingSplit, match=r"set data\.test"):
        corpus.records("test")


def test_a_folder_of_csv_for_a_language_model(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text('title,body\nA,"one\n\ntwo"\nB,three\n')
    corpus = dataset(tmp_path, columns=["body"])
    assert corpus.columns == TEXT
    assert list(corpus.records("train")) == [("one\n\ntwo",), ("three",)]


@pytest.mark.parametrize("streaming", [False, True])
def test_a_share_is_held_out_if_a_split_does_not_exist(folder: Path, streaming: bool) -> None:
    corpus = dataset(folder, validation=0.2, streaming=streaming)
    train, validation = (list(corpus.records(split)) for split in SPLITS[:2])
    assert len(train) + len(validation) == 300
    assert 30 < len(validation) < 90


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": "training"}, r"data\.train=training: .*dataset has the splits train, validation; choose one"),
        (
            {"columns": ["translation.en", "translation.fr"]},
            r"dataset, split train, row 1: no column translation\.fr; the columns are id, translation\.en, translation",
        ),
        ({"columns": ["id"]}, r"row 1: column id is int, expected text"),
    ],
)
def test_the_error_of_a_missing_split_or_column_names_it(
    folder: Path, options: dict[str, Any], message: str, streaming: bool
) -> None:
    with pytest.raises(RegardError, match=message) as failure:
        list(dataset(folder, streaming=streaming, **options).records("train"))
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize("path", ["nobody/nothing-of-that-name", "/no/such/folder"])
def test_a_dataset_that_cannot_be_loaded(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)  # without a network, the hub is tried for half a minute
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UsageError, match=f"data.path={path}: cannot be loaded .*correct data.path") as failure:
        list(HuggingFace(path, ["text"]).records("train"))
    assert "\n" not in str(failure.value)


def test_a_damaged_file_is_an_error(folder: Path) -> None:
    (folder / "train.jsonl").write_text('{"id": 1, "translation": {"en": "a", "de": "b"}}\n{"id": \n')
    for streaming in (False, True):
        with pytest.raises(RegardError, match=r"cannot be (loaded|read further)") as failure:
            list(dataset(folder, streaming=streaming).records("train"))
        assert "\n" not in str(failure.value)


def test_the_fingerprint_depends_on_the_arguments_and_the_files_of_a_folder(folder: Path) -> None:
    before = dataset(folder).fingerprint()
    assert dataset(folder).fingerprint() == before
    for other in ({"revision": "abc"}, {"name": "x"}, {"train": "validation"}, {"columns": ["translation.en"]}):
        assert dataset(folder, **other).fingerprint() != before
    os.utime(folder / "train.jsonl", ns=(1, 1))
    assert dataset(folder).fingerprint() != before


def test_the_error_without_the_extra_names_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extra, "find_spec", lambda package: None)
    with pytest.raises(
        UsageError, match=r"data=huggingface needs the package datasets: pip install 'regard\[datasets\]'"
    ):
        dataset(folder).check()
