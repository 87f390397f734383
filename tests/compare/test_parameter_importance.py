"""Importance of parameters, for computed examples and for a real study."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
import yaml
from optuna.distributions import FloatDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from regard.compare.parameter_importance import parameter_importance, search_objective, variance_explained
from regard.runs.folder import RunFolder


def test_explained_variance_follows_the_formula() -> None:
    """Scores 1, 3, 5, 7: SS_total 20 over 3. Groups {1, 3} and {5, 7}: SS_within 4 over 2. 1 - 2 / (20 / 3) = 0.7.

    Groups {1, 5} and {3, 7}: SS_within 16 over 2. 1 - 8 / (20 / 3) < 0: no more than chance.
    """
    found = variance_explained({"depth": [1, 1, 2, 2], "norm": ["a", "b", "a", "b"]}, [1.0, 3.0, 5.0, 7.0])
    assert found.shares == {"depth": pytest.approx(0.7), "norm": 0.0}
    assert list(found.shares) == ["depth", "norm"], "largest first"
    assert found.left_out == ""


def test_runs_without_a_score_do_not_count() -> None:
    scores = [1.0, None, 3.0, 5.0, float("nan"), 7.0]
    found = variance_explained({"depth": [1, 9, 1, 2, 9, 2]}, scores)
    assert found.shares == {"depth": pytest.approx(0.7)}


@pytest.mark.parametrize(
    ("columns", "scores", "reason"),
    [
        ({"lr": [1, 2, 3]}, [1.0, 2.0, 3.0], "there are 3 runs with a score, and at least 4 are needed"),
        ({"lr": [1, 2, 3, 4]}, [1.0, 2.0, 3.0, 4.0], "every value of lr occurs once"),
        ({"lr": [1, 1, 2, 2]}, [5.0, 5.0, 5.0, 5.0], "all runs have the same score"),
        ({}, [1.0, 2.0, 3.0, 4.0], "no parameter differs"),
        ({"lr": [1, 1, 1, 1, 2]}, [1.0, 2.0, 3.0, 4.0, None], "no parameter differs"),
    ],
)
def test_undefined_importance_has_a_reason(
    columns: dict[str, list[float]], scores: list[float | None], reason: str
) -> None:
    found = variance_explained(columns, scores)
    assert found.shares == {}
    assert found.left_out.startswith(reason)


@pytest.fixture
def search(tmp_path: Path, copy_run: Callable[..., RunFolder]) -> Path:
    """A search of sixty trials whose score depends on the rate only; four have a run folder."""
    folder = tmp_path / "search"
    folder.mkdir()
    said = {"search": {"metric": "validation/loss", "direction": "minimize"}, "arguments": []}
    (folder / "search.yaml").write_text(yaml.safe_dump(said))
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = JournalStorage(JournalFileBackend(str(folder / "optuna.journal")))
    study = optuna.create_study(storage=storage, study_name="search", sampler=optuna.samplers.RandomSampler(seed=1))
    space = {"optimizer.lr": FloatDistribution(0, 1), "model.dropout": FloatDistribution(0, 1)}
    for number in range(60):
        trial = study.ask(space)
        study.tell(trial, (trial.params["optimizer.lr"] - 0.3) ** 2)
        if number < 4:
            copy_run(folder / str(number), trial.params)
    return folder


def test_the_importance_of_a_search_is_computed_by_optuna(search: Path) -> None:
    runs = [RunFolder(search / str(number)) for number in range(4)]
    found = parameter_importance(runs, {"optimizer.lr": [1, 2, 3, 4]}, [1.0, 2.0, 3.0, 4.0])
    assert "PED-ANOVA" in found.method
    assert "by validation/loss, the objective of the search" in found.method
    assert search_objective(search) == ("validation/loss", "min")
    assert found.left_out == ""
    assert found.shares["optimizer.lr"] > 0.7
    assert sum(found.shares.values()) == pytest.approx(1)


def test_a_damaged_journal_is_a_reason(search: Path) -> None:
    runs = [RunFolder(search / str(number)) for number in range(4)]
    (search / "optuna.journal").write_text("")
    found = parameter_importance(runs, {}, [])
    assert found.shares == {}
    assert found.left_out.startswith("Optuna failed")
