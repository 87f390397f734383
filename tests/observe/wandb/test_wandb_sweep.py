"""experiments/sweeps: W&B takes them as they are, and what its agents start are runs like any others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args, load_sweep_config
from warm import WarmProcess

from regard.config.compose import compose_points
from regard.observe.wandb.offline_file import records
from regard.runs.find import find_runs

# wandb's reader leaves the file open.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed file .*sweeps:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:.*experiments/sweeps:pytest.PytestUnraisableExceptionWarning"),
]

SWEEPS = sorted((Path(__file__).parents[3] / "experiments/sweeps").glob("*.yaml"))


def sample(parameter: dict[str, Any]) -> Any:
    return parameter["values"][0] if "values" in parameter else parameter["min"]


def command_of(path: Path) -> list[str]:
    """What W&B's agent would call, for one point."""
    sweep = load_sweep_config(str(path))
    assert sweep is not None
    point = {name: {"value": sample(parameter)} for name, parameter in sweep["parameters"].items()}
    made = create_sweep_command_args({"args": point})
    return [part for word in create_sweep_command(sweep["command"]) for part in made.get(word.strip("${}"), [word])]


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_every_point_of_a_sweep_can_be_composed(path: Path) -> None:
    words = command_of(path)
    begin = words.index("train")
    assert words[begin - 1] == "regard"
    ((config, _),) = compose_points(words[begin + 1 :])
    sweep = load_sweep_config(str(path))
    assert sweep is not None
    assert config["optimizer"]["lr"] == sample(sweep["parameters"]["optimizer.lr"])
    assert sweep["metric"]["name"] == "validation/loss"


def test_what_an_agent_starts_is_the_run_that_it_was_given(
    arguments: list[str],
    tmp_path: Path,
    start_warm: Callable[..., WarmProcess],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An agent names the run and its sweep in the environment."""
    words = command_of(SWEEPS[0])
    small = [word for word in words[words.index("train") + 1 :] if not word.startswith("batches.")]
    own = [f"paths.runs={tmp_path}", "logger=wandb", "logger.mode=offline", "trainer=debug"]
    with monkeypatch.context() as agent:
        agent.delenv("WANDB_SERVICE", raising=False)
        agent.setenv("WANDB_RUN_ID", "given123")
        agent.setenv("WANDB_SWEEP_ID", "sweep456")
        process = start_warm("-m", "regard.cli", "train", *small, *arguments, *own)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    (run,) = find_runs([tmp_path], print)
    (file,) = (run.path / "wandb").glob("offline-run-*-given123/*.wandb")
    begun = next(record.run for record in records(file) if record.HasField("run"))
    assert begun.run_id == "given123"
    assert begun.sweep_id == "sweep456"
