"""The recipes of src/regard/README.md, and the example of conf/README.md, are followed word for word."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from warm import WarmProcess

pytestmark = pytest.mark.xdist_group("recipes")  # they share a run

ROOT = Path(__file__).parents[1]
FILE = re.compile(r"```(?:python|yaml)\n# (\S+)\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of all recipes, and a run that uses all of them at once."""
    folder = tmp_path_factory.mktemp("recipes")
    text = (ROOT / "src" / "regard" / "README.md").read_text() + (ROOT / "conf" / "README.md").read_text()
    files = FILE.findall(text)
    assert len(files) == 9
    for name, content in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    (folder / "my_package" / "__init__.py").write_text(
        "import pytorch_lightning as pl\n\n\nclass Hello(pl.Callback):\n"
        "    def __init__(self, greeting: str) -> None:\n        print(greeting)\n"
    )
    chosen = [
        "task=lengths",
        "data=squares",
        "tokenizer=char",
        "mixer=mean",
        "positions=sinusoidal",
        "+encoder=recurrent",
    ]
    small = ["data.size=500", "model.dim=16", "model.num_heads=2", "trainer=debug", "logger=none"]
    command = ["-m", "regard.cli", "train", "--config-dir", "my_conf", "callbacks=mine", *chosen, *small]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("PYTHONPATH", str(folder))
        process = WarmProcess(tmp_path_factory.mktemp("process"), *command)
    out, errors = process.communicate()
    assert process.returncode == 0, errors
    assert "hi\n" in out
    return folder


def test_everything_that_a_recipe_makes_is_trained(trained: Path) -> None:
    (run,) = (trained / "runs" / "default").iterdir()
    with (run / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert any(row.get("validation/length") for row in rows)
    config = (run / "config.yaml").read_text()
    for name in ("squares.Squares", "mean.CausalMean", "recurrent.RecurrentEncoder", "lengths.LengthScorer"):
        assert f"my_package.{name}" in config


def test_a_checkpoint_with_classes_of_the_user_is_used_with_trust(
    trained: Path, regard: Callable[..., Any], importable: Callable[[Path], None]
) -> None:
    importable(trained)
    (run,) = (trained / "runs" / "default").iterdir()
    translated = regard("translate", run, "--trust", stdin="12\n13\n")
    assert translated.code == 0, translated.err
    assert translated.out.count("\n") == 2


def test_the_mixer_of_the_recipe_extends_as_it_mixes(trained: Path, importable: Callable[[Path], None]) -> None:
    import importlib

    import torch

    from regard.model.past import Past

    importable(trained)
    mixer = importlib.import_module("my_package.mean").CausalMean(8, 2, causal=True)
    x = torch.randn(3, 7, 8)
    whole = mixer(x, None)
    first, state = mixer.extend(x[:, :4], mixer.initial_state(3, x), Past(0))
    rest, _ = mixer.extend(x[:, 4:], state, Past(4))
    torch.testing.assert_close(torch.cat([first, rest], dim=1), whole)
