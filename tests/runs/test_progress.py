"""Progress output, the final lines of a run, and the heartbeat."""

from __future__ import annotations

import io
import json
import subprocess
import time
from pathlib import Path
from unittest.mock import Mock

import pytest
from rich.console import Console

from regard.data.datamodule import CorpusData
from regard.data.example_text import example_text
from regard.data.prepare import progress
from regard.inference.captioner import Captioner
from regard.inference.translator import Translator
from regard.runs.folder import RunFolder
from regard.runs.progress import preparing
from regard.runs.status import heartbeat
from regard.runs.summary import show_summary
from regard.runs.work import commands_to_try


def shown(terminal: bool) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
    with preparing(console) as tell:
        tell("reading the train part", 4096, None)
        tell("encoding", 1000, 2000)
        if terminal:
            console.print("a line")  # above the bars
    return console.file.getvalue()


def test_a_terminal_has_a_bar_for_each_activity() -> None:
    text = shown(terminal=True)
    assert "reading the train part" in text
    assert "4,096" in text
    assert "1,000 of 2,000" in text


def test_a_log_has_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress.ProgressLines.__init__, "__defaults__", (0,))
    assert shown(terminal=False) == "reading the train part: 4,096\nencoding: 1,000 of 2,000\n"


@pytest.mark.parametrize("width", [20, 80])
def test_final_lines_can_be_copied_at_any_terminal_width(finished: RunFolder, width: int) -> None:
    summary = json.loads((finished.path / "summary.json").read_text())
    commands = Translator.try_next(str(finished.path), "'the red house'")
    for shown in (commands, []):
        console = Console(file=io.StringIO(), width=width)
        show_summary(finished, summary, shown, console)
        lines = console.file.getvalue().splitlines()
        assert f"checkpoint       {finished.checkpoints / 'best.ckpt'}" in lines
        command = f"try next         regard attend {finished.path} --source 'the red house'"
        assert (command in lines) == bool(shown)
        assert any(line.startswith("try next") for line in lines) == bool(shown)


def test_commands_to_try_have_short_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def example(folder: Path) -> str:
        (folder / "example.png").touch()
        return str(folder / "example.png")

    run = RunFolder(tmp_path / "runs" / "a run")
    run.path.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    generator = Mock(spec=Captioner, try_next=Captioner.try_next)
    commands = commands_to_try(generator, Mock(spec=CorpusData, example=example), run)
    assert "regard caption 'runs/a run' 'runs/a run/example.png'" in commands
    assert commands_to_try(generator, Mock(spec=CorpusData, example=lambda folder: ""), run) == []


def test_an_example_is_the_first_that_has_words() -> None:
    assert example_text(["", " \n", "the red house", "the boat"]) == "the red house"
    assert example_text(["", " "]) == ""


def test_heartbeat_is_independent_of_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "HEARTBEAT_SECONDS", 0.02)
    run = RunFolder.create(tmp_path / "run", {}, [])
    run.set_status("running", time="2000-01-01T00:00:00+00:00")
    assert run.status()["status"] == "lost"
    with heartbeat.Heartbeat(run) as beating:
        beating.step = 7
        deadline = time.monotonic() + 10
        while run.status().get("step") != 7:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert run.status()["status"] == "running"
    run.set_status("failed", why="what comes after the last beat stays")
    time.sleep(0.1)
    assert run.status()["status"] == "failed"


def test_a_run_whose_process_is_gone_is_lost_at_once(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "run", {}, [])
    process = subprocess.Popen(["sleep", "60"])
    run.set_status("running", pid=process.pid)
    assert run.status()["status"] == "running"
    process.kill()
    process.wait()
    assert run.status()["status"] == "lost"
    run.set_status("running", pid=process.pid, host="another machine")
    assert run.status()["status"] == "running", "nobody here can tell"
