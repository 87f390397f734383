"""`regard heads` with a model that draws: table, JSON, picture, and options that do not apply."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from regard.analysis.drawing_heads import sample_images
from regard.cli.models import load
from regard.inference.drawing.rectified_flow import mix
from regard.inference.drawing.text_to_image import TextToImage
from regard.model.recorder import Recorder
from regard.observe.measure.drawing_heads import TIMES
from regard.observe.record.noised import noised_maps
from regard.runs.folder import RunFolder

Regard = Callable[..., Any]


@pytest.fixture
def run(finished_drawing: RunFolder, tmp_path: Path) -> Path:
    return shutil.copytree(finished_drawing.path, tmp_path / "run")


def test_every_head_of_a_model_that_draws_is_measured(run: Path, regard: Regard) -> None:
    said = regard("heads", run, "--json")
    assert said.code == 0, said.err
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert [(row["map"], row["head"]) for row in rows] == [
        *((name, head) for name in ("encoder.0.self", "decoder.0.self") for head in (0, 1)),
        *(("decoder.0.cross", head) for head in (0, 1, "mean")),
        *(("decoder.mean.cross", head) for head in ("mean", "uniform")),
    ]
    assert {"entropy", "distance", "importance"} <= rows[2].keys()
    cross = rows[4]
    objects = {f"{name}_{kind}" for name in ("pointing", "overlap", "own") for kind in ("colour", "shape")}
    kinds = {f"reads_{kind}" for kind in ("number", "size", "colour", "shape", "relation", "end")}
    assert objects | kinds | {"entropy", "importance"} <= cross.keys()
    assert cross["times"].keys() == {f"{time:g}" for time in TIMES}
    assert objects | kinds <= cross["times"]["0.5"].keys()
    for row in rows[4:]:
        assert sum(value for name, value in row.items() if name.startswith("reads_")) == pytest.approx(1)
    assert "measured on 20 validation images with noise" in said.err
    with Image.open(run / "heads" / "heads.png") as picture:
        assert picture.size[1] > 400
    shown = regard("heads", run, "--sentences", 3, "--output", run / "other")
    assert "measuring 3 validation images at 5 times" in shown.err
    assert len(shown.out.splitlines()) == 2 + len(rows)
    assert (run / "other" / "heads.png").is_file()


def test_maps_are_those_of_true_images_with_the_noise_of_the_validation(finished_drawing: RunFolder) -> None:
    generator = load(finished_drawing.path, "cpu", False)
    assert isinstance(generator, TextToImage)
    sample = sample_images(finished_drawing, 3, print)
    (batch,) = sample.batches
    found = dict(noised_maps(generator, batch, [0.25, 1.0]))
    assert list(found) == batch.rows
    row, image = batch.rows[1], generator.model.normalise(batch.target[1:2])
    recorder = Recorder()
    with torch.inference_mode():
        noisy = mix(image, generator.noise([row]), torch.tensor([0.25]))
        generator.model(noisy, torch.tensor([0.25]), batch.source[1:2], recorder)
    length = len(found[row].pieces)
    expected = recorder.maps["decoder.0.cross"][0, ..., :length]
    np.testing.assert_allclose(found[row].cross[0, 0], expected, atol=1e-5)
    np.testing.assert_allclose(found[row].patches["decoder.0.self"][0], recorder.maps["decoder.0.self"][0], atol=1e-5)
    expected = recorder.maps["encoder.0.self"][0, :, :length, :length]
    np.testing.assert_allclose(found[row].prompt["encoder.0.self"], expected, atol=1e-5)
    assert {mention.kind for mention in sample.mentions[row]} == {"colour", "shape"}


def test_wrong_options_are_one_line(run: Path, regard: Regard, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("a\n")
    for arguments, message in (
        ([run, "--gold", text], "--gold: an image model has no such option; leave it out"),
        ([run, "--source-file", text], "--source-file: an image model has no such option"),
        ([run / "checkpoints/best.ckpt"], "an image model is measured on the images of its run; give a run folder"),
        ([run, "--wandb"], "its logger is not Weights & Biases"),
    ):
        said = regard("heads", *arguments, "--sentences", 1, "--output", tmp_path / "pictures")
        assert said.code == 2
        assert message in said.err.splitlines()[-1]
