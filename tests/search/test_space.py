"""A search: its trials are run folders, its end is in Optuna's journal, and it goes on where it stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from optuna.trial import TrialState

from regard.errors import UsageError
from regard.instantiate import build
from regard.launch.cancel import cancel_search
from regard.runs.folder import RunFolder
from regard.search import start as search_start
from regard.search import worker
from regard.search.space import Search, distribution
from regard.search.start import describe_best, start_search

OPTIONS = ["search=tpe", "trainer.val_check_interval=3"]


@pytest.fixture
def begin_in(arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Begins a search and works on it to its end; its folder."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def call(*overrides: str) -> Path:
        assert start_search([*arguments, f"paths.runs={tmp_path}", "trainer.val_check_interval=3", *overrides]) == 0
        (folder,) = (tmp_path / "default").iterdir()
        return folder

    return call


def study(folder: Path) -> optuna.Study:
    search: Search = build(yaml.safe_load((folder / "search.yaml").read_text())["search"])
    return search.study(folder)


def option(folder: Path, **parts: Any) -> list[str]:
    """A `search=` of the user's own, in a conf folder of theirs."""
    (folder / "conf/search").mkdir(parents=True)
    usual = {"_target_": "regard.search.space.Search", "metric": "validation/loss", "direction": "minimize"}
    pruner = {"_target_": "optuna.pruners.NopPruner"}
    sampler = {"_target_": "optuna.samplers.RandomSampler"}
    whole = usual | {"trials": 1, "workers": 1, "sampler": sampler, "pruner": pruner} | parts
    (folder / "conf/search/mine.yaml").write_text(yaml.safe_dump(whole))
    return ["--config-dir", str(folder / "conf"), "search=mine"]


def test_every_trial_is_told_of_and_two_workers_share_them(begin_in: Callable[..., Path], tmp_path: Path) -> None:
    """Three heads do not divide 16 channels, and a rate of 1e30 makes NaN of anything. All are tried once."""
    values = {"optimizer.lr": [0.01, 1e30, 0.02], "model.num_heads": [2, 3, 4]}
    mine = option(
        tmp_path,
        trials=9,
        workers=2,
        sampler={"_target_": "optuna.samplers.GridSampler", "search_space": values},
        space={name: {"choices": choices} for name, choices in values.items()},
    )
    folder = begin_in(*mine)
    trials = study(folder).get_trials()
    ends = {(trial.params["optimizer.lr"], trial.params["model.num_heads"]): trial for trial in trials}
    assert len(ends) == 9, "no point was tried twice"
    for (rate, heads), trial in ends.items():
        expected = TrialState.FAIL if rate == 1e30 or heads == 3 else TrialState.COMPLETE
        assert trial.state == expected, (rate, heads)
        run = folder / str(trial.number)
        assert run.exists() == (heads != 3)
        if heads == 3:
            assert "model" in trial.user_attrs["why"]
        elif rate == 1e30:
            assert "NaN" in trial.user_attrs["why"]
        else:
            status = RunFolder(run).status()
            assert status["status"] == "finished"
            assert trial.value == min(trial.intermediate_values.values())
            assert set(trial.intermediate_values) == {3, 6}
            assert RunFolder(run).config()["optimizer"]["lr"] == rate
    best = study(folder).best_trial
    line = describe_best(folder)
    assert line is not None
    assert sorted(line.rpartition(": ")[2].split()) == [
        f"model.num_heads={best.params['model.num_heads']}",
        f"optimizer.lr={best.params['optimizer.lr']}",
    ]


def test_a_hopeless_trial_is_ended_early(begin_in: Callable[..., Path], tmp_path: Path) -> None:
    pruner = {"_target_": "optuna.pruners.ThresholdPruner", "upper": 1e-9}
    mine = option(tmp_path, pruner=pruner, space={"seed": {"low": 1, "high": 9}})
    folder = begin_in(*mine, "trainer.max_steps=100000", "trainer.val_check_interval=20")
    (trial,) = study(folder).get_trials()
    assert trial.state == TrialState.PRUNED
    status = RunFolder(folder / "0").status()
    assert status["status"] == "cancelled"
    assert status["why"].startswith("pruned at step")
    assert status["step"] < 100000
    assert describe_best(folder) is None


def test_a_search_that_was_killed_goes_on_with_the_trial_that_it_was_at(
    arguments: list[str], tmp_path: Path, regard: Callable[..., Any]
) -> None:
    long = ["trainer.max_steps=300", "trainer.val_check_interval=100", "callbacks.last.every_n_steps=10"]
    space = ["+search.space.optimizer.lr={low: 0.001, high: 0.1, log: true}", "search.trials=2"]
    command = [sys.executable, "-m", "regard.cli", "search", *arguments, f"paths.runs={tmp_path}", *OPTIONS, *long]
    process = subprocess.Popen(
        [*command, *space], env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, start_new_session=True
    )
    deadline = time.monotonic() + 120
    while not any(path.read_bytes().count(b"\n") > 30 for path in tmp_path.glob("*/*/0/metrics.csv")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    (folder,) = (tmp_path / "default").iterdir()
    assert [trial.state for trial in study(folder).get_trials()] == [TrialState.RUNNING]
    parameters = study(folder).get_trials()[0].params

    said = regard("resume", folder, "search.trials=3")
    assert said.code == 0, said.err
    trials = study(folder).get_trials()
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 3
    assert trials[0].params == parameters
    assert len({trial.params["optimizer.lr"] for trial in trials}) == 3, "nothing is suggested twice"
    assert RunFolder(folder / "0").status()["attempt"] == 2
    assert "best is trial" in said.out
    assert "best is trial" in regard("jobs", folder).out


@pytest.fixture
def started(
    arguments: list[str], tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> Callable[..., subprocess.Popen[str]]:
    """A search of learning rates in processes of its own."""

    def begin_apart(steps: int, trials: int) -> subprocess.Popen[str]:
        long = [f"trainer.max_steps={steps}", f"trainer.val_check_interval={steps // 2}", f"search.trials={trials}"]
        space = "+search.space.optimizer.lr={low: 0.001, high: 0.1}"
        return start("regard.cli", "search", *arguments, f"paths.runs={tmp_path}", *OPTIONS[:1], *long, space)

    return begin_apart


def wait_for_rows(tmp_path: Path, trial: int) -> None:
    """Until a trial has been trained for a step."""
    deadline = time.monotonic() + 120
    while not [*tmp_path.glob(f"*/*/{trial}/metrics.csv")]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def processes_of(folder: Path) -> list[int]:
    """Those whose last argument names ``folder``."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if path.read_bytes().rstrip(b"\0").endswith(b"\0" + bytes(folder)):
                found.append(int(path.parent.name))
    return found


def test_a_trial_that_outlives_its_worker_is_waited_for(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]], started: Callable[..., subprocess.Popen[str]]
) -> None:
    process = started(steps=400, trials=1)
    wait_for_rows(tmp_path, trial=0)
    process.kill()
    (folder,) = (tmp_path / "default").iterdir()
    (worker,) = processes_of(folder)
    os.kill(worker, signal.SIGKILL)
    process.communicate()
    run = RunFolder(folder / "0")
    os.kill(run.status()["pid"], signal.SIGSTOP)  # it takes its time
    again = start("regard.cli", "resume", str(folder))
    deadline = time.monotonic() + 120
    while "another process is working on this run" not in run.console.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(2)
    os.kill(run.status()["pid"], signal.SIGCONT)
    _, errors = again.communicate(timeout=60)
    assert again.returncode == 0, errors
    (trial,) = study(folder).get_trials()
    assert trial.state == TrialState.COMPLETE
    assert set(trial.intermediate_values) == {200, 400}
    assert run.status()["attempt"] == 1, "nobody else has worked on it"


def test_a_trial_that_is_being_composed_when_its_search_is_cancelled_does_not_run_to_its_end(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_start, "_launch", lambda folder, content: 0)
    long = ["trainer.max_steps=100000", "trainer.val_check_interval=100000"]
    space = "+search.space.optimizer.lr={low: 0.001, high: 0.1}"
    assert start_search([*arguments, f"paths.runs={tmp_path}", *OPTIONS, *long, space]) == 0
    (folder,) = (tmp_path / "default").iterdir()
    compose = worker.compose_points

    def cancelled_meanwhile(arguments: list[str]) -> Any:
        cancel_search(folder)
        return compose(arguments)

    monkeypatch.setattr(worker, "compose_points", cancelled_meanwhile)
    assert worker.work_on(folder) == 75
    assert RunFolder(folder / "0").status()["status"] == "cancelled"
    assert [trial.state for trial in study(folder).get_trials()] == [TrialState.RUNNING], "to be gone on with"


def test_a_search_goes_on_wherever_it_is_called_from(
    begin_in: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, regard: Callable[..., Any]
) -> None:
    """A worker changes to where the search was begun, since its command line may name files from there."""
    folder = begin_in("search=tpe", "search.trials=1", "+search.space.optimizer.lr={low: 0.001, high: 0.1}")
    monkeypatch.chdir(folder.parent)
    said = regard("resume", folder.name, "search.trials=2")
    assert said.code == 0, said.err
    assert [trial.state for trial in study(folder).get_trials()] == [TrialState.COMPLETE] * 2


def test_a_search_that_is_cancelled_begins_no_more_trials_until_it_is_resumed(
    tmp_path: Path, regard: Callable[..., Any], started: Callable[..., subprocess.Popen[str]]
) -> None:
    process = started(steps=2000, trials=2)
    wait_for_rows(tmp_path, trial=0)
    (folder,) = (tmp_path / "default").iterdir()
    assert regard("cancel", folder).out == "1 of 1 runs cancelled\n"
    process.communicate(timeout=60)
    assert process.returncode == 75
    assert not (folder / "1").exists()
    assert RunFolder(folder / "0").status()["status"] == "cancelled"


def test_a_trial_that_is_cancelled_by_hand_has_failed_and_the_search_goes_on(
    tmp_path: Path, regard: Callable[..., Any], started: Callable[..., subprocess.Popen[str]]
) -> None:
    process = started(steps=5000, trials=2)
    for trial in (0, 1):
        wait_for_rows(tmp_path, trial)
        (run,) = tmp_path.glob(f"*/*/{trial}")
        regard("cancel", run)
    process.communicate(timeout=60)
    trials = study(run.parent).get_trials()
    assert [trial.state for trial in trials] == [TrialState.FAIL, TrialState.FAIL]
    assert trials[0].user_attrs["why"].startswith("cancelled")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ([], "search.space is empty"),
        (["+search.space.optimizer.lrr={low: 0.1, high: 1.0}"], "did you mean optimizer.lr"),
        (["+search.space.optimizer.lr={low: 1.0, high: 0.1}"], "search.space.optimizer.lr"),
        (["+search.space.optimizer.lr=3"], "expected {low"),
        (["+search.space.optimizer.lr={low: 0.1, hihg: 1}"], "hihg|high"),
        (["+search.space.model={choices: [tiny, hgue]}"], "model=hgue"),
        (["+search.space.seed={low: 1, high: 2}", "search.direction=up"], "minimize or maximize"),
        (["+search.space.seed={low: 1, high: 2}", "search.trials=0"], "search.trials=0"),
        (["+search.space.seed={low: 1, high: 2}", "search.pruner._target_=optuna.pruners.Medan"], "Medan"),
    ],
)
def test_what_is_wrong_with_a_search_is_said_before_it_begins(
    arguments: list[str], tmp_path: Path, overrides: list[str], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        start_search([*arguments, f"paths.runs={tmp_path}", *OPTIONS, *overrides])
    assert list(tmp_path.iterdir()) == []


def test_without_a_search_it_says_how_to_have_one(arguments: list[str]) -> None:
    with pytest.raises(UsageError, match="search=tpe"):
        start_search(arguments)


def test_whole_limits_make_whole_numbers() -> None:
    assert isinstance(distribution("depth", {"low": 1, "high": 4}), optuna.distributions.IntDistribution)
    assert isinstance(distribution("lr", {"low": 1, "high": 4.0}), optuna.distributions.FloatDistribution)
