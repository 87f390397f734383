"""``task.activation_checkpointing=true`` runs every layer twice and changes no number."""

from __future__ import annotations

import csv
from collections.abc import Callable

import torch

from regard.instantiate import build
from regard.runs.folder import RunFolder
from regard.runs.work import make_task, work

SAME = ("step", "train/loss", "train/gradient_norm", "validation/loss", "validation/bleu", "test/loss")


def measured(run: RunFolder) -> list[list[str]]:
    with run.metrics.open(newline="") as file:
        return [[row[name] for name in SAME] for row in csv.DictReader(file)]


def runs_of_a_layer(run: RunFolder) -> int:
    """Number of times that a step runs the first layer."""
    config, count = run.config(), [0]
    task = make_task(config, build(config["batches"]))
    task.model.decoder.layers[0].mixer.register_forward_hook(lambda *_: count.__setitem__(0, count[0] + 1))
    task.model(torch.tensor([[1, 5, 6]]), torch.tensor([[4, 5, 2]])).sum().backward()
    return count[0]


def test_recomputing_layers_gives_the_same_run(make_run: Callable[..., RunFolder]) -> None:
    plain = make_run("model.dropout=0.2", "name=plain")
    recomputed = make_run("model.dropout=0.2", "task.activation_checkpointing=true", "name=recomputed")
    assert (runs_of_a_layer(plain), runs_of_a_layer(recomputed)) == (1, 2)
    assert work(plain.path) == work(recomputed.path) == 0
    assert len(measured(plain)) == 6
    assert measured(recomputed) == measured(plain)
