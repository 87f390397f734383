"""Building objects: errors have one line with the key."""

from __future__ import annotations

from typing import Any

import pytest

from regard.errors import RegardError, UsageError
from regard.instantiate import build

COSINE = "regard.training.schedule.cosine"


def test_it_calls_the_target_with_keys_and_arguments() -> None:
    assert build({"_target_": COSINE, "warmup_steps": 10}, total_steps=100)(4) == 0.5


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"_target_": COSINE, "warmup_steps": 1}, [COSINE, "total_steps"]),
        ({"_target_": COSINE, "wormup_steps": 1, "total_steps": 2}, [COSINE, "wormup_steps"]),
        ({"_target_": f"{COSINE}s"}, [f"{COSINE}s"]),
        ({"_target_": "builtins.dict", "a": {"b": {"_target_": COSINE}}}, ["a.b: ", "warmup_steps", "total_steps"]),
        (
            {"_target_": "regard.model.attention.MultiHeadAttention", "dim": 10, "num_heads": 4},
            ["MultiHeadAttention", "dim 10 must be a multiple of num_heads 4"],
        ),
    ],
)
def test_the_error_of_a_target_that_cannot_be_called_names_its_key(config: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(UsageError) as raised:
        build(config)
    assert all(word in str(raised.value) for word in words)
    assert "\n" not in str(raised.value)


def test_a_class_of_another_version_is_reported() -> None:
    with pytest.raises(UsageError, match=r"regard\.data\.filters\.Length is not in regard .*: another version"):
        build({"_target_": "regard.data.filters.Length"})


def refuse(key: str) -> None:
    raise RegardError(f"{key}: the message of the called code")


@pytest.mark.parametrize("depth", [0, 2])
def test_errors_of_the_called_code_are_raised_unchanged(depth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regard.training.schedule.constant", refuse)
    config: dict[str, Any] = {"_target_": "regard.training.schedule.constant", "key": "here"}
    for _ in range(depth):
        config = {"_target_": "builtins.dict", "inner": config}
    with pytest.raises(RegardError, match=r"^here: the message of the called code$") as raised:
        build(config)
    assert type(raised.value) is RegardError
