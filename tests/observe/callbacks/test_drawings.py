"""Drawings recorded during training: prompts, page, picture in Weights & Biases."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from regard.errors import UsageError
from regard.observe.draw.contact_sheet import read_sheet
from regard.runs.folder import RunFolder
from regard.runs.work import work

MakeRun = Callable[..., RunFolder]


@pytest.fixture(scope="module")
def drawn(make_drawing_run: MakeRun) -> RunFolder:
    options = ["logger=wandb", "logger.mode=offline", "callbacks.attention.texts=[a red house]"]
    run = make_drawing_run(*options, "callbacks.attention.prompts=2", "name=drawn")
    assert work(run.path) == 0
    return run


def read(page: Path) -> Any:
    found = re.search(r'id="data">(.*?)</script>', page.read_text(), re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_the_page_shows_given_prompts_and_then_those_of_the_contact_sheet(drawn: RunFolder) -> None:
    page = drawn.attention / "index.html"
    data = read(page)
    sheet = read_sheet(drawn.path / "samples" / "step-0000006.png")
    prompts = [drawing["prompt"] for drawing in data["drawings"]]
    assert prompts == ["a red house", *(each.caption for each in sheet[:2])]
    assert data["notes"] == ["given", "first", "first"]
    assert "<dt>step</dt><dd>6</dd>" in page.read_text()
    for drawing, captioned in zip(data["drawings"][1:], sheet, strict=False):
        image = Image.open(BytesIO(b64decode(drawing["image"].partition(",")[2])))
        difference = np.asarray(image).astype(int) - captioned.pixels
        assert abs(difference).max() <= 1, "the same noise and settings as in the validation"
        assert drawing["count"] == 2


def test_each_validation_logs_a_picture_of_each_drawing(drawn: RunFolder) -> None:
    pictures = list((drawn.path / "wandb").glob("offline-run-*/files/media/images/attention/drawings_*.png"))
    assert len(pictures) == 2 * 3


def test_without_prompts_nothing_is_drawn(make_drawing_run: MakeRun) -> None:
    run = make_drawing_run("callbacks.attention.prompts=0", "trainer.max_steps=1", "name=none")
    assert work(run.path) == 0
    assert not (run.attention / "index.html").exists()


def test_values_out_of_range_are_refused(make_drawing_run: MakeRun) -> None:
    with pytest.raises(UsageError, match=r"callbacks\.attention\.prompts=-1"):
        make_drawing_run("callbacks.attention.prompts=-1")
