"""`regard attend` with a model that draws: page, picture, and options that do not apply."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from regard.runs.folder import RunFolder

Regard = Callable[..., Any]
PROMPT = "a small red circle"


def test_a_prompt_is_drawn_and_shown(regard: Regard, finished_drawing: RunFolder, tmp_path: Path) -> None:
    page = tmp_path / "new" / "page.html"
    options = ["--prompt", PROMPT, "--seed", 3, "--steps", 2, "--guidance", 1.5, "--solver", "heun"]
    said = regard("attend", finished_drawing.path, *options, "--output", page)
    assert said.code == 0, said.err
    assert said.out.splitlines() == [f"page\t{page}", f"picture\t{page.with_suffix('.png')}"]
    text = page.read_text()
    for fact in (PROMPT, "<dt>seed</dt><dd>3</dd>", "<dt>guidance</dt><dd>1.5</dd>", "<dt>solver</dt><dd>heun</dd>"):
        assert fact in text
    with Image.open(page.with_suffix(".png")) as picture:
        assert picture.size[1] > 300
    again = regard("attend", finished_drawing.path, *options, "--output", tmp_path / "again.html", "--megabytes", 0)
    assert "left out of the page because of --megabytes 0: the attention between patches, 1 of 2 steps" in again.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "--prompt is empty or missing: an image model needs a prompt"),
        (["--prompt", " "], "--prompt is empty or missing"),
        (["--prompt", "a red " * 20], "--prompt has 40 tokens, and the model reads at most 19; shorten it"),
        (["--prompt", PROMPT, "--steps", 0], "Invalid value for '--steps'"),
        (["--prompt", PROMPT, "--guidance", 0], "--guidance 0.0 is out of range: expected a number > 0"),
        (["--prompt", PROMPT, "--guidance", -1], "--guidance -1.0 is out of range"),
        (["--prompt", PROMPT, "--guidance", "nan"], "is not a finite number"),
        (["--prompt", PROMPT, "--source", "x"], "--source: an image model has no source; give only --prompt"),
        (["--prompt", PROMPT, "--image", "x.png"], "--image: an image model has no image; give only --prompt"),
        (["--prompt", PROMPT, "--target", "x"], "--target: an image model has no such option; leave it out"),
        (["--prompt", PROMPT, "--beam-size", 2], "--beam-size: an image model has no such option"),
    ],
)
def test_unusable_options_are_one_line(
    regard: Regard, finished_drawing: RunFolder, tmp_path: Path, options: list[Any], message: str
) -> None:
    said = regard("attend", finished_drawing.path, *options, "--output", tmp_path / "page.html")
    assert said.code == 2
    assert said.err.count("\n") == 1
    assert message in said.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("option", [["--steps", 3], ["--guidance", 2], ["--solver", "euler"], ["--seed", 0]])
def test_options_of_drawing_are_refused_for_text(regard: Regard, finished: RunFolder, option: list[Any]) -> None:
    said = regard("attend", finished.path, "--source", "the red house", *option)
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert f"{option[0]}: a translation model has no such option; leave it out" in said.err
    prompted = regard("attend", finished.path, "--source", "the red house", "--prompt", "x")
    assert "--prompt: a translation model has no prompt; give only --source" in prompted.err
