"""metrics.csv: one row per step, and no measured value is lost."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest

from regard.training.callbacks.metrics_file import MetricsFile, read_rows

Table = list[dict[str, float]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.csv"


def content(path: Path) -> Table:
    """Parse the file as other programs do. Every line must be complete."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, strict=True))
    for row in rows:
        assert None not in row
        assert None not in row.values()
    table = [{name: float(value) for name, value in row.items() if value != ""} for row in rows]
    assert [{name: float(value) for name, value in row.items()} for row in read_rows(path)] == table
    assert [path.name] == [file.name for file in path.parent.iterdir()]  # no temporary file is left
    return table


def test_one_row_per_step(path: Path) -> None:
    file = MetricsFile(path)
    file.write(1, {"a": 0.5, "b": 1.0})
    file.write(2, {"a": 0.25, "b": 2.0})
    file.write(10, {"a": 1 / 3})
    assert content(path) == [{"step": 1, "a": 0.5, "b": 1}, {"step": 2, "a": 0.25, "b": 2}, {"step": 10, "a": 1 / 3}]


def test_every_row_is_flushed_to_the_disk(path: Path) -> None:
    file = MetricsFile(path)
    for step in range(5):
        file.write(step, {"a": step})
        assert len(content(path)) == step + 1


def test_values_of_one_step_share_its_row(path: Path) -> None:
    file = MetricsFile(path)
    file.write(1, {"a": 1.0, "b": 1.5, "c": 1.0})
    file.write(2, {"a": 2.0})
    file.write(2, {"b": 3.0})
    file.write(2, {"c": 4.0})
    file.write(3, {"a": 5.0})
    assert content(path) == [
        {"step": 1, "a": 1, "b": 1.5, "c": 1},
        {"step": 2, "a": 2, "b": 3, "c": 4},
        {"step": 3, "a": 5},
    ]


def test_a_value_written_again_replaces_the_first_one_even_if_shorter(path: Path) -> None:
    file = MetricsFile(path)
    file.write(1, {"a": 0.123456789012345})
    file.write(1, {"a": 0.5})
    assert content(path) == [{"step": 1, "a": 0.5}]
    file.write(2, {"a": 1.0})
    assert content(path) == [{"step": 1, "a": 0.5}, {"step": 2, "a": 1}]


def test_new_columns_are_added_to_the_row_of_their_step(path: Path) -> None:
    file = MetricsFile(path)
    file.write(1, {"a": 1.0})
    file.write(2, {"a": 2.0})
    file.write(2, {"validation/b": 3.0})
    file.write(3, {"a": 4.0, "c": 5.0})
    file.write(4, {"validation/b": 6.0})
    assert content(path) == [
        {"step": 1, "a": 1},
        {"step": 2, "a": 2, "validation/b": 3},
        {"step": 3, "a": 4, "c": 5},
        {"step": 4, "validation/b": 6},
    ]
    assert path.read_text().splitlines()[0] == "step,a,validation/b,c"


def test_a_step_without_values_has_a_row(path: Path) -> None:
    MetricsFile(path).write(3, {})
    assert content(path) == [{"step": 3}]


def test_numbers_are_stored_exactly_and_nan_is_a_value(path: Path) -> None:
    values = {"pi": math.pi, "small": 5e-324, "large": 1.7976931348623157e308, "infinite": -math.inf, "whole": 3}
    MetricsFile(path).write(1, values | {"nan": math.nan})
    [row] = read_rows(path)
    assert math.isnan(float(row["nan"]))
    assert {name: float(row[name]) for name in values} == values


@pytest.mark.parametrize("step", [0, 2, 3, 9])
def test_rows_after_a_restored_step_are_dropped(path: Path, step: int) -> None:
    file = MetricsFile(path)
    for number in (1, 2, 3, 4):
        file.write(number, {"a": number})
    file.drop_after(step)
    kept = [{"step": number, "a": number} for number in (1, 2, 3, 4) if number <= step]
    assert content(path) == kept
    file.write(step, {"b": 7.0})  # added to the row of the restored step, or a new row
    file.write(step + 1, {"a": 8.0})
    joined = {"step": step, "b": 7} | next((row for row in kept if row["step"] == step), {})
    assert content(path) == [*(row for row in kept if row["step"] != step), joined, {"step": step + 1, "a": 8}]


def test_drop_after_does_not_create_a_file(path: Path) -> None:
    MetricsFile(path).drop_after(3)
    assert not path.exists()


def test_a_reopened_file_is_continued(path: Path) -> None:
    first = MetricsFile(path)
    first.write(1, {"a": 1.0})
    first.write(2, {"a": 2.0})
    second = MetricsFile(path)
    assert second.columns == ["step", "a"]
    second.write(2, {"b": 3.0})
    second.write(3, {"a": 4.0, "b": 5.0})
    assert content(path) == [{"step": 1, "a": 1}, {"step": 2, "a": 2, "b": 3}, {"step": 3, "a": 4, "b": 5}]


def test_a_removed_file_is_created_again(path: Path) -> None:
    file = MetricsFile(path)
    file.write(1, {"a": 1.0})
    path.unlink()
    file.write(2, {"a": 2.0})
    assert content(path) == [{"step": 2, "a": 2}]


def test_opening_does_not_change_the_file(path: Path) -> None:
    MetricsFile(path)
    assert not path.exists()
    MetricsFile(path).write(1, {"a": 1.0})
    path.write_bytes(half := path.read_bytes() + b"2,")
    MetricsFile(path)
    assert path.read_bytes() == half  # another process may be writing


def test_a_truncated_file_keeps_its_complete_rows_and_is_continued(path: Path) -> None:
    file = MetricsFile(path)
    for number in (1, 2, 3):
        file.write(number, {"a": number / 3, "b": number})
    whole = path.read_bytes()
    header = whole.index(b"\n") + 1
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        complete = whole[:length].count(b"\n") - 1 if length >= header else 0
        assert [row["step"] for row in read_rows(path)] == ["1", "2", "3"][:complete]
        MetricsFile(path).write(4, {"a": 4.0})
        assert [row["step"] for row in content(path)] == [*(1, 2, 3)[:complete], 4]


def test_a_kill_during_a_rewrite_loses_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = MetricsFile(path)
    file.write(1, {"a": 1.0})
    before = path.read_bytes()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        file.write(2, {"new": 1.0})
    assert path.read_bytes() == before
