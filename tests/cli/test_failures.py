"""Every error is one line and an exit code, and no finished work is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from regard.errors import RegardError, user_message
from regard.files import replacing
from regard.runs.folder import RunFolder

Regard = Callable[..., Any]


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a shell command that uses ``regard``, in an ASCII locale."""
    function = f'regard() {{ "{sys.executable}" -m regard.cli "$@"; }}\n'
    environment = os.environ | {"OMP_NUM_THREADS": "1", "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", function + command],
        capture_output=True, encoding="utf-8", cwd=folder, env=environment,
    )  # fmt: skip


def fail(*_: Any, **__: Any) -> Any:
    raise KeyError("the work was started")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (RegardError("a line\nand another"), "a line and another"),
        (PermissionError(13, "Permission denied", "runs/a"), "runs/a: Permission denied"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (MemoryError(), "out of memory: give less text at a time, or choose another device"),
        (
            RuntimeError("CUDA out of memory. Tried"),
            "out of memory: give less text at a time, or choose another device",
        ),
        (OverflowError("too large"), "OverflowError: too large (unexpected; REGARD_DEBUG=1 shows the traceback)"),
        (RecursionError(), "RecursionError: RecursionError (unexpected; REGARD_DEBUG=1 shows the traceback)"),
    ],
)
def test_any_error_is_one_line(error: BaseException, line: str) -> None:
    assert user_message(error) == line


def test_an_unexpected_error_is_one_line_and_with_debug_a_traceback(
    regard: Regard, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("regard.launch.jobs_table.list_runs", fail)
    found = regard("jobs", tmp_path)
    assert (found.code, found.out) == (1, "")
    assert found.err == "regard: KeyError: 'the work was started' (unexpected; REGARD_DEBUG=1 shows the traceback)\n"
    monkeypatch.setenv("REGARD_DEBUG", "1")
    assert "Traceback" in regard("jobs", tmp_path).err


@pytest.mark.parametrize(
    ("device", "gpus", "words"),
    [
        ("nonsense", 0, "--device nonsense: unknown device; expected cpu, cuda, cuda:1"),
        ("cuda:", 1, "--device cuda:: unknown device"),
        ("cpu:0", 0, "--device cpu:0: unknown device"),
        ("cuda", 0, "--device cuda: torch finds no such device on this machine; use --device cpu"),
        ("cuda:2", 2, "--device cuda:2 does not exist: expected at most cuda:1, counted from 0"),
    ],
)
@pytest.mark.parametrize("verb", ["translate", "evaluate"])
def test_a_missing_device_is_reported_before_the_work(
    regard: Regard, monkeypatch: pytest.MonkeyPatch, verb: str, device: str, gpus: int, words: str
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
    found = regard(verb, "no-such-run", "--device", device)
    assert (found.code, found.err.count("\n")) == (2, 1)
    assert words in found.err


@pytest.mark.parametrize("where", ["folder", "file/x.png", "x" * 300 + ".png", "/proc/no/x.png"])
@pytest.mark.parametrize(
    "verb",
    [
        ["translate"],
        ["evaluate"],
        ["attend", "--source", "the red house"],
        ["neighbours", "--word", "the"],
        ["heads", "--sentences", "1"],
        ["compare"],
        ["compare", "--csv"],
    ],
    ids=" ".join,
)
def test_an_output_that_cannot_be_written_is_refused_before_the_work(
    regard: Regard, monkeypatch: pytest.MonkeyPatch, finished: RunFolder, tmp_path: Path, verb: list[str], where: str
) -> None:
    # Import all modules before the first is patched: a module imported later would bind the patched function.
    patched = [
        ("training.checkpoint", "load_model"),
        ("runs.evaluate", "evaluate_split"),
        ("compare.run", "read_run"),
    ]
    modules = [import_module(f"regard.{module}") for module, _ in patched]
    for module, (_, work) in zip(modules, patched, strict=True):
        monkeypatch.setattr(module, work, fail)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    name, *options = verb
    if name == "attend":
        where = where.replace(".png", ".html")
    if name == "neighbours" and where == "folder":
        (tmp_path / "folder").rename(where := "folder.png")
    if name == "heads" and where == "folder":
        where = "file"  # the output of heads is a folder
    output = options if options == ["--csv"] else [*options, "--output"]
    found = regard(name, finished.path, *output, where)
    assert (found.code, found.out) == (2, ""), found.err
    assert found.err.count("\n") == 1
    assert f"{output[-1]} {where}" in found.err


def test_a_writable_output_is_unchanged_until_the_work_is_done(
    regard: Regard, monkeypatch: pytest.MonkeyPatch, finished: RunFolder, tmp_path: Path
) -> None:
    monkeypatch.setattr("regard.training.checkpoint.load_model", fail)
    (tmp_path / "page.html").write_text("before")
    for output in (tmp_path / "page.html", tmp_path / "new/page.html"):
        assert "the work was started" in regard("attend", finished.path, "--source", "the", "--output", output).err
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    assert (tmp_path / "page.html").read_text() == "before"


def test_two_outputs_must_be_different_files(regard: Regard, finished: RunFolder, tmp_path: Path) -> None:
    same = tmp_path / "same"
    assert (
        f"--csv {same}: the page is written to this file"
        in regard("compare", finished.path, "--output", same, "--csv", same).err
    )
    picture = regard("attend", finished.path, "--source", "the", "--output", tmp_path / "x.png")
    assert (picture.code, "a PNG is written" in picture.err) == (2, True)
    assert not list(tmp_path.iterdir())


def test_a_cache_that_cannot_be_written_is_refused_before_a_run_is_frozen(
    regard: Regard, arguments: list[str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    said = regard("train", *arguments, f"paths.runs={tmp_path / 'runs'}", f"paths.cache={tmp_path / 'file/cache'}")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert f"paths.cache={tmp_path / 'file/cache'}: cannot be written" in said.err
    assert not (tmp_path / "runs").exists()


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with replacing(tmp_path / "pipe") as path:
        path.write_text("page")
    assert os.read(reader, 10) == b"page"
    os.close(reader)
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with replacing(tmp_path / "link") as path:
        path.write_text("page")
    assert (tmp_path / "file").read_text() == "page"
    assert (tmp_path / "link").is_symlink()


def test_a_write_error_names_the_file_and_not_the_temporary_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as raised, replacing(tmp_path / "no/file") as beside:
        beside.write_text("")
    assert raised.value.filename == str(tmp_path / "no/file")


def test_closed_full_and_unread_streams(finished: RunFolder, tmp_path: Path) -> None:
    run, long = finished.path, "a" * 300
    script = f"""
    regard translate {run} <&-; echo $? >> codes
    regard translate {long} < /dev/null; echo $? >> codes
    regard jobs {run} > /dev/full; echo $? >> codes
    regard jobs {run} >&-; echo $? >> codes
    regard jobs {tmp_path}/none 2>&-; echo $? >> codes
    regard train --info | head -n 1
    """
    found = shell(script, tmp_path)
    lines = found.stderr.splitlines()
    assert "Traceback" not in found.stderr
    assert "stdin is closed: expected lines of text" in lines[0]
    assert lines[1] == f"regard: {long}: File name too long"
    assert "stdout or a file cannot be written (No space left on device)" in lines[2]
    assert len(lines) == 3
    assert (tmp_path / "codes").read_text().split() == ["2", "1", "1", "0", "2"]


def test_output_is_utf8_in_any_locale(finished: RunFolder, tmp_path: Path) -> None:
    found = shell(f"regard neighbours {finished.path} --word the --number 20", tmp_path)
    assert found.returncode == 0, found.stderr
    assert "▁" in found.stdout
