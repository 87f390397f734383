"""The table of `regard jobs` at any width, and damaged run folders in all verbs."""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from regard.launch.jobs import inspect_run, list_runs
from regard.launch.jobs_table import show, table
from regard.runs.folder import RunFolder
from regard.runs.table import Column, format_table, table_width
from regard.training.callbacks.metrics_file import latest_values

CopyRun = Callable[..., RunFolder]
Regard = Callable[..., Any]

COLUMNS = (Column("state"), Column("step", right=True), Column("run", least=8, keeps_end=True), Column("why", least=6))
ROWS = [("finished", "2200/2200", "sweep/0123456789", "because of this"), ("lost", "1/2200", "數據", "")]


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (None, "finished  2200/2200  sweep/0123456789  because of this"),
        (60, "finished  2200/2200  sweep/0123456789  because of this"),
        (50, "finished  2200/2200  …ep/0123456789  because of t…"),
        (33, "finished  2200/2200  …/0123456789"),
        (25, "finished  2200/2200  …789"),
        (20, "finished  2200/2200"),
    ],
)
def test_a_table_fits_into_the_terminal(width: int | None, line: str) -> None:
    lines = format_table(COLUMNS, ROWS, width, "look there").plain.splitlines()
    assert [*lines[3:]] == (
        [] if width in (None, 60, 50) else [f"no room for {'run, ' * (width == 20)}why: look there"]
    )
    del lines[3:]
    assert all(cell_len(each) <= (width or 1000) for each in lines)
    assert lines[1] == line
    assert lines[0].split() == ["state", "step", "run", "why"][: len(line.split("  "))]


def test_output_that_is_not_a_terminal_is_not_cut() -> None:
    assert table_width(Console(file=io.StringIO(), width=20)) is None
    assert table_width(Console(file=io.StringIO(), width=20, force_terminal=True)) == 20
    assert table_width(Console(file=io.StringIO(), width=20, force_terminal=True), wide=True) is None


@pytest.fixture
def runs(tmp_path: Path, copy_run: CopyRun) -> Path:
    """Four runs with long overrides; the last one failed."""
    for seed in range(4):
        settings = {"seed": seed, "name": "n" * 150}
        failed = {"status": "failed", "why": "the disk\nis full"} if seed == 3 else {"status": "finished"}
        copy_run(tmp_path / f"runs/n/{seed}", settings, attempt=1, step=6, **failed)
    return tmp_path / "runs"


@pytest.mark.parametrize("width", [20, 40, 80, 240])
def test_each_run_is_one_line_that_starts_with_state_and_step(runs: Path, width: int) -> None:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    show([runs], False, False, False, console)
    lines = console.file.getvalue().splitlines()
    assert len(lines) == 1 + 4 + (width < 240) + 1, "one line per run, and one that names the omitted columns"
    assert all(cell_len(line) <= width for line in lines[:5])
    assert ("add --wide" in lines[5]) == (width < 240)
    assert lines[0].split()[:3] == ["state", "step", "run"]
    assert [line.split()[:2] for line in lines[1:5]] == [["finished", "6/6"]] * 3 + [["failed", "6/6"]]
    if width >= 80:
        assert "seed=3" in lines[4]
        assert "the disk is full" in lines[4]


def test_wide_shows_all_columns(runs: Path, regard: Regard) -> None:
    infos = [inspect_run(RunFolder(runs / f"n/{number}"), None) for number in (0, 1)]
    assert "seed=0" in table(infos, 80).plain
    piped, wide = regard("jobs", runs), regard("jobs", runs, "--wide")
    assert piped.out == wide.out
    assert "tries" in wide.out.splitlines()[0]


def test_a_section_of_a_configuration_equals_that_of_the_whole(finished: RunFolder, tmp_path: Path) -> None:
    assert finished.section("trainer") == finished.config()["trainer"]
    run = RunFolder.create(tmp_path / "run", {"a": {"x": 1}, "b": {"y": {"x": 1}}, "c": None}, [])
    assert run.section("b") == {"y": {"x": 1}}
    assert run.section("c") == {}
    shared = {"x": 1}
    run = RunFolder.create(tmp_path / "other", {"a": shared, "b": {"y": shared}}, [])
    assert "*" in (run.path / "config.yaml").read_text(), "one section refers to another"
    assert run.section("b") == {"y": {"x": 1}}


def test_latest_values_are_the_last_of_each_column(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    assert latest_values(path, ("step",)) == {}
    path.write_text("step,a,b\n1,1.5,2\n2,,nonsense\n3,,\n4,9")
    assert latest_values(path, ("step", "a", "b", "c")) == {"step": 3, "a": 1.5, "b": 2}


DAMAGES = {
    "half": ("status.json", "{"),
    "empty": ("status.json", ""),
    "a list": ("status.json", "[]"),
    "no status": ("status.json", '{"attempt": 1}'),
    "not UTF-8": ("status.json", b"\xff\xfe"),
    "no config": ("config.yaml", ""),
    "config": ("config.yaml", "trainer: [1"),
    "no trainer": ("config.yaml", "seed: 1\n"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_folder_is_reported_and_the_others_are_listed(runs: Path, regard: Regard, damage: str) -> None:
    name, content = DAMAGES[damage]
    path = runs / "n/1" / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    for verb in (["jobs"], ["jobs", "--json"], ["compare", "--output", runs.parent / "page.html"]):
        result = regard(*verb[:1], runs, *verb[1:])
        if verb[0] == "compare" and damage == "no trainer":
            continue  # compare does not read it
        assert result.code == 0, result.err
        assert result.err.count("\n") == 1
        assert str(path) in result.err
        if "--json" in verb:
            states = [json.loads(line)["state"] for line in result.out.splitlines()]
            assert states == ["finished", "finished", "failed"]
        else:
            assert "2 finished" in result.out
            assert "1 failed" in result.out


@pytest.mark.parametrize("verb", ["resume", "retry", "cancel"])
def test_resume_retry_and_cancel_skip_a_damaged_folder(runs: Path, regard: Regard, verb: str) -> None:
    (runs / "n/1/status.json").write_text("{")
    for number in (0, 2, 3):
        RunFolder(runs / f"n/{number}").set_status("finished")
    sweep = regard(verb, runs)
    assert (sweep.code, sweep.err.count("\n")) == (1, 1)
    assert f"{runs / 'n/1/status.json'}: damaged" in sweep.err
    alone = regard(verb, runs / "n/1")
    assert (alone.code, alone.err.count("\n")) == (1, 1)


def test_logs_of_a_damaged_folder_is_a_one_line_error(runs: Path, regard: Regard) -> None:
    (runs / "n/1/status.json").write_text("{")
    (runs / "n/1/log.txt").unlink()
    result = regard("logs", runs / "n/1")
    assert (result.code, result.err.count("\n")) == (1, 1)


def test_a_folder_without_read_permission_is_reported(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Path.iterdir

    def iterdir(path: Path) -> Any:  # simulated, since root can read every folder
        if path.name == "secret":
            raise PermissionError(13, os.strerror(13), str(path))
        return original(path)

    (runs / "secret").mkdir()
    monkeypatch.setattr(Path, "iterdir", iterdir)
    found = list_runs([runs])
    assert len(found.infos) == 4
    assert found.problems == [f"{runs / 'secret'}: cannot be read (Permission denied); left out"]


def test_a_status_without_a_valid_time_is_listed(runs: Path, regard: Regard) -> None:
    (runs / "n/1/status.json").write_text('{"status": "running", "time": "yesterday"}')
    result = regard("jobs", runs, "--json")
    assert result.err == ""
    assert [json.loads(line)["state"] for line in result.out.splitlines()].count("running") == 1


def test_a_thousand_runs_are_listed_within_two_seconds(finished: RunFolder, tmp_path: Path) -> None:
    files = {name: (finished.path / name).read_bytes() for name in ("config.yaml", "status.json", "overrides.yaml")}
    header, *rows = (finished.path / "metrics.csv").read_text().splitlines()
    files["metrics.csv"] = "\n".join([header, *rows * 300, ""]).encode()
    for number in range(1000):
        folder = tmp_path / f"n/{number}"
        folder.mkdir(parents=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
    for _ in range(3):  # other processes may slow down this machine
        began = time.process_time()
        shown = table(list_runs([tmp_path]).infos, 120)
        seconds = time.process_time() - began
        if seconds < 1.5:
            break
    assert shown.plain.count("finished") == 1000 + 1
    assert seconds < 1.5, "the remaining half second is the start of Python"
