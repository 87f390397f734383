"""What is seen of a long preparation."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from regard.data import progress
from regard.runs.folder import RunFolder
from regard.runs.progress import preparing


def shown(tmp_path: Path, terminal: bool) -> tuple[str, RunFolder]:
    run = RunFolder.create(tmp_path, {}, [])
    run.set_status("running", time="long ago")
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
    with preparing(run, console) as tell:
        tell("reading the train part", 4096, None)
        tell("encoding", 1000, 2000)
        if terminal:
            console.print("a line")  # over the bars
    return console.file.getvalue(), run


def test_a_terminal_has_a_bar_for_each_activity_and_the_run_is_alive(tmp_path: Path) -> None:
    text, run = shown(tmp_path, terminal=True)
    assert "reading the train part" in text
    assert "4,096" in text
    assert "1,000 of 2,000" in text
    assert run.status()["time"] != "long ago"


def test_a_log_has_lines(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(progress.Lines.__init__, "__defaults__", (0,))
    text, run = shown(tmp_path, terminal=False)
    assert text == "reading the train part: 4,096\nencoding: 1,000 of 2,000\n"
    assert run.status()["time"] != "long ago"
