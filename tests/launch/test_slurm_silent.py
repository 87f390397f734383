"""SLURM that does not answer for a while: squeue fails, as it does when its controller is busy or away."""

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
    """A folder of commands, first in the PATH: squeue fails, the others leave a note that they were called."""
    for name in ("squeue", "sbatch", "scancel"):
        (tmp_path / name).write_text(ANSWER if name == "squeue" else f"#!/bin/sh\ntouch {tmp_path}/called-{name}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


@pytest.fixture
def pending(make_run: MakeRun) -> RunFolder:
    """A run that a job is to work on."""
    run = make_run("name=pending")
    run.set_job("17")
    return run


def test_what_would_start_or_end_runs_stops_and_says_so(silent: Path, pending: RunFolder) -> None:
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


def test_the_table_shows_what_the_folders_tell(silent: Path, pending: RunFolder, regard: Callable[..., Any]) -> None:
    for option in ((), ("--json",)):
        said = regard("jobs", pending.path, *option)
        assert said.code == 0
        assert "submitted" in said.out
        assert "lost" not in said.out
        assert said.err.count("\n") == 1
        assert "regard: SLURM does not respond" in said.err


def test_watching_goes_on_until_slurm_says_that_the_job_is_gone(
    silent: Path, pending: RunFolder, start: Callable[..., subprocess.Popen[str]]
) -> None:
    process = start("regard.cli", "jobs", str(pending.path), "--watch")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=8)
    (silent / "squeue").write_text("#!/bin/sh\n")
    out, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "lost" in out
    assert errors.count("SLURM does not respond") == 1, "once, not every time it looks"


def test_runs_that_are_no_jobs_do_not_depend_on_it(silent: Path, make_run: MakeRun, regard: Callable[..., Any]) -> None:
    """SLURM's commands may be on a machine without a cluster."""
    run = make_run("name=no_job")
    said = regard("jobs", run.path)
    assert (said.code, said.err) == (0, "")
    assert cancel([run]) == [run]
    assert run.status()["status"] == "cancelled"
    assert retry([run], ["failed"], []) == 0
