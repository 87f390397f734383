"""One model shared out over two processes is trained like a whole one."""

from __future__ import annotations

import csv
from collections.abc import Callable

import pytest

from regard.runs.folder import RunFolder
from regard.runs.launch import launch
from regard.runs.work import work

MakeRun = Callable[..., RunFolder]
EXACT = ["model.dropout=0.0", "model.depth=2", "trainer.max_steps=8", "trainer.val_check_interval=8"]
TWO = ["trainer=fsdp", "trainer.accelerator=cpu", *EXACT, "trainer.log_every_n_steps=1"]


def column(run: RunFolder, name: str) -> list[float]:
    with run.metrics.open(newline="") as file:
        return [float(row[name]) for row in csv.DictReader(file) if row[name]]


@pytest.mark.parametrize("make", ["make_run", "make_language_run"])
def test_same(make: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    make_run: MakeRun = request.getfixturevalue(make)
    one = make_run(*EXACT, "trainer.accumulate_grad_batches=2", "trainer.val_check_interval=16", "name=one")
    assert work(one.path) == 0
    two = make_run(*TWO, "name=two")
    assert launch(two) == 0, (two.path / "log.txt").read_text()
    for name in ("train/loss", "train/gradient_norm", "validation/loss", "test/loss"):
        assert column(two, name) == pytest.approx(column(one, name), rel=2e-5), name
