"""Hyperparameter search: trials are run folders, results are in Optuna's journal, and a search can be resumed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from optuna.trial import TrialState
from warm import WarmProcess

from regard.errors import UsageError
from regard.instantiate import build
from regard.launch.cancel import cancel_search
from regard.runs.folder import RunFolder
from regard.search import start as search_start
from regard.search import worker
from regard.search.space import Search, distribution
from regard.search.start import describe_best, start_search

OPTIONS = ["search=tpe", "trainer.val_check_interval=3"]
RATES = "+search.space.optimizer.lr={low: 0.001, high: 0.1}"

Regard = Callable[..., Any]
StartWarm = Callable[..., WarmProcess]


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def search_arguments(arguments: list[str], tmp_path: Path) -> list[str]:
    """The command line of a search in the temporary folder, without its method and space."""
    unwatched = ["callbacks.attention.sentences=0", "callbacks.attention.extremes=0"]
    return [*arguments, *unwatched, f"paths.runs={tmp_path}", "trainer.val_check_interval=3"]


@pytest.fixture
def run_search(search_arguments: list[str], tmp_path: Path, regard_warm: Regard) -> Callable[..., Path]:
    """Returns a function that runs a search with overrides to its end and returns its folder."""

    def call(*overrides: str) -> Path:
        result = regard_warm("search", *search_arguments, *overrides)
        assert result.code == 0, result.err
        return folder_of(tmp_path)

    return call


def folder_of(tmp_path: Path) -> Path:
    """Return the folder of the only search."""
    (folder,) = (tmp_path / "default").iterdir()
    return folder


def study(folder: Path) -> optuna.Study:
    search: Search = build(yaml.safe_load((folder / "search.yaml").read_text())["search"])
    return search.study(folder)


def option(folder: Path, **parts: Any) -> list[str]:
    """Write a search config in a conf folder of the user; return the arguments that select it."""
    (folder / "conf/search").mkdir(parents=True)
    default = {"_target_": "regard.search.space.Search", "metric": "validation/loss", "direction": "minimize"}
    pruner = {"_target_": "optuna.pruners.NopPruner"}
    sampler = {"_target_": "optuna.samplers.RandomSampler"}
    whole = default | {"trials": 1, "workers": 1, "sampler": sampler, "pruner": pruner} | parts
    (folder / "conf/search/mine.yaml").write_text(yaml.safe_dump(whole))
    return ["--config-dir", str(folder / "conf"), "search=mine"]


def test_two_workers_try_each_point_once_and_record_its_result(run_search: Callable[..., Path], tmp_path: Path) -> None:
    """Trials with 3 heads are invalid (dim is 16), and trials with a learning rate of 1e30 reach NaN."""
    values = {"optimizer.lr": [0.01, 1e30], "model.num_heads": [2, 3, 4]}
    mine = option(
        tmp_path,
        trials=6,
        workers=2,
        sampler={"_target_": "optuna.samplers.GridSampler", "search_space": values},
        space={name: {"choices": choices} for name, choices in values.items()},
    )
    folder = run_search(*mine)
    trials = study(folder).get_trials()
    ends = {(trial.params["optimizer.lr"], trial.params["model.num_heads"]): trial for trial in trials}
    assert len(ends) == 6, "no point was tried twice"
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


def test_a_trial_can_be_pruned(run_search: Callable[..., Path], tmp_path: Path) -> None:
    pruner = {"_target_": "optuna.pruners.ThresholdPruner", "upper": 1e-9}
    mine = option(tmp_path, pruner=pruner, space={"seed": {"low": 1, "high": 9}})
    folder = run_search(*mine, "trainer.max_steps=100000", "trainer.val_check_interval=20")
    (trial,) = study(folder).get_trials()
    assert trial.state == TrialState.PRUNED
    status = RunFolder(folder / "0").status()
    assert status["status"] == "cancelled"
    assert status["why"].startswith("pruned at step")
    assert status["step"] < 100000
    assert describe_best(folder) is None


@pytest.fixture
def started(
    search_arguments: list[str], tmp_path: Path, start_warm: StartWarm, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., WarmProcess]:
    """Returns a function that starts a search of learning rates whose only worker is a subprocess, which it returns."""

    def start_worker(*overrides: str) -> WarmProcess:
        with monkeypatch.context() as patch:
            patch.setattr(search_start, "_launch", lambda folder, content: 0)
            assert start_search([*search_arguments, "search=tpe", RATES, *overrides]) == 0
        return start_warm("-m", "regard.search", str(folder_of(tmp_path)))

    return start_worker


def test_a_killed_search_resumes_its_unfinished_trial(
    tmp_path: Path, started: Callable[..., WarmProcess], regard: Regard, regard_warm: Regard
) -> None:
    long = ["trainer.max_steps=300", "trainer.val_check_interval=100", "callbacks.last.every_n_steps=10"]
    process = started(*long, "search.trials=1")
    wait_for_rows(tmp_path, trial=0, rows=30)
    folder = folder_of(tmp_path)
    process.kill()
    os.kill(RunFolder(folder / "0").status()["pid"], signal.SIGKILL)
    process.communicate()
    assert [trial.state for trial in study(folder).get_trials()] == [TrialState.RUNNING]
    parameters = study(folder).get_trials()[0].params

    result = regard_warm("resume", folder, "search.trials=2")
    assert result.code == 0, result.err
    trials = study(folder).get_trials()
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 2
    assert trials[0].params == parameters
    assert len({trial.params["optimizer.lr"] for trial in trials}) == 2, "no point is suggested twice"
    assert RunFolder(folder / "0").status()["attempt"] == 2
    assert "best is trial" in result.out
    assert "best is trial" in regard("jobs", folder).out


def wait_for_rows(tmp_path: Path, trial: int, rows: int = 1) -> None:
    """Wait until the trial has taken ``rows`` training steps."""
    deadline = time.monotonic() + 120
    while not any(path.read_bytes().count(b"\n") > rows for path in tmp_path.glob(f"*/*/{trial}/metrics.csv")):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_resumed_search_waits_for_a_trial_that_outlived_its_worker(
    tmp_path: Path, start_warm: StartWarm, started: Callable[..., WarmProcess]
) -> None:
    process = started("trainer.max_steps=400", "trainer.val_check_interval=200", "search.trials=1")
    wait_for_rows(tmp_path, trial=0)
    folder = folder_of(tmp_path)
    run = RunFolder(folder / "0")
    os.kill(run.status()["pid"], signal.SIGSTOP)  # simulates a slow trial
    process.kill()
    process.communicate()
    again = start_warm("-m", "regard.search", str(folder))
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
    assert run.status()["attempt"] == 1, "no other process worked on it"


def test_cancelling_a_search_while_a_trial_is_composed_cancels_the_trial(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_start, "_launch", lambda folder, content: 0)
    long = ["trainer.max_steps=100000", "trainer.val_check_interval=100000"]
    assert start_search([*arguments, f"paths.runs={tmp_path}", *OPTIONS, *long, RATES]) == 0
    folder = folder_of(tmp_path)
    compose = worker.compose_points

    def cancel_and_compose(arguments: list[str]) -> Any:
        cancel_search(folder)
        return compose(arguments)

    monkeypatch.setattr(worker, "compose_points", cancel_and_compose)
    assert worker.work_on(folder) == 75
    assert RunFolder(folder / "0").status()["status"] == "cancelled"
    assert [trial.state for trial in study(folder).get_trials()] == [TrialState.RUNNING], "it can be resumed"


def test_a_search_can_be_resumed_from_any_folder(
    run_search: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, regard_warm: Regard
) -> None:
    """Workers change to the folder where the search was started: its arguments may contain relative paths."""
    folder = run_search("search=tpe", "search.trials=1", RATES)
    monkeypatch.chdir(folder.parent)
    result = regard_warm("resume", folder.name, "search.trials=2")
    assert result.code == 0, result.err
    assert [trial.state for trial in study(folder).get_trials()] == [TrialState.COMPLETE] * 2


def test_a_cancelled_search_starts_no_more_trials(
    tmp_path: Path, search_arguments: list[str], start_warm: StartWarm, regard: Regard
) -> None:
    long = ["trainer.max_steps=20000", "trainer.val_check_interval=20000", "search.trials=2"]
    process = start_warm("-m", "regard.cli", "search", *search_arguments, "search=tpe", RATES, *long)
    wait_for_rows(tmp_path, trial=0)
    assert regard("cancel", folder_of(tmp_path)).out == "1 of 1 runs cancelled\n"
    process.communicate(timeout=60)
    assert process.returncode == 75
    folder = folder_of(tmp_path)
    assert not (folder / "1").exists()
    assert RunFolder(folder / "0").status()["status"] == "cancelled"


def test_a_search_continues_after_one_of_its_runs_is_cancelled(
    tmp_path: Path, regard: Regard, started: Callable[..., WarmProcess]
) -> None:
    process = started("trainer.max_steps=20000", "trainer.val_check_interval=20000", "search.trials=2")
    folder = folder_of(tmp_path)
    for trial in (0, 1):
        wait_for_rows(tmp_path, trial)
        regard("cancel", folder / str(trial))
    process.communicate(timeout=60)
    trials = study(folder).get_trials()
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
def test_an_invalid_search_is_refused_before_it_starts(
    arguments: list[str], tmp_path: Path, overrides: list[str], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        start_search([*arguments, f"paths.runs={tmp_path}", *OPTIONS, *overrides])
    assert list(tmp_path.iterdir()) == []


def test_a_missing_search_method_is_reported(arguments: list[str]) -> None:
    with pytest.raises(UsageError, match="search=tpe"):
        start_search(arguments)


def test_integer_limits_define_an_integer_distribution() -> None:
    assert isinstance(distribution("depth", {"low": 1, "high": 4}), optuna.distributions.IntDistribution)
    assert isinstance(distribution("lr", {"low": 1, "high": 4.0}), optuna.distributions.FloatDistribution)
