"""The page of costs in a real browser: what it draws, hides and says, in light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from regard.cost.estimate import Cost, LengthCost
from regard.cost.page import write_page
from regard.cost.predict.memory import Memory

if TYPE_CHECKING:
    from conftest import Browser

HOSTILE = "</script><b>x</b>"
PLOTS = ("sequence", "token", "perSequence", "cache", "peak", "training")


def at(length: int, measured: bool = True) -> LengthCost:
    memory = Memory(weights=1000, gradients=1000, optimizer=2000, activations=10 * length, peak=5000 + 12 * length)
    times = {"training_seconds": 1e-6 * length**2, "generation_seconds": 0.002} if measured else {}
    return LengthCost(length, 1, length, 2e6, 6e6 + 10 * length, memory, 100 * length, **times)


def cost(lengths: Sequence[LengthCost]) -> Cost:
    return Cost(
        name=HOSTILE,
        parameters={"embedding": 900, "decoder mixer": 100},
        parameters_trained=1000,
        vocab_size=50,
        precision="32-true",
        run_length=128,
        steps=10,
        device="cpu",
        available=4000,
        fits=False,
        advice="set batches.tokens_per_batch=64",
        quadratic_from=None,
        exponents={"training": 2.0, "generation": 0.0, "activations": 1.0},
        lengths=lengths,
    )


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    linear = cost([at(128), at(256), at(512, measured=False)])
    path = tmp_path_factory.mktemp("cost") / "cost.html"
    write_page(path, [linear, replace(linear, name="second", quadratic_from=700.4, fits=True, advice="")])
    return path


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_curves_of_all_configurations(browser: Browser, page: Path, theme: str) -> None:
    browser.open(page, theme=theme)
    points = "return arguments[0].map((id) => document.getElementById(id).data.map(({ x }) => x.length))"
    drawn = browser.run(points, list(PLOTS))
    assert drawn == [[2, 2], [2, 2], *[[3, 3]] * 4]  # times that were not measured have no points
    assert browser.run("return document.getElementById('sequence').data[0].y") == pytest.approx([0.016384, 0.065536])
    assert browser.run(
        "return ['xaxis', 'yaxis'].map((axis) => document.getElementById('peak').layout[axis].type)"
    ) == [
        "log",
        "log",
    ]
    background = browser.run("return document.getElementById('peak').layout.paper_bgcolor")
    assert background == {"light": "#ffffff", "dark": "#151a21"}[theme]


def test_every_axis_has_two_numbers_in_its_range(browser: Browser, tmp_path: Path) -> None:
    flat = replace(at(128), generation_seconds=0.00133), replace(at(256), generation_seconds=0.00122)
    write_page(tmp_path / "cost.html", [cost(lengths=flat)])
    browser.open(tmp_path / "cost.html")
    script = """const { tickvals, range } = document.getElementById(arguments[0]).layout.yaxis;
        return tickvals.filter((value) => Math.log10(value) >= range[0] && Math.log10(value) <= range[1]).length"""
    for plot in PLOTS:
        assert browser.run(script, plot) >= 2, plot


def test_a_configuration_can_be_hidden(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.find("#legend input").click()
    assert browser.run("return document.getElementById('cache').data.map(({ name }) => name)") == ["second"]


def test_tables_name_what_they_show(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert browser.texts("#configurations tbody th bdi") == [HOSTILE, "second"]
    row = browser.text("#configurations tbody tr:nth-child(2)")
    for words in ("1 k", "700", "yes", "2.00"):
        assert words in row
    assert "never" in browser.text("#configurations tbody tr:nth-child(1)")
    assert "set batches.tokens_per_batch=64" in browser.text("#notes")
    assert len(browser.texts("#lengths tbody tr")) == 6
    assert browser.texts("#parameters thead th") == ["configuration", "all", "embedding", "decoder mixer"]
