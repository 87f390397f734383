"""The command line, in a separate process where its streams or its imports are tested."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from regard.runs.folder import RunFolder

Regard = Callable[..., Any]


def test_help_imports_neither_torch_nor_hydra() -> None:
    code = (
        "import sys; sys.argv = ['regard', '--help']\n"
        "from regard.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "sys.exit(bool({'torch', 'hydra', 'pytorch_lightning', 'wandb', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_translate_keeps_order_and_empty_lines(finished: RunFolder, tmp_path: Path, regard: Regard) -> None:
    lines = ["the red house", "", "the blue boat is very, very white", "   ", "the book", "the red house"]
    command = [sys.executable, "-m", "regard.cli", "translate", finished.path, "--beam-size", "2"]
    found = subprocess.run(command, input="\n".join(lines), capture_output=True, encoding="utf-8")
    assert found.returncode == 0, found.stderr
    out = found.stdout.split("\n")
    assert out[-1] == ""
    assert len(out) == len(lines) + 1
    assert out[1] == out[3] == ""
    assert out[0] == out[5] != out[2]
    best, output = finished.checkpoints / "best.ckpt", tmp_path / "new" / "out"
    alone = regard("translate", best, "--beam-size", "2", "--output", output, stdin=lines[2])
    assert alone.code == 0, alone.err
    assert output.read_text() == out[2] + "\n", "the same alone and in a batch, from the checkpoint and from the run"


def test_translate_names_a_line_that_is_not_utf8_or_too_long(finished: RunFolder, regard: Regard) -> None:
    bad = regard("translate", finished.path, stdin=io.TextIOWrapper(io.BytesIO(b"the red house\n\xff\xfe\n")))
    assert bad.code == 1
    assert "stdin, line 2: not UTF-8" in bad.err
    long = regard("translate", finished.path, stdin="the\n" + "the house " * 400)
    assert long.code == 0
    assert "line 2 is longer than the limit of the model (32 tokens)" in long.err


def test_evaluate_prints_the_metrics_of_the_run(finished: RunFolder, tmp_path: Path, regard: Regard) -> None:
    import json

    output = tmp_path / "new" / "outputs.txt"
    found = regard("evaluate", finished.path, "--split", "test", "--output", output)
    assert found.code == 0, found.err
    shown = dict(line.split("\t") for line in found.out.splitlines())
    metrics = json.loads((finished.path / "summary.json").read_text())["metrics"]
    assert float(shown["test/loss"]) == pytest.approx(metrics["test/loss"], abs=1e-3)
    assert float(shown["test/bleu"]) == pytest.approx(metrics["test/bleu"], abs=1e-3)
    assert "tok:13a" in shown["bleu signature"]
    assert len(output.read_text().splitlines()) == 10
    validation = regard("evaluate", finished.path, "--split", "validation", "--beam-size", "1")
    assert "validation/bleu" in validation.out
    assert regard("evaluate", finished.path, "--split", "tset").code == 2


def test_evaluate_prints_only_scores_to_stdout(
    finished: RunFolder, tmp_path: Path, regard_warm: Regard, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(finished.path, tmp_path / "run")
    config = finished.config()
    config["batches"]["cache"] = str(tmp_path / "cache")  # so that the text is prepared again
    (tmp_path / "run/config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/srun").touch(mode=0o755)  # Lightning advises to use srun if it is installed
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    found = regard_warm("evaluate", tmp_path / "run", "--split", "validation")
    assert found.code == 0, found.err
    names = [line.partition("\t")[0] for line in found.out.splitlines()]
    assert all(name.startswith("validation/") or name.endswith(" signature") for name in names), names
    assert "encoding" in found.err
    assert "srun" not in found.err


def test_attend_writes_page_and_picture(finished: RunFolder, tmp_path: Path, regard: Regard) -> None:
    page = tmp_path / "maps" / "page.html"
    source = 'the "red" house, ünlike <b>'
    found = regard("attend", finished.path, "--source", source, "--target", "das rote Haus", "--output", page)
    assert found.code == 0, found.err
    assert "das rote Haus" in found.out
    assert "decoder.0.cross" in page.read_text()
    assert page.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert regard("attend", finished.path, "--source", "  ").code == 2


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["translate", "no-such-run"], 2, "no-such-run"),
        (["translate", "."], 2, "not a run folder"),
        (["attend", __file__, "--source", "x"], 1, "not a checkpoint; expected a file that regard wrote"),
        (["resume", "."], 2, "no run folder in it"),
        (["evaluate", __file__], 2, "not a run folder"),
        (["trian"], 2, "trian"),
        (["train", "trainer.max_stpes=1"], 2, "trainer.max_steps"),
        (["translate", "x", "--beam-size", "0"], 2, "beam-size"),
    ],
)
def test_wrong_usage_is_one_line_and_an_exit_code(
    arguments: list[str],
    code: int,
    words: str,
    tmp_path: Path,
    regard: Regard,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    found = regard(*arguments)
    assert found.code == code, found.err
    assert words in found.err
    assert "Traceback" not in found.err
    assert list(tmp_path.iterdir()) == []


def test_train_from_command_to_table(arguments: list[str], tmp_path: Path, regard_warm: Regard) -> None:
    found = regard_warm("train", *arguments, f"paths.runs={tmp_path / 'runs'}")
    assert found.code == 0, found.err
    (run,) = (tmp_path / "runs/default").iterdir()
    for words in ("test/bleu", "test/exact", f"{run.name}/attention/index.html", "regard translate"):
        assert words in found.err.replace("\n", ""), found.err


def test_a_sweep_runs_each_point_and_survives_a_failing_one(
    arguments: list[str], tmp_path: Path, regard_warm: Regard
) -> None:
    found = regard_warm("train", "-m", *arguments, "trainer=debug", "optimizer.lr=1e-3,1e300", f"paths.runs={tmp_path}")
    assert found.code == 1
    shown = dict(line.split("\t") for line in found.out.splitlines())
    assert sorted(shown.values()) == ["failed", "finished"], found.err
