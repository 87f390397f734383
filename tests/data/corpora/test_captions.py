"""The user's images and captions: tables, folders, COCO and datasets; every error names its place."""

from __future__ import annotations

import json
import os
import pickle
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from regard.data.corpora.captions.files import Captions
from regard.data.corpora.captions.huggingface import HuggingFaceCaptions
from regard.data.corpora.captions.padded import Padded
from regard.data.corpora.corpus import SPLITS, MissingSplit
from regard.errors import RegardError, UsageError

ROWS = [
    ("a.png", "a red square"),
    ("a.png", "something red"),
    ("b.png", "a green square"),
    ("sub/c.png", "  blue  thing "),
]
RECORDS = [*ROWS[:3], ("sub/c.png", "blue thing")]
COLOURS = {"a.png": (255, 0, 0), "b.png": (0, 255, 0), "sub/c.png": (0, 0, 255)}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for name, colour in COLOURS.items():
        PIL.Image.new("RGB", (6, 4), colour).save(folder / name)
    return folder


def write(path: Path, rows: list[tuple[str, str]], columns: tuple[str, str] = ("image", "caption")) -> Path:
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows))
        return path
    separator = "\t" if path.suffix == ".tsv" else ","
    lines = [separator.join(row) for row in [columns, *rows]]
    path.write_text("\n".join(lines) + "\n")
    return path


def coco(images: list[dict[str, Any]], annotations: list[dict[str, Any]]) -> str:
    return json.dumps({"info": {}, "images": images, "annotations": annotations})


def relative(corpus: Captions, folder: Path, split: Any = "train") -> list[tuple[str, str]]:
    return [(str(Path(image).relative_to(folder)), caption) for image, caption in corpus.records(split)]


@pytest.mark.parametrize("name", ["captions.csv", "captions.tsv", "captions.jsonl"])
def test_a_folder_with_a_table(photos: Path, name: str) -> None:
    write(photos / name, ROWS)
    corpus = Captions(str(photos), 0.5)
    corpus.check()
    found = [*relative(corpus, photos), *relative(corpus, photos, "validation")]
    assert sorted(found) == sorted(RECORDS)
    reference = str(photos / "b.png")
    assert corpus.read_image(reference)[0, 0].tolist() == [0, 255, 0]
    assert corpus.image_name(reference) == "b.png"
    with pytest.raises(MissingSplit):
        next(corpus.records("test"))


def test_a_table_elsewhere_with_other_columns(photos: Path, tmp_path: Path) -> None:
    table = write(tmp_path / "own.csv", ROWS, ("file", "text"))
    corpus = Captions(str(table), str(table), columns=["file", "text"], images=str(photos))
    corpus.check()
    assert relative(corpus, photos) == relative(corpus, photos, "validation") == RECORDS


def test_coco_captions(photos: Path, tmp_path: Path) -> None:
    images = [{"id": number, "file_name": name} for number, name in enumerate(COLOURS)]
    numbers = {name: number for number, name in enumerate(COLOURS)}
    annotations = [{"id": n, "image_id": numbers[name], "caption": text} for n, (name, text) in enumerate(ROWS[::-1])]
    (tmp_path / "train.json").write_text(coco(images, annotations))
    corpus = Captions(str(tmp_path / "train.json"), 0.4, images=str(photos))
    corpus.check()
    found = [*relative(corpus, photos), *relative(corpus, photos, "validation")]
    assert sorted(found) == sorted(RECORDS)


def test_all_captions_of_an_image_are_in_the_same_part(tmp_path: Path) -> None:
    names = [f"{number}.png" for number in range(40)]
    for name in names:
        PIL.Image.new("RGB", (2, 2)).save(tmp_path / name)
    write(tmp_path / "captions.csv", [(name, f"caption {n}") for name in names for n in range(3)])
    corpus = Captions(str(tmp_path), 0.3, 0.3)
    parts: dict[str, set[str]] = defaultdict(set)
    for split in SPLITS:
        records = list(corpus.records(split))
        assert len(records) % 3 == 0
        assert records
        for image, _ in records:
            parts[image].add(split)
    assert len(parts) == 40
    assert all(len(own) == 1 for own in parts.values())


def test_the_fingerprint_changes_with_an_image(photos: Path) -> None:
    write(photos / "captions.csv", ROWS)
    before = Captions(str(photos), 0.5).fingerprint()
    assert Captions(str(photos), 0.5).fingerprint() == before
    os.utime(photos / "sub/c.png", (1, 1))
    assert Captions(str(photos), 0.5).fingerprint() != before


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([*ROWS, ("no.png", "a word")], r"captions\.csv, row 5: no image \S+no\.png; add it, correct the row"),
        ([("a.png", ""), *ROWS], r"captions\.csv, row 1: column caption is empty; give an image and its caption"),
        ([*ROWS[:1], ("", "a word")], r"captions\.csv, row 2: column image is empty"),
        (ROWS[:2], r"captions\.csv: b\.png has no caption; add a row for it, or remove the image"),
    ],
)
def test_a_row_without_image_or_caption_is_named(photos: Path, rows: list[tuple[str, str]], message: str) -> None:
    write(photos / "captions.csv", rows)
    corpus = Captions(str(photos), str(photos))
    with pytest.raises(RegardError, match=message):
        list(corpus.records("train"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"not COCO captions \(JSONDecodeError: .*\); expected an object with images"),
        ("[]", r"not COCO captions \(TypeError"),
        ('{"images": []}', r"not COCO captions \(KeyError: 'annotations'\)"),
        (coco([], [{"id": 3, "image_id": 9, "caption": "x"}]), r"annotation 3 is for image 9, which is not in images"),
        (coco([{"id": 1, "file_name": "a.png"}], []), r"image 1 \(a\.png\) has no caption; add one, or remove"),
        (
            coco([{"id": 1, "file_name": "x.png"}], [{"id": 3, "image_id": 1, "caption": "x"}]),
            r"train\.json, image 1: no image \S+x\.png",
        ),
    ],
)
def test_bad_coco_captions_are_reported(photos: Path, content: str, message: str) -> None:
    (photos / "train.json").write_text(content)
    with pytest.raises(RegardError, match=message):
        list(Captions(str(photos / "train.json"), 0.5).records("train"))


def test_bad_arguments_name_their_key(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^data\.columns=\['image'\]: expected two names"):
        Captions(str(photos), 0.5, columns=["image"])
    with pytest.raises(UsageError, match=r"^data\.train=\S+: expected one of captions\.csv, .*, found 0"):
        Captions(str(photos), 0.5).check()
    write(photos / "captions.csv", ROWS)
    write(photos / "captions.tsv", ROWS)
    with pytest.raises(UsageError, match="found 2"):
        Captions(str(photos), 0.5).check()
    with pytest.raises(UsageError, match=r"^data\.images=\S+/no: no such folder"):
        Captions(str(photos / "captions.csv"), 0.5, images=str(tmp_path / "no")).check()
    with pytest.raises(UsageError, match=r"^data\.train: "):
        Captions(str(photos / "no.csv"), 0.5).check()


# Hugging Face datasets


@pytest.fixture
def dataset(photos: Path, tmp_path: Path) -> Path:
    datasets = pytest.importorskip("datasets")
    content = {
        "image": [str(photos / name) for name in COLOURS],
        "caption": [["a red square", "something red"], ["a green square"], ["blue\nthing"]],
        "number": [1, 2, 3],
    }
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "caption": datasets.List(datasets.Value("string")),
            "number": datasets.Value("int64"),
        }
    )
    (tmp_path / "dataset").mkdir()
    datasets.Dataset.from_dict(content, features).to_parquet(str(tmp_path / "dataset" / "train.parquet"))
    return tmp_path / "dataset"


def test_a_dataset_with_several_captions_per_image(dataset: Path) -> None:
    corpus = HuggingFaceCaptions(str(dataset), validation=0.4)
    corpus.check()
    records = [*corpus.records("train"), *corpus.records("validation")]
    expected = [("train/0", "a red square"), ("train/0", "something red"), ("train/1", "a green square")]
    assert sorted(records) == [*expected, ("train/2", "blue thing")]
    copied = pickle.loads(pickle.dumps(corpus))
    for reference, colour in zip(("train/0", "train/1", "train/2"), COLOURS.values(), strict=True):
        assert np.array_equal(copied.read_image(reference), np.full((4, 6, 3), colour))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": ["photo", "caption"]}, r"has no column photo; the columns are image, caption, number"),
        ({"columns": ["number", "caption"]}, r"data\.columns: number is not a column of images"),
        ({"columns": ["image", "number"]}, r"row 1: column number has no caption; expected a text or a list of texts"),
        ({"train": "no"}, r"data\.train=no: \S+ has the splits train"),
    ],
)
def test_bad_datasets_are_reported(dataset: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(RegardError, match=message):
        list(HuggingFaceCaptions(str(dataset), **options, validation=0.4).records("train"))


def test_padded_images_are_white_squares(photos: Path) -> None:
    write(photos / "captions.csv", ROWS)
    whole = Captions(str(photos), 0.5)
    corpus = Padded(whole)
    corpus.check()
    assert list(corpus.records("train")) == list(whole.records("train"))
    reference = str(photos / "b.png")
    square = corpus.read_image(reference)
    assert square.shape == (6, 6, 3)
    assert (square[[0, 5]] == 255).all()
    assert (square[1:5] == whole.read_image(reference)).all()
    assert corpus.image_name(reference) == whole.image_name(reference)
    assert corpus.fingerprint() != whole.fingerprint()
