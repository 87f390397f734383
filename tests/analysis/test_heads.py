"""`regard heads`: the table, the images, and the log in the W&B run."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import wandb
from PIL import Image

from regard.analysis import sample
from regard.observe.measure.heads import MEASURES
from regard.observe.wandb.offline_file import records
from regard.runs.folder import RunFolder

Regard = Callable[..., Any]


@pytest.fixture
def run(finished: RunFolder, tmp_path: Path) -> Path:
    """A copy of a finished run of a translator."""
    return shutil.copytree(finished.path, tmp_path / "run")


@pytest.fixture
def language_run(finished_language: RunFolder, tmp_path: Path) -> Path:
    return shutil.copytree(finished_language.path, tmp_path / "language")


def rows(said: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.out.splitlines()]


def test_every_head_of_a_translator_is_measured(run: Path, regard: Regard) -> None:
    said = regard("heads", run, "--json")
    assert said.code == 0
    found = rows(said)
    assert [(row["map"], row["head"]) for row in found] == [
        (name, head) for name in ("encoder.0.self", "decoder.0.self", "decoder.0.cross") for head in (0, 1, "uniform")
    ]
    by_head = {(row["map"], row["head"]): row for row in found}
    assert by_head["encoder.0.self", 0].keys() - {"map", "head"} >= MEASURES.keys() - {"rare"} | {"importance"}
    cross = by_head["decoder.0.cross", 1]
    assert {"agreement", "importance"} <= cross.keys()
    assert "induction" not in cross
    assert not {"agreement", "next", "last"} & by_head["decoder.0.self", 0].keys()
    assert "agreement: with occlusion" in said.err
    assert "measured on 10 validation pairs; loss " in said.err
    for name in ("heads", "curves"):
        assert f"{run}/heads/{name}.png" in said.err
        with Image.open(run / "heads" / f"{name}.png") as picture:
            assert picture.size[1] > 200
    shown = regard("heads", run, "--sentences", 3, "--output", run / "other")
    assert len(shown.out.splitlines()) == 10
    assert shown.out.startswith("map ")
    assert "measured on 3 validation pairs" in shown.err
    assert (run / "other" / "heads.png").is_file()
    assert f"{cross['importance']:.4f}" in regard("heads", run).out


def test_blocks_of_a_language_model_are_measured(language_run: Path, regard: Regard, tmp_path: Path) -> None:
    said = regard("heads", language_run, "--json", "--sentences", 4)
    assert [(row["map"], row["head"]) for row in rows(said)] == [("decoder.0.self", head) for head in (0, 1, "uniform")]
    assert {"induction", "importance", "punctuation"} <= rows(said)[0].keys()
    assert "measured on 4 blocks of the validation part" in said.err
    assert "agreement" not in said.out + said.err
    text = tmp_path / "own.txt"
    text.write_text("the house is red\n" * 5)
    alone = regard("heads", language_run / "checkpoints/best.ckpt", "--target-file", text, "--output", tmp_path / "x")
    assert alone.code == 0
    assert f"measured on 3 blocks of {text}" in alone.err
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["heads.png"], "a checkpoint has no curves"


def test_a_default_sample_is_bounded_by_tokens_and_work_is_announced(
    run: Path, language_run: Path, regard: Regard, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = regard("heads", run, "--json")
    assert "instead of" not in whole.err
    announced = next(line for line in whole.err.splitlines() if "without each head" in line)
    total = int(re.search(r"\((\d+) target tokens\) in 7 passes", announced)[1])
    assert whole.err.index("removing each source word of 10") < whole.err.index(announced)
    monkeypatch.setattr(sample, "TOKENS", total // 2)
    said = regard("heads", run, "--json")
    taken, tokens = map(int, re.search(r"measuring (\d+) validation pairs \((\d+) target tokens", said.err).groups())
    assert 1 < taken < 10
    assert tokens <= total // 2
    assert f"using {taken} validation pairs instead of 10, at most {total // 2} target tokens" in said.err
    assert f"measuring 10 validation pairs ({total} " in regard("heads", run, "--sentences", 10).err, "as requested"
    monkeypatch.setattr(sample, "TOKENS", 70)
    assert "measuring 2 blocks of the validation part (" in regard("heads", language_run).err
    monkeypatch.setattr(sample, "TOKENS", 1)
    assert "measuring 1 validation pairs" in regard("heads", run).err


def test_files_and_gold_links(run: Path, regard: Regard, tmp_path: Path) -> None:
    source, target, gold = (tmp_path / name for name in ("a.en", "a.de", "gold"))
    source.write_text("the house is red\nthe boat\n")
    target.write_text("das Haus ist rot\ndas Boot\n")
    # All links are correct, then none is.
    for links, expected in (("?", 1.0), ("", 0.0)):
        lines = [" ".join(f"{s}{links}{t}" for s in range(n) for t in range(n)) for n in (4, 2)] if links else ["", ""]
        gold.write_text("".join(f"{line}\n" for line in lines))
        said = regard("heads", run, "--source-file", source, "--target-file", target, "--gold", gold, "--json")
        assert f"agreement: with {gold}" in said.err
        assert [row["agreement"] for row in rows(said) if "agreement" in row] == [expected, expected]


def test_wrong_options_are_one_line(run: Path, language_run: Path, regard: Regard, tmp_path: Path) -> None:
    checkpoint, text = run / "checkpoints/best.ckpt", tmp_path / "text"
    text.write_text("a\n")
    for arguments, message in (
        ([checkpoint], "translation model: give --source-file and --target-file"),
        ([language_run, "--source-file", text, "--target-file", text], "language model: give --target-file alone"),
        ([language_run, "--gold", text], "--gold: a language model has no alignments"),
        ([checkpoint, "--wandb"], "--wandb: a checkpoint has no W&B run"),
        ([run, "--wandb"], "its logger is not Weights & Biases"),
        ([tmp_path / "none"], "no such run folder"),
    ):
        said = regard("heads", *arguments)
        assert said.code == 2
        assert message in said.err.splitlines()[-1]


def test_nothing_is_logged_to_a_running_run(run: Path, regard: Regard) -> None:
    RunFolder(run).set_status("running")
    said = regard("heads", run, "--wandb")
    assert said.code == 2
    assert "is running, and so is its W&B run" in said.err
    assert said.out == ""


def test_table_and_images_are_logged_to_the_wandb_run(watched: RunFolder, tmp_path: Path, regard: Regard) -> None:
    run = RunFolder(shutil.copytree(watched.path, tmp_path / "run"))
    before = {path.name for path in (run.path / "wandb").glob("offline-run-*")}
    said = regard("heads", run.path, "--wandb")
    assert said.code == 0, said.err
    (new,) = (path for path in (run.path / "wandb").glob("offline-run-*") if path.name not in before)
    identity = (run.path / "wandb/run-id").read_text().strip()
    assert new.name.endswith(identity)
    wandb.teardown()  # W&B's other process may still be writing the file
    (file,) = new.glob("*.wandb")
    found = list(records(file))
    assert next(record.run.run_id for record in found if record.HasField("run")) == identity
    logged = [
        {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
        for record in found
        if record.HasField("history")
    ]
    names = {name for row in logged for name in row}
    assert {"heads/heads/path", "heads/curves/path", "heads/artifact_path"} <= names
    assert {row["trainer/global_step"] for row in logged} == {6}, "an online run would restart from another step"
    (table,) = new.glob("files/media/table/heads_*.table.json")
    content = json.loads(table.read_text(encoding="utf-8"))
    assert content["columns"][:3] == ["map", "head", "entropy"]
    assert [row[:2] for row in content["data"][:3]] == [["encoder.0.self", h] for h in ("0", "1", "uniform")]
    assert len(list(new.glob("files/media/images/heads/*.png"))) == 2
    # Metrics are not logged again.
    assert not [name for name in names if name.startswith(("train/", "validation/"))]
