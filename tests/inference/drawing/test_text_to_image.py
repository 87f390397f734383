"""Verbs with a model that draws: images do not depend on batches, and bad input is refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from regard.inference.drawing.drawing import Drawing
from regard.inference.drawing.text_to_image import TextToImage, Wanted
from regard.observe.draw.contact_sheet import read_sheet
from regard.runs.folder import RunFolder
from regard.training.checkpoint import load_model, read_checkpoint

Regard = Callable[..., Any]
PROMPT = "a large red circle left of a small blue square"


@pytest.fixture(scope="module")
def painter(finished_drawing: RunFolder) -> TextToImage:
    loaded = load_model(finished_drawing.checkpoints / "best.ckpt").generator
    assert isinstance(loaded, TextToImage)
    return loaded


def test_a_checkpoint_names_its_generator_and_needs_no_data(finished_drawing: RunFolder, painter: TextToImage) -> None:
    about = read_checkpoint(finished_drawing.checkpoints / "best.ckpt")["regard"]
    assert about["generator"] == "regard.inference.drawing.text_to_image.TextToImage"
    assert (about["task"], about["source_tokenizer"]) == ("text_to_image", None)
    assert painter.tokenizer.decode(painter.tokenizer.encode(PROMPT)) == PROMPT


def test_an_image_depends_on_its_prompt_and_seed_only(painter: TextToImage) -> None:
    wanted = [Wanted("a small red circle", 3), Wanted(PROMPT, 1), Wanted(PROMPT, 2)]
    together = list(painter.draw(wanted, Drawing(3)))
    for each, image in zip(wanted, together, strict=True):
        (alone,) = painter.draw([each], Drawing(3))
        np.testing.assert_allclose(alone.astype(int), image.astype(int), atol=1)
    assert (together[1] != together[2]).any()


def test_generate_writes_images_and_a_contact_sheet(
    regard: Regard, finished_drawing: RunFolder, tmp_path: Path
) -> None:
    options = ["--steps", 2, "--number", 2, "--seed", 7]
    said = regard("generate", finished_drawing.path, *options, "--output", tmp_path / "a" / "b", stdin=f"{PROMPT}\na\n")
    assert said.code == 0, said.err
    lines = [line.split("\t") for line in said.out.splitlines()]
    assert [(Path(path).name, prompt) for path, prompt in lines] == [
        ("1.png", PROMPT), ("2.png", PROMPT), ("3.png", "a"), ("4.png", "a"),
    ]  # fmt: skip
    images = [np.asarray(PIL.Image.open(path)) for path, _ in lines]
    sheet = read_sheet(tmp_path / "a" / "b" / "sheet.png")
    assert [each.caption for each in sheet] == [prompt for _, prompt in lines]
    for image, (_, pixels) in zip(images, sheet, strict=True):
        assert image.shape == (24, 24, 3)
        assert (image == pixels).all()
    # The second image has the next seed. A line of JSON names the seed, with which the image can be repeated.
    again = regard(
        "generate", finished_drawing.path, "--prompt", PROMPT, "--seed", 8, "--steps", 2, "--json",
        "--output", tmp_path / "c",
    )  # fmt: skip
    about = json.loads(again.out)
    assert (about["prompt"], about["seed"]) == (PROMPT, 8)
    repeated = np.asarray(PIL.Image.open(about["image"])).astype(int)
    np.testing.assert_allclose(repeated, images[1].astype(int), atol=1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["generate", "{run}", "--prompt", " "], "--prompt is empty: expected a prompt"),
        (["generate", "{run}", "--prompt", "red " * 30], "--prompt has 30 tokens, and the model reads at most 19"),
        (["generate", "{run}", "--prompt", "a", "--guidance", "0"], "--guidance 0.0 is out of range: expected"),
        (["generate", "{run}", "--prompt", "a", "--guidance", "-1"], "--guidance -1.0 is out of range"),
        (["generate", "{run}", "--prompt", "a", "--guidance", "nan"], "--guidance"),
        (["generate", "{run}", "--prompt", "a", "--steps", "0"], "--steps"),
        (["generate", "{run}", "--prompt", "a", "--solver", "rk4"], "--solver"),
        (["generate", "{run}", "--prompt", "a", "--number", "0"], "--number"),
        (
            ["generate", "{run}", "--prompt", "a", "--temperature", "0.5"],
            "--temperature: an image model has no such option; leave it out",
        ),
        (["generate", "{run}", "--prompt", "a", "--next", "3"], "--next: an image model has no such option"),
        (["generate", "{text}", "--prompt", "a", "--output", "x"], "--output: a language model has no such option"),
        (["generate", "{text}", "--prompt", "a", "--steps", "3"], "--steps: a language model has no such option"),
        (["generate", "{translator}", "--prompt", "a"], "this verb needs a language model or an image model; use"),
        (["translate", "{run}"], "is an image model, but this verb needs a translation model; use regard generate"),
        (["score", "{run}"], "is an image model, but this verb needs a model that writes text; use regard generate"),
        (["align", "{run}", "--source", "a", "--target", "b"], "this verb needs a translation model"),
        (["evaluate", "{run}", "--beam-size", "2"], "--beam-size, --length-penalty: the evaluation of an image model"),
        (
            ["evaluate", "{run}", "--target-file", "x"],
            "--source-file, --target-file: an image model is evaluated on the data of its run; leave them out",
        ),
        (
            ["train", "task=text_to_image", "model.patch_size=7"],
            "model.image_size=24 is not a multiple of model.patch_size=7; change one of them",
        ),
        (["train", "task=text_to_image", "data=phrases"], "data has the columns source, target, this task reads image"),
        (["train", "task=text_to_image", "residual=pre_norm"], "use residual=ada_ln_zero"),
        (["train", "task=text_to_image", "task.scorer.guidance=0"], "task.scorer.guidance=0"),
        (["cost", "task=text_to_image"], "task=text_to_image: drawing images is not supported by this command"),
    ],
)
def test_what_does_not_apply_is_refused_by_name(
    regard: Regard, finished_drawing: RunFolder, finished_language: RunFolder, finished: RunFolder,
    words: list[str], message: str,
) -> None:  # fmt: skip
    places = {"run": finished_drawing.path, "text": finished_language.path, "translator": finished.path}
    said = regard(*(each.format(**places) for each in words), stdin="")
    assert said.code == 2
    assert message in said.err
    assert len(said.err.strip().splitlines()) == 1


def test_the_seed_after_the_largest_one_is_0(painter: TextToImage) -> None:
    assert painter.noise([2**64])[0].equal(painter.noise([0])[0])
    assert not painter.noise([2**64 - 1])[0].equal(painter.noise([0])[0])


def test_a_folder_that_cannot_be_written_is_refused(
    regard: Regard, finished_drawing: RunFolder, tmp_path: Path
) -> None:
    (tmp_path / "images").write_text("a file")
    said = regard("generate", finished_drawing.path, "--prompt", "a", "--output", tmp_path / "images")
    assert (said.code, f"--output {tmp_path / 'images' / 'sheet.png'}: cannot be written" in said.err) == (2, True)


def test_lines_of_stdin_are_named(regard: Regard, finished_drawing: RunFolder, tmp_path: Path) -> None:
    output = ["--output", tmp_path / "images"]
    blank = regard("generate", finished_drawing.path, *output, stdin=f"{PROMPT}\n\n")
    assert (blank.code, "stdin, line 2 is empty" in blank.err) == (2, True)
    nothing = regard("generate", finished_drawing.path, *output, stdin="")
    assert (nothing.code, "stdin is empty: expected a prompt per line" in nothing.err) == (2, True)
    assert not (tmp_path / "images").exists()


def test_a_run_is_evaluated_as_at_its_end(regard: Regard, finished_drawing: RunFolder, tmp_path: Path) -> None:
    said = regard("evaluate", finished_drawing.path, "--output", tmp_path / "test.png")
    assert said.code == 0, said.err
    found = dict(line.split("\t") for line in said.out.splitlines())
    expected = json.loads((finished_drawing.path / "summary.json").read_text())["metrics"]
    names = {name for name in expected if name.startswith("test/")}
    assert {"test/loss", "test/exact", "test/exact_pairs", "test/exact_tuples", "test/exact_shuffled"} < names
    assert {name: float(value) for name, value in found.items()} == pytest.approx(
        {name: expected[name] for name in names}, abs=1e-3
    )
    assert len(read_sheet(tmp_path / "test.png")) == 6


def test_neighbours_of_the_words_of_prompts(regard: Regard, finished_drawing: RunFolder) -> None:
    said = regard("neighbours", finished_drawing.path, "--word", "red", "--number", 2)
    assert (said.code, len(said.out.splitlines())) == (0, 3)


def test_a_validation_writes_a_contact_sheet(finished_drawing: RunFolder) -> None:
    sheets = sorted((finished_drawing.path / "samples").glob("*.png"))
    assert [sheet.name for sheet in sheets] == ["step-0000004.png", "step-0000006.png"]
    assert len(read_sheet(sheets[0])) == 4
