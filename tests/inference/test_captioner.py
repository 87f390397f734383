"""Verbs with a captioning model: files, folders, bad images, and what does not apply to it."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch

from regard.data.corpora.shapes.shapes import Shapes
from regard.data.images.image import Image
from regard.data.tokenizer.specials import EOS
from regard.inference.captioner import Captioner
from regard.inference.decoding import Hypothesis
from regard.runs.folder import RunFolder
from regard.training.checkpoint import load_model, read_checkpoint

Regard = Callable[..., Any]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three images, one of them in a subfolder and larger, and a file that is not an image."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "more").mkdir()
    corpus = Shapes(size=3, pixels=48)
    for number, (reference, _) in enumerate(corpus.records("train")):
        image = PIL.Image.fromarray(corpus.read_image(reference))
        place = folder / "more" / "c.jpg" if number == 2 else folder / f"{'ab'[number]}.png"
        image.resize((96, 72) if number == 2 else (48, 48)).save(place)
    (folder / "notes.txt").write_text("no image")
    return folder


@pytest.fixture(scope="module")
def captioner(finished_captioning: RunFolder) -> Captioner:
    loaded = load_model(finished_captioning.checkpoints / "best.ckpt").generator
    assert isinstance(loaded, Captioner)
    return loaded


def test_a_checkpoint_names_its_generator_and_needs_no_data(
    finished_captioning: RunFolder, captioner: Captioner
) -> None:
    about = read_checkpoint(finished_captioning.checkpoints / "best.ckpt")["regard"]
    assert about["generator"] == "regard.inference.captioner.Captioner"
    assert (about["task"], about["source_tokenizer"]) == ("captioning", None)
    assert (captioner.source.size, captioner.source.grid) == (48, (6, 6))


def test_outputs_do_not_depend_on_batches(captioner: Captioner) -> None:
    corpus = Shapes(size=7)
    images = [Image(corpus.read_image(reference)) for reference, _ in corpus.records("train")]
    examples, _ = captioner.source.encode(images)

    def written(tokens: int) -> dict[int, Hypothesis]:
        return dict(captioner.generate(examples, 2, tokens_per_batch=tokens))

    together, alone = written(4096), written(1)
    assert together.keys() == alone.keys() == set(range(7))
    for number, hypothesis in together.items():
        assert hypothesis.tokens == alone[number].tokens
        assert hypothesis.log_probability == pytest.approx(alone[number].log_probability, abs=1e-4)


def test_files_folders_and_stdin_are_captioned_in_order(
    regard: Regard, finished_captioning: RunFolder, photos: Path
) -> None:
    run, names = finished_captioning.path, ["a.png", "b.png", "more/c.jpg"]
    folder = regard("caption", run, photos)
    assert folder.code == 0, folder.err
    lines = [line.split("\t") for line in folder.out.splitlines()]
    assert [path for path, _ in lines] == [str(photos / name) for name in names]
    single = regard("caption", run, photos / "a.png")
    assert single.out == lines[0][1] + "\n"
    stdin = regard("caption", run, "-", stdin="".join(f"{photos / name}\n" for name in names))
    assert stdin.out == folder.out
    as_json = regard("caption", run, photos, "--json")
    found = [json.loads(line) for line in as_json.out.splitlines()]
    assert [(each["image"], each["caption"]) for each in found] == [tuple(line) for line in lines]
    assert all(each["log_probability"] < 0 for each in found)


def test_unreadable_images_are_named_and_the_others_captioned(
    regard: Regard, finished_captioning: RunFolder, photos: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(photos, tmp_path / "photos"))
    (folder / "a.png").write_bytes((folder / "a.png").read_bytes()[:80])
    said = regard("caption", finished_captioning.path, folder)
    assert said.code == 1
    assert said.err.startswith(f"regard: {folder / 'a.png'}: damaged image")
    assert said.out.count("\n") == 2


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        (["caption", "{run}", "{photos}/no.png"], 2, "no.png: no such file; give an image, a folder, or -"),
        (["caption", "{run}", "{tmp}"], 2, "a folder without images; expected one of .png, .jpg"),
        (["caption", "{run}", "{photos}/notes.txt"], 1, "notes.txt: not an image in a known format"),
        (["caption", "{text}", "{photos}/a.png"], 2, "is a translation model, but this verb needs a captioning model"),
        (
            ["translate", "{run}"],
            2,
            "a captioning model, but this verb needs a translation model; use regard caption",
        ),
        (["attend", "{run}"], 2, "--image is empty or missing: a captioning model needs an image"),
        (["attend", "{run}", "--source", "x"], 2, "--source: a captioning model has no source; give only --image"),
        (["attend", "{run}", "--image", "{photos}/no.png"], 2, "no.png: no such file; give an image file"),
        (["attend", "{text}", "--image", "x"], 2, "--image: a translation model has no image; give only --source"),
        (["neighbours", "{run}", "--word", "red", "--side", "source"], 2, "a captioning model has no source; omit"),
        (["heads", "{run}", "--gold", "x"], 2, "--gold: a captioning model has no alignments; omit it"),
        (
            ["align", "{run}", "--source", "a", "--target", "b"],
            2,
            "this verb needs a translation model",
        ),
        (["evaluate", "{run}", "--target-file", "x"], 2, "needs --source-file (paths of images) and --target-file"),
    ],
)
def test_what_does_not_apply_is_one_line(
    regard: Regard, finished_captioning: RunFolder, finished: RunFolder, photos: Path, tmp_path: Path,
    command: list[str], code: int, message: str,
) -> None:  # fmt: skip
    places = {"run": finished_captioning.path, "text": finished.path, "photos": photos, "tmp": tmp_path}
    said = regard(*(part.format(**places) for part in command))
    assert (said.code, said.err.count("\n")) == (code, 1), said.err
    assert message in said.err


def test_score_is_that_of_a_forced_pass(
    regard: Regard, finished_captioning: RunFolder, captioner: Captioner, photos: Path
) -> None:
    said = regard("score", finished_captioning.path, stdin=f"{photos / 'a.png'}\ta large red circle\n")
    assert said.code == 0, said.err
    shown = float(said.out.splitlines()[1].split("\t")[0])
    (example,), _ = captioner.source.encode([captioner.source.read(str(photos / "a.png"))])
    ids = [*captioner.target_tokenizer.encode("a large red circle"), EOS]
    with torch.inference_mode():
        logits = captioner.model(torch.tensor([[1, *ids[:-1]]]), example[None])[0]
    expected = logits.log_softmax(-1)[range(len(ids)), ids].sum().item()
    assert shown == pytest.approx(expected, abs=1e-3)
    wrong = regard("score", finished_captioning.path, stdin="no.png a large red circle\n")
    assert "stdin, line 1: expected PATH TAB CAPTION, but found 0 tabs" in wrong.err


def test_evaluate_on_the_corpus_and_on_files(
    regard: Regard, finished_captioning: RunFolder, photos: Path, tmp_path: Path
) -> None:
    said = regard("evaluate", finished_captioning.path)
    found = dict(line.split("\t") for line in said.out.splitlines())
    summary = json.loads((finished_captioning.path / "summary.json").read_text())["metrics"]
    for name in ("exact", "number", "relation", "exact_tuples", "exact_pairs", "bleu", "loss"):
        assert float(found[f"test/{name}"]) == pytest.approx(summary[f"test/{name}"], abs=1e-3)
    (tmp_path / "images").write_text(f"{photos / 'a.png'}\n{photos / 'b.png'}\n")
    (tmp_path / "captions").write_text("a large red circle\na small blue square\n")
    own = regard(
        "evaluate", finished_captioning.path, "--source-file", tmp_path / "images", "--target-file",
        tmp_path / "captions", "--output", tmp_path / "out",
    )  # fmt: skip
    assert own.code == 0, own.err
    assert (tmp_path / "out").read_text().count("\n") == 2


def test_attend_writes_a_page_with_the_image_and_a_strip(
    regard: Regard, finished_captioning: RunFolder, photos: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    said = regard(
        "attend", finished_captioning.path, "--image", photos / "a.png", "--target", "a large red circle",
        "--output", page,
    )  # fmt: skip
    assert said.code == 0, said.err
    assert said.out.splitlines()[0] == "a large red circle"
    text = page.read_text(encoding="utf-8")
    assert "data:image/png;base64," in text
    assert '"grid":[6,6]' in text
    with PIL.Image.open(page.with_suffix(".png")) as strip:
        assert strip.width > strip.height  # one row: the image and its four words


def test_heads_measures_pointing(regard: Regard, finished_captioning: RunFolder, tmp_path: Path) -> None:
    said = regard("heads", finished_captioning.path, "--json", "--output", tmp_path, "--sentences", 10)
    assert said.code == 0, said.err
    rows = [json.loads(line) for line in said.out.splitlines()]
    cross = [row for row in rows if row["map"] == "decoder.0.cross"]
    assert all(0 <= row["pointing"] <= 1 for row in cross)
    assert 0.03 < next(row["pointing"] for row in cross if row["head"] == "uniform") < 0.3
    assert not any("pointing" in row for row in rows if row["map"] != "decoder.0.cross")
    assert not any(math.isnan(row["importance"]) for row in rows if "importance" in row)


def test_a_run_records_the_image(finished_captioning: RunFolder) -> None:
    page = (finished_captioning.attention / "index.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 3  # the first, the worst and the best one
    samples = [json.loads(line) for line in (finished_captioning.path / "samples.jsonl").read_text().splitlines()]
    assert {"step", "source", "reference", "output"} == samples[0].keys()
    assert (finished_captioning.path / "example.png").is_file()
