"""Outcome of a run when a signal arrives, or another rank fails, at an unusual moment."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from warm import WarmProcess

from regard.launch.resume import prepare_resume
from regard.runs.__main__ import _record_early_stop
from regard.runs.folder import RunFolder
from regard.runs.status.heartbeat import Heartbeat
from regard.runs.status.supervise import _record_stuck
from regard.runs.work import work
from regard.stop import STOP, STUCK_SECONDS, STUCK_WHEN_HELD_SECONDS, Interrupted

MakeRun = Callable[..., RunFolder]
SignalAt = Callable[..., tuple[int | None, str]]

# A subprocess that sends itself a signal just before or after the first write of a status to status.json.
AT_A_STATUS = """
import os, sys
from pathlib import Path
from regard.runs.folder import RunFolder

folder, status, when, number = sys.argv[1:]
set_status, sent = RunFolder.set_status, []

def spy(self, name, **facts):
    send = name == status and not sent
    sent.extend([name] * send)
    if send and when == "before":
        os.kill(os.getpid(), int(number))
    set_status(self, name, **facts)
    if send and when == "after":
        os.kill(os.getpid(), int(number))

RunFolder.set_status = spy
from regard.runs.__main__ import main
sys.exit(main(Path(folder)))
"""


@pytest.fixture
def signal_at(start_warm: Callable[..., WarmProcess], note: Path) -> Callable[..., tuple[int | None, str]]:
    """Returns a function that works on a run and sends SIGUSR1 at a status; it returns the exit code and stderr."""

    def work_and_signal(run: RunFolder, status: str, when: str) -> tuple[int | None, str]:
        process = start_warm("-c", AT_A_STATUS, str(run.path), status, when, str(int(signal.SIGUSR1)))
        _, errors = process.communicate()
        return process.returncode, errors

    return work_and_signal


@pytest.fixture
def note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that requests to requeue the job."""
    monkeypatch.setenv("REGARD_REQUEUE", str(tmp_path / "requeue"))
    return tmp_path / "requeue"


@pytest.fixture
def short(make_run: MakeRun) -> RunFolder:
    return make_run("trainer.max_steps=2", "trainer.val_check_interval=2", "name=signalled")


@pytest.mark.parametrize("when", ["before", "after"])
def test_job_is_requeued_if_time_limit_is_near_when_work_starts(
    short: RunFolder, note: Path, signal_at: SignalAt, when: str
) -> None:
    code, errors = signal_at(short, "running", when)
    assert code == 75, errors
    assert "Traceback" not in errors
    assert f"regard: stopped by SIGUSR1; resume with: regard resume {short.path}" in errors
    assert short.status()["status"] == "preempted"
    assert note.exists()


@pytest.mark.parametrize("when", ["before", "after"])
def test_signal_does_not_change_a_finished_run(short: RunFolder, note: Path, signal_at: SignalAt, when: str) -> None:
    code, errors = signal_at(short, "finished", when)
    assert code == 0, errors
    assert short.status()["status"] == "finished"
    assert not note.exists()


def test_run_cancelled_before_its_start_reports_it(short: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    short.cancel("cancelled from elsewhere")
    assert work(short.path) == 1
    assert capsys.readouterr().err == (f"regard: cancelled from elsewhere; resume with: regard resume {short.path}\n")
    assert short.status()["status"] == "cancelled"


@pytest.mark.parametrize("way", ["before it started", "stuck"])
def test_job_without_steps_is_not_requeued_forever(short: RunFolder, note: Path, way: str) -> None:
    """In both ways to stop the work. After a resume by hand, attempts are counted from zero."""

    def end() -> int:
        note.unlink(missing_ok=True)
        stop = Interrupted(signal.SIGUSR1)
        return _record_stuck(short, Heartbeat(short), stop) if way == "stuck" else _record_early_stop(short, stop)

    for _ in range(2):
        assert [end() for _ in range(2)] == [75, 75]
        assert note.exists()
        assert end() == 1
        assert not note.exists()
        assert short.status()["status"] == "failed"
        assert "without a training step" in short.status()["why"]
        prepare_resume([short], [])


@pytest.mark.parametrize("way", ["before it started", "stuck"])
def test_failure_of_another_rank_is_the_reason(short: RunFolder, way: str) -> None:
    (short.path / ".failed").write_text("out of memory: buy some (rank 1)")
    stop = Interrupted(signal.SIGTERM)
    code = _record_stuck(short, Heartbeat(short), stop) if way == "stuck" else _record_early_stop(short, stop)
    assert code == 1
    assert short.status()["status"] == "failed"
    assert short.status()["why"] == "out of memory: buy some (rank 1)"


def test_a_stuck_process_ends_before_a_cluster_kills_it() -> None:
    """A stuck process must be detected and recorded within hydra.launcher.leave_seconds (120)."""
    assert STUCK_SECONDS < STUCK_WHEN_HELD_SECONDS <= 60


def test_signal_received_by_another_rank_counts() -> None:
    with STOP.listening():
        STOP.hold()
        STOP.note(signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGTERM)
        assert STOP.signal == signal.SIGUSR1, "the first one"
        os.kill(os.getpid(), signal.SIGINT)  # not a second Ctrl-C: the first signal came from another rank
        assert STOP.signal == signal.SIGUSR1


def test_temporary_files_of_a_killed_writer_are_removed(short: RunFolder) -> None:
    old, new = (short.path / f".status.json.{name}.part" for name in ("old", "new"))
    for path in (old, new):
        path.write_text("{")
    os.utime(old, (0, 0))
    assert work(short.path) == 0
    assert not old.exists()
    assert new.exists(), "its writer may be at it"
