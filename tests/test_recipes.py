"""The recipes of src/regard/README.md, and the example of conf/README.md, are followed word for word."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("recipes")  # they share a run

ROOT = Path(__file__).parents[1]
FILE = re.compile(r"```(?:python|yaml)\n# (\S+)\n(.*?)```", re.DOTALL)


def regard(folder: Path, *arguments: str, stdin: str = "") -> str:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(folder)])}
    done = subprocess.run(
        [sys.executable, "-m", "regard.cli", *arguments],
        cwd=folder, env=environment, input=stdin, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


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
    assert "hi\n" in regard(folder, "train", "--config-dir", "my_conf", "callbacks=mine", *chosen, *small)
    return folder


def test_everything_that_a_recipe_makes_is_trained(trained: Path) -> None:
    (run,) = (trained / "runs" / "default").iterdir()
    with (run / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert any(row.get("validation/length") for row in rows)
    config = (run / "config.yaml").read_text()
    for name in ("squares.Squares", "mean.CausalMean", "recurrent.RecurrentEncoder", "lengths.LengthScorer"):
        assert f"my_package.{name}" in config


def test_a_checkpoint_with_classes_of_the_user_is_used_with_trust(trained: Path) -> None:
    (run,) = (trained / "runs" / "default").iterdir()
    assert regard(trained, "translate", str(run), "--trust", stdin="12\n13\n").count("\n") == 2


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
