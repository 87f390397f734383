"""Sweeps on this machine, and the verbs jobs, cancel, retry, resume and logs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from warm import WarmProcess

from regard.config.compose import compose_points, freeze
from regard.errors import UsageError
from regard.launch import processes
from regard.launch.jobs import short_names
from regard.launch.jobs_table import format_duration
from regard.launch.resume import prepare_resume
from regard.runs.find import find_runs
from regard.runs.folder import RunFolder
from regard.runs.sweep import group_and_tags, varying_overrides

Regard = Callable[..., Any]
Start = Callable[..., subprocess.Popen[str]]
StartWarm = Callable[..., WarmProcess]

SHORT = ["trainer.max_steps=4", "trainer.val_check_interval=4"]
LONG = ["trainer.max_steps=5000", "trainer.val_check_interval=5000"]
LOCAL = ["hydra/launcher=local", "hydra.launcher.jobs=2"]


@pytest.fixture
def at(arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The command line of a small run in the temporary folder of the test."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return [*arguments, f"paths.runs={tmp_path / 'runs'}"]


def states(folder: Path) -> list[str]:
    return [run.status()["status"] for run in find_runs([folder], print)]


def wait_until(condition: Callable[[], Any], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (["seed=1,2,3", "model.depth=1,x"], r"point 4 of 6 \(model.depth=x seed=1\): model.depth=x"),
        (
            ["seed=1,2", "model=demo,tyni"],
            r"point 3 of 4 \(model=tyni seed=1\): model=tyni: no such option; did you mean tiny",
        ),
        (["seed=1,2", "model.num_heads=2,3"], r"point 3 of 4 .*: .*dim 16 must be a multiple of num_heads 3"),
        (["seed=1,2", "optimizer.lrr=1,2"], "optimizer.lrr: unknown key; did you mean optimizer.lr"),
        (["seed=1,2", "hydra/launcher=local", "hydra.launcher.jobs=0"], "hydra.launcher.jobs=0"),
        (["seed=1,2", "hydra/launcher=loca"], "did you mean local"),
        (["seed=1,2", "hydra.launcher.jobs=2"], "hydra.launcher.jobs: unknown key"),
        (["seed=1,2", "trainer.num_nodes=1,2"], r"point 2 of 4 .*: trainer.num_nodes=2: several nodes"),
    ],
)
def test_an_invalid_point_stops_the_whole_sweep(at: list[str], tmp_path: Path, wrong: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        compose_points([*at, "-m", *wrong])
    assert not (tmp_path / "runs").exists()


def test_points_that_differ_only_in_values_equal_single_runs(at: list[str]) -> None:
    """Such points share one composition."""
    swept = [
        "seed=1,2",
        "optimizer.betas=[0.9,0.98],[0.8,0.9]",
        "name=3,a-b",
        "mixer=attention",
        "+model.mixer.dropout=0.1,0.2",
    ]
    together = compose_points([*at, "-m", *swept])
    assert len(together) == 16
    for config, overrides in (together[0], together[5], together[15]):
        ((alone, same),) = compose_points(overrides)
        assert config == alone
        assert overrides == same
    assert together[15][0]["optimizer"]["betas"] == [0.8, 0.9]
    assert together[15][0]["model"]["mixer"]["dropout"] == 0.2


def test_a_sweep_in_an_experiment_file_requires_m(at: list[str], regard: Regard) -> None:
    result = regard("train", *at, "experiment=seeds")
    assert (result.code, result.err) == (2, "regard: seeds is a sweep (it has hydra.sweeper.params): add -m\n")
    assert [config["seed"] for config, _ in compose_points([*at, "-m", "experiment=seeds"])] == [1, 2, 3]


def test_retry_restarts_only_the_failed_runs_of_a_sweep(
    at: list[str], tmp_path: Path, regard: Regard, regard_warm: Regard
) -> None:
    text = Path(next(each for each in at if each.startswith("data.train=")).partition("=")[2])
    part = tmp_path / "part.tsv"
    part.write_bytes(text.read_bytes().partition(b"\n")[2])
    cache = f"paths.cache={tmp_path / 'cache'}"
    runs = freeze(compose_points([*at, *SHORT, *LOCAL, cache, "-m", f"data.train={text},{part}"]))
    part.rename(tmp_path / "away.tsv")
    sweep = runs[0].path.parent
    for run in runs:
        run.set_status("preempted")  # so that this process does not count as their submitter
    result = regard_warm("resume", sweep)
    assert result.code == 1
    assert states(sweep) == ["finished", "failed"]
    assert f"failed    {runs[1].path}  " in result.err
    assert f"{runs[1].path}\tfailed\n" in result.out
    assert "part.tsv" in runs[1].status()["why"]
    assert "trained" in runs[0].console.read_text(), "the output of the process is in console.txt"

    (tmp_path / "away.tsv").rename(part)
    result = regard_warm("retry", sweep)
    assert result.code == 0
    assert result.out.startswith("retrying 1 of 2 runs (failed, lost)")
    assert states(sweep) == ["finished"] * 2
    assert [run.status()["attempt"] for run in runs] == [1, 2]
    assert regard("retry", sweep).out.startswith("retrying 0 of 2")
    result = regard("retry", sweep, "--status", "failde")
    assert (result.code, "expected one of failed" in result.err) == (2, True)


def test_a_sweep_that_is_stopped_by_a_signal_can_be_resumed(
    at: list[str], tmp_path: Path, start_warm: StartWarm, regard_warm: Regard
) -> None:
    process = start_warm("-m", "regard.cli", "train", *at, *LONG, *LOCAL, "-m", "seed=1,2,3")
    wait_until(lambda: len([*tmp_path.glob("runs/*/*/*/metrics.csv")]) == 2)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    (sweep,) = (tmp_path / "runs/default").iterdir()
    assert states(sweep) == ["preempted", "preempted", "cancelled"]
    assert f"{sweep / '0'}\tpreempted\n" in out
    reached = max(run.status()["step"] for run in find_runs([sweep], print)[:2])
    result = regard_warm("resume", sweep, f"trainer.max_steps={reached + 1}", "hydra/launcher=here")
    assert result.code == 0, result.err
    assert states(sweep) == ["finished"] * 3
    assert [run.status()["attempt"] for run in find_runs([sweep], print)] == [2, 2, 1]


def test_a_killed_run_is_lost_and_the_sweep_reports_it(at: list[str], tmp_path: Path, start_warm: StartWarm) -> None:
    process = start_warm("-m", "regard.cli", "train", *at, *LONG, *LOCAL, "-m", "seed=1,2")
    wait_until(lambda: len([*tmp_path.glob("runs/*/*/*/metrics.csv")]) == 2)
    runs = find_runs([tmp_path / "runs"], print)
    os.kill(runs[0].status()["pid"], signal.SIGKILL)
    wait_until(lambda: "killed by SIGKILL" in str(runs[0].status().get("why")))
    assert runs[0].status()["status"] == "lost"
    assert runs[1].status()["status"] == "running"
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=60)[0].count("\tlost\n") == 1


def test_running_and_waiting_runs_can_be_cancelled(
    at: list[str], tmp_path: Path, start_warm: StartWarm, regard: Regard
) -> None:
    process = start_warm(
        "-m", "regard.cli", "train", *at, *LONG, "hydra/launcher=local", "hydra.launcher.jobs=1", "-m", "seed=1,2"
    )
    wait_until(lambda: [*tmp_path.glob("runs/*/*/0/metrics.csv")])
    (sweep,) = (tmp_path / "runs/default").iterdir()
    result = regard("jobs", sweep, "--json")
    infos = [json.loads(line) for line in result.out.splitlines()]
    assert [info["state"] for info in infos] == ["running", "submitted"]
    assert infos[0]["attempts"] == 1
    assert infos[0]["max_steps"] == 5000
    assert regard("cancel", sweep).out == "2 of 2 runs cancelled\n"
    process.communicate(timeout=60)
    assert process.returncode == 1
    assert states(sweep) == ["cancelled", "cancelled"]
    first, second = find_runs([sweep], print)
    assert (first.checkpoints / "last.ckpt").exists()
    assert not second.metrics.exists(), "it has not started"
    assert regard("cancel", sweep).out == "0 of 2 runs cancelled\n"


def test_a_run_that_waits_for_a_retry_can_be_cancelled(at: list[str], regard: Regard) -> None:
    runs = freeze(compose_points([*at, "-m", "seed=1,2"]))
    for run in runs:
        run.set_status("failed", why="for a reason")
        run.set_job("17")
        (run.path / ".failed").write_text("for a reason")
    prepare_resume(runs, [])
    assert states(runs[0].path.parent) == ["submitted", "submitted"]
    assert [run.job() for run in runs] == [None, None], "the old job is forgotten"
    assert not (runs[0].path / ".failed").exists()
    assert regard("cancel", runs[0].path.parent).out == "2 of 2 runs cancelled\n"
    assert states(runs[0].path.parent) == ["cancelled", "cancelled"]


@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_if_one_run_is_running_no_run_is_changed(at: list[str], where: str) -> None:
    runs = freeze(compose_points([*at, "-m", "seed=1,2"]))
    before = [(run.path / "config.yaml").read_text() for run in runs]
    runs[0].set_status("failed", why="for a reason")
    if where == "elsewhere":  # the lock may not be visible on this machine
        runs[1].set_status("running", host="elsewhere")
    with runs[1].locked() if where == "here" else nullcontext(), pytest.raises(UsageError, match="another process"):
        prepare_resume(runs, ["trainer.max_steps=9"])
    assert [(run.path / "config.yaml").read_text() for run in runs] == before
    assert states(runs[0].path.parent)[0] == "failed", "retry can find it again"


def test_resume_skips_runs_that_a_sweep_will_start(
    at: list[str], tmp_path: Path, start_warm: StartWarm, regard: Regard
) -> None:
    process = start_warm("-m", "regard.cli", "train", *at, *LONG, "-m", "seed=1,2")
    wait_until(lambda: [*tmp_path.glob("runs/*/*/0/metrics.csv")])
    (sweep,) = (tmp_path / "runs/default").iterdir()
    result = regard("resume", sweep)
    assert (result.code, result.out) == (0, f"{sweep / '1'}: skipped; process {process.pid} will start it\n")
    assert RunFolder(sweep / "1").status()["attempt"] == 0
    process.kill()
    os.kill(RunFolder(sweep / "0").status()["pid"], signal.SIGKILL)
    process.communicate()
    assert RunFolder(sweep / "1").submitter() is None, "no process will start it"


def test_a_signal_during_the_start_of_a_process_reaches_it(at: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    (run,) = freeze(compose_points([*at, *LONG]))
    original = processes._start

    def start_and_signal(*arguments: Any) -> subprocess.Popen[bytes]:
        process = original(*arguments)
        os.kill(os.getpid(), signal.SIGTERM)
        return process

    monkeypatch.setattr(processes, "_start", start_and_signal)
    assert processes.run_all([run], at_a_time=1) == 75
    assert run.status()["status"] == "preempted"
    assert "before it started" in run.status()["why"]


def test_a_run_can_be_cancelled_from_another_machine(
    at: list[str], start_warm: StartWarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the request in the run folder reaches the process."""
    (run,) = freeze(compose_points([*at, *LONG]))
    process = start_warm("-m", "regard.runs", str(run.path))
    wait_until(run.metrics.exists)
    run.cancel("cancelled from another machine")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert run.status()["status"] == "cancelled"
    assert "cancelled from another machine; its state is saved" in errors


@pytest.mark.parametrize(("cancelled", "status", "code"), [(False, "preempted", 75), (True, "cancelled", 1)])
def test_a_signal_during_the_imports_is_handled(
    at: list[str], start: Start, cancelled: bool, status: str, code: int
) -> None:
    """The imports of a run take seconds."""
    (run,) = freeze(compose_points(at))
    process = start("regard.runs", str(run.path))
    wait_until(lambda: "torch/lib" in Path(f"/proc/{process.pid}/maps").read_text())
    if cancelled:
        run.cancel("cancelled")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == code
    assert run.status()["status"] == status
    assert "before it started" in run.status()["why"]
    assert run.status()["attempt"] == 0


def test_the_runs_of_a_sweep_have_a_group_and_what_varies_as_tags(at: list[str]) -> None:
    runs = freeze(compose_points([*at, *SHORT, "-m", "model.depth=1,2", "seed=1,2"]))
    group, tags = group_and_tags(runs[2])
    assert group == f"default/{runs[2].path.parent.name}"
    assert tags == ["model.depth=2", "seed=1"]


def test_the_table_of_jobs(at: list[str], finished: RunFolder, tmp_path: Path, regard: Regard) -> None:
    freeze(compose_points([*at, "-m", "seed=1,2", "model.depth=1,2"]))
    result = regard("jobs", tmp_path / "runs", finished.path)
    lines = result.out.splitlines()
    assert lines[0].split() == "state step run val loss overrides elapsed tokens/s node tries".split()
    assert sum(line.startswith("submitted ") for line in lines) == 4
    (row,) = [line for line in lines if line.startswith("finished ")]
    assert " 6/6 " in row
    assert lines[-1].strip() in ("4 submitted, 1 finished", "1 finished, 4 submitted")
    overview = regard("jobs", tmp_path / "runs")
    assert overview.code == 0
    assert regard("jobs", tmp_path / "nowhere").err.startswith(f"regard: {tmp_path / 'nowhere'}: no such folder")
    (tmp_path / "empty").mkdir()
    assert "no run folder in it" in regard("jobs", tmp_path / "empty").err


def test_jobs_without_arguments_shows_one_line_per_sweep(
    at: list[str], tmp_path: Path, regard: Regard, monkeypatch: pytest.MonkeyPatch
) -> None:
    freeze(compose_points([*at, "-m", "seed=1,2"]))
    freeze(compose_points(at))
    monkeypatch.chdir(tmp_path)
    lines = regard("jobs").out.splitlines()
    assert [line.split()[1:] for line in lines if "2 submitted" in line] == [["2", "2", "submitted"]]
    assert sum("submitted" in line for line in lines) == 2


def test_logs_shows_the_last_lines(finished: RunFolder, start_warm: StartWarm) -> None:
    process = start_warm("-m", "regard.cli", "logs", str(finished.path), "-n", "2")
    out, _ = process.communicate(timeout=60)
    log = (finished.path / "log.txt").read_text().splitlines()
    assert out.splitlines()[-2:] == log[-2:]
    assert len(out.splitlines()) <= 3


def test_too_many_gpus_are_reported_before_the_first_run_starts(
    at: list[str], regard: Regard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    result = regard("train", *at, *LOCAL, "trainer=ddp", "trainer.devices=3", "-m", "seed=1,2")
    assert result.code == 2
    assert "trainer.devices=3: this machine has 2 GPUs" in result.err


def test_varying_overrides_short_names_and_durations() -> None:
    assert varying_overrides([["a=1", "b=2"], ["a=1", "b=3"]]) == [["b=2"], ["b=3"]]
    assert varying_overrides([["a=1"]]) == [["a=1"]]
    assert short_names([RunFolder(Path("/r/n/s/0")), RunFolder(Path("/r/n/s/1"))]) == ["0", "1"]
    assert short_names([RunFolder(Path("/r/n/s"))]) == ["n/s"]
    assert [format_duration(seconds) for seconds in (None, 5, 65, 3605)] == ["", "0:05", "1:05", "1:00:05"]
