"""SLURM that does not respond: squeue fails, as it does while the controller is busy or down."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regard.errors import RegardError
from regard.launch.cancel import cancel
from regard.launch.resume import resume, retry
from regard.runs.folder import RunFolder

MakeRun = Callable[..., RunFolder]
ANSWER = "#!/bin/sh\necho 'slurm_load_jobs error: Unable to contact slurm controller' >&2\nexit 1\n"


@pytest.fixture
def silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of commands, first in the PATH: squeue fails, the others create a file when they are called."""
    for name in ("squeue", "sbatch", "scancel"):
        (tmp_path / name).write_text(ANSWER if name == "squeue" else f"#!/bin/sh\ntouch {tmp_path}/called-{name}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


@pytest.fixture
def pending(make_run: MakeRun) -> RunFolder:
    """A run with a pending job."""
    run = make_run("name=pending")
    run.set_job("17")
    return run


def test_resume_retry_and_cancel_fail_without_any_effect(silent: Path, pending: RunFolder) -> None:
    for verb in (
        lambda: retry([pending], ["failed", "lost"], []),
        lambda: resume([pending], []),
        lambda: resume([pending, pending], []),
        lambda: cancel([pending]),
    ):
        with pytest.raises(RegardError, match=r"SLURM does not respond, so the state.*Unable to contact"):
            verb()
    assert not [*silent.glob("called-*")], "nothing was submitted or cancelled"
    assert pending.status()["status"] == "submitted"
    assert pending.job() == "17"
    assert pending.cancelled() is None


def test_the_table_shows_the_status_of_the_run_folders(
    silent: Path, pending: RunFolder, regard: Callable[..., Any]
) -> None:
    for option in ((), ("--json",)):
        result = regard("jobs", pending.path, *option)
        assert result.code == 0
        assert "submitted" in result.out
        assert "lost" not in result.out
        assert result.err.count("\n") == 1
        assert "regard: SLURM does not respond" in result.err


def test_watch_continues_until_slurm_responds_that_the_job_is_gone(
    silent: Path, pending: RunFolder, start: Callable[..., subprocess.Popen[str]]
) -> None:
    process = start("regard.cli", "jobs", str(pending.path), "--watch")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=8)
    (silent / "squeue").write_text("#!/bin/sh\n")
    out, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "lost" in out
    assert errors.count("SLURM does not respond") == 1, "reported once, not at every update"


def test_runs_without_a_job_do_not_query_slurm(silent: Path, make_run: MakeRun, regard: Callable[..., Any]) -> None:
    """The commands of SLURM may be installed on a machine without a cluster."""
    run = make_run("name=no_job")
    result = regard("jobs", run.path)
    assert (result.code, result.err) == (0, "")
    assert cancel([run]) == [run]
    assert run.status()["status"] == "cancelled"
    assert retry([run], ["failed"], []) == 0
