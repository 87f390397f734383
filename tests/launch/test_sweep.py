"""Sweeps on this machine, and the verbs that look after runs."""

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

SHORT = ["trainer.max_steps=4", "trainer.val_check_interval=4"]
LONG = ["trainer.max_steps=5000", "trainer.val_check_interval=5000"]
LOCAL = ["hydra/launcher=local", "hydra.launcher.jobs=2"]


@pytest.fixture
def at(arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The command line of a small run in a folder of this test's own."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return [*arguments, f"paths.runs={tmp_path / 'runs'}"]


def states(folder: Path) -> list[str]:
    return [run.status()["status"] for run in find_runs([folder], print)]


def wait_until(condition: Callable[[], Any], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
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
        (["seed=1,2", "trainer.num_nodes=1,2"], r"point 2 of 4 .*: trainer.num_nodes=2: several machines"),
    ],
)
def test_what_is_wrong_with_one_point_stops_all(at: list[str], tmp_path: Path, wrong: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        compose_points([*at, "-m", *wrong])
    assert not (tmp_path / "runs").exists()


def test_points_that_differ_in_values_alone_are_what_each_would_be_by_itself(at: list[str]) -> None:
    """They are composed once, and then given their values."""
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


def test_a_sweep_in_a_file_wants_to_be_one(at: list[str], regard: Regard) -> None:
    said = regard("train", *at, "experiment=seeds")
    assert (said.code, said.err) == (2, "regard: seeds is a sweep (it has hydra.sweeper.params): add -m\n")
    assert [config["seed"] for config, _ in compose_points([*at, "-m", "experiment=seeds"])] == [1, 2, 3]


def test_two_at_a_time_one_fails_the_others_go_on_and_it_alone_is_retried(
    at: list[str], tmp_path: Path, regard: Regard
) -> None:
    text = Path(next(each for each in at if each.startswith("data.train=")).partition("=")[2])
    part = tmp_path / "part.tsv"
    part.write_bytes(text.read_bytes().partition(b"\n")[2])
    cache = f"paths.cache={tmp_path / 'cache'}"
    runs = freeze(compose_points([*at, *SHORT, *LOCAL, cache, "-m", f"data.train={text},{part}", "seed=1,2"]))
    part.rename(tmp_path / "away.tsv")
    sweep = runs[0].path.parent
    said = regard("resume", sweep)
    assert said.code == 1
    assert states(sweep) == ["finished", "finished", "failed", "failed"]
    assert f"failed    {runs[2].path}  " in said.err
    assert f"{runs[2].path}\tfailed\n" in said.out
    assert "part.tsv" in runs[2].status()["why"]
    assert "trained" in runs[0].console.read_text(), "what it printed is kept"

    (tmp_path / "away.tsv").rename(part)
    said = regard("retry", sweep)
    assert said.code == 0
    assert said.out.startswith("retrying 2 of 4 runs (failed, lost)")
    assert states(sweep) == ["finished"] * 4
    assert [run.status()["attempt"] for run in runs] == [1, 1, 2, 2]
    assert regard("retry", sweep).out.startswith("retrying 0 of 4")
    said = regard("retry", sweep, "--status", "failde")
    assert (said.code, "expected one of failed" in said.err) == (2, True)

    group, tags = group_and_tags(runs[2])
    assert group == f"default/{sweep.name}"
    assert tags == [f"data.train={part}", "seed=1"]


def test_a_sweep_that_is_told_to_stop_saves_and_goes_on(
    at: list[str], tmp_path: Path, start: Start, regard: Regard
) -> None:
    process = start("regard.cli", "train", *at, *LONG, *LOCAL, "-m", "seed=1,2,3")
    wait_until(lambda: len([*tmp_path.glob("runs/*/*/*/metrics.csv")]) == 2)
    (sweep,) = (tmp_path / "runs/default").iterdir()
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert states(sweep) == ["preempted", "preempted", "cancelled"]
    assert f"{sweep / '0'}\tpreempted\n" in out
    said = regard("resume", sweep, "trainer.max_steps=500", "hydra/launcher=here")
    assert said.code == 0, said.err
    assert states(sweep) == ["finished"] * 3
    assert [run.status()["attempt"] for run in find_runs([sweep], print)] == [2, 2, 1]


def test_a_run_that_is_killed_is_lost_and_the_sweep_says_so(at: list[str], tmp_path: Path, start: Start) -> None:
    process = start("regard.cli", "train", *at, *LONG, *LOCAL, "-m", "seed=1,2")
    wait_until(lambda: len([*tmp_path.glob("runs/*/*/*/metrics.csv")]) == 2)
    runs = find_runs([tmp_path / "runs"], print)
    os.kill(runs[0].status()["pid"], signal.SIGKILL)
    wait_until(lambda: "killed by SIGKILL" in str(runs[0].status().get("why")))
    assert runs[0].status()["status"] == "lost"
    assert runs[1].status()["status"] == "running"
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=60)[0].count("\tlost\n") == 1


def test_cancelled_is_cancelled_whether_it_works_or_waits(
    at: list[str], tmp_path: Path, start: Start, regard: Regard
) -> None:
    process = start(
        "regard.cli", "train", *at, *LONG, "hydra/launcher=local", "hydra.launcher.jobs=1", "-m", "seed=1,2"
    )
    wait_until(lambda: [*tmp_path.glob("runs/*/*/0/metrics.csv")])
    (sweep,) = (tmp_path / "runs/default").iterdir()
    said = regard("jobs", sweep, "--json")
    seen = [json.loads(line) for line in said.out.splitlines()]
    assert [each["state"] for each in seen] == ["running", "submitted"]
    assert seen[0]["attempts"] == 1
    assert seen[0]["max_steps"] == 5000
    assert regard("cancel", sweep).out == "2 of 2 runs cancelled\n"
    process.communicate(timeout=60)
    assert process.returncode == 1
    assert states(sweep) == ["cancelled", "cancelled"]
    first, second = find_runs([sweep], print)
    assert (first.checkpoints / "last.ckpt").exists()
    assert not second.metrics.exists(), "it has not begun"
    assert regard("cancel", sweep).out == "0 of 2 runs cancelled\n"


def test_a_run_that_is_to_be_tried_again_waits_and_can_be_cancelled(at: list[str], regard: Regard) -> None:
    runs = freeze(compose_points([*at, "-m", "seed=1,2"]))
    for run in runs:
        run.set_status("failed", why="for a reason")
        run.set_job("17")
        (run.path / ".failed").write_text("for a reason")
    prepare_resume(runs, [])
    assert states(runs[0].path.parent) == ["submitted", "submitted"]
    assert [run.job() for run in runs] == [None, None], "the old one has nothing to do with it"
    assert not (runs[0].path / ".failed").exists()
    assert regard("cancel", runs[0].path.parent).out == "2 of 2 runs cancelled\n"
    assert states(runs[0].path.parent) == ["cancelled", "cancelled"]


@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_a_run_that_works_is_not_changed_nor_are_others_with_it(at: list[str], where: str) -> None:
    runs = freeze(compose_points([*at, "-m", "seed=1,2"]))
    before = [(run.path / "config.yaml").read_text() for run in runs]
    runs[0].set_status("failed", why="for a reason")
    if where == "elsewhere":  # where there may be no lock to be seen
        runs[1].set_status("running", host="elsewhere")
    with runs[1].locked() if where == "here" else nullcontext(), pytest.raises(UsageError, match="another process"):
        prepare_resume(runs, ["trainer.max_steps=9"])
    assert [(run.path / "config.yaml").read_text() for run in runs] == before
    assert states(runs[0].path.parent)[0] == "failed", "retry will find it again"


def test_runs_that_a_sweep_is_still_to_start_are_left_to_it(
    at: list[str], tmp_path: Path, start: Start, regard: Regard
) -> None:
    process = start("regard.cli", "train", *at, *LONG, "-m", "seed=1,2")
    wait_until(lambda: [*tmp_path.glob("runs/*/*/0/metrics.csv")])
    (sweep,) = (tmp_path / "runs/default").iterdir()
    said = regard("resume", sweep)
    assert (said.code, said.out) == (0, f"{sweep / '1'}: skipped; process {process.pid} will start it\n")
    assert RunFolder(sweep / "1").status()["attempt"] == 0
    process.kill()
    process.communicate()
    os.kill(RunFolder(sweep / "0").status()["pid"], signal.SIGKILL)
    assert RunFolder(sweep / "1").submitter() is None, "nobody will start it any more"


def test_a_signal_while_a_process_is_being_started_reaches_it(at: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    (run,) = freeze(compose_points([*at, *LONG]))
    begin = processes._start

    def told_meanwhile(*arguments: Any) -> subprocess.Popen[bytes]:
        process = begin(*arguments)
        os.kill(os.getpid(), signal.SIGTERM)
        return process

    monkeypatch.setattr(processes, "_start", told_meanwhile)
    assert processes.run_all([run], at_a_time=1) == 75
    assert run.status()["status"] == "preempted"
    assert "before it started" in run.status()["why"]


def test_somebody_elsewhere_can_cancel_a_run(at: list[str], start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the word that is left in its folder alone."""
    (run,) = freeze(compose_points([*at, *LONG]))
    process = start("regard.runs", str(run.path))
    wait_until(run.metrics.exists)
    run.cancel("cancelled from another machine")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert run.status()["status"] == "cancelled"
    assert "cancelled from another machine; its state is saved" in errors


@pytest.mark.parametrize(("cancelled", "status", "code"), [(False, "preempted", 75), (True, "cancelled", 1)])
def test_a_signal_before_the_work_has_begun_is_heard_too(
    at: list[str], start: Start, cancelled: bool, status: str, code: int
) -> None:
    """While what the work needs is still loaded, which takes seconds."""
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


def test_the_table_tells_what_runs_do(at: list[str], finished: RunFolder, tmp_path: Path, regard: Regard) -> None:
    freeze(compose_points([*at, "-m", "seed=1,2", "model.depth=1,2"]))
    said = regard("jobs", tmp_path / "runs", finished.path)
    lines = said.out.splitlines()
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


def test_without_arguments_a_sweep_is_one_line(
    at: list[str], tmp_path: Path, regard: Regard, monkeypatch: pytest.MonkeyPatch
) -> None:
    freeze(compose_points([*at, "-m", "seed=1,2"]))
    freeze(compose_points(at))
    monkeypatch.chdir(tmp_path)
    lines = regard("jobs").out.splitlines()
    assert [line.split()[1:] for line in lines if "2 submitted" in line] == [["2", "2", "submitted"]]
    assert sum("submitted" in line for line in lines) == 2


def test_logs_shows_the_end_of_what_was_said(finished: RunFolder, start: Start) -> None:
    process = start("regard.cli", "logs", str(finished.path), "-n", "2")
    out, _ = process.communicate(timeout=60)
    log = (finished.path / "log.txt").read_text().splitlines()
    assert out.splitlines()[-2:] == log[-2:]
    assert len(out.splitlines()) <= 3


def test_more_gpus_than_there_are_is_said_before_anything_begins(
    at: list[str], regard: Regard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    said = regard("train", *at, *LOCAL, "trainer=ddp", "trainer.devices=3", "-m", "seed=1,2")
    assert said.code == 2
    assert "trainer.devices=3: this machine has 2 GPUs" in said.err


def test_own_overrides_and_names() -> None:
    assert varying_overrides([["a=1", "b=2"], ["a=1", "b=3"]]) == [["b=2"], ["b=3"]]
    assert varying_overrides([["a=1"]]) == [["a=1"]]
    assert short_names([RunFolder(Path("/r/n/s/0")), RunFolder(Path("/r/n/s/1"))]) == ["0", "1"]
    assert short_names([RunFolder(Path("/r/n/s"))]) == ["n/s"]
    assert [format_duration(seconds) for seconds in (None, 5, 65, 3605)] == ["", "0:05", "1:05", "1:00:05"]
