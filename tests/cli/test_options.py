"""Numeric options of the verbs, and lines of stdin."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from regard.cli import app
from regard.data.corpora.reading.lines import decoded_lines


def test_a_byte_order_mark_at_the_start_of_stdin_is_ignored() -> None:
    lines = [b"\xef\xbb\xbfMonday\r\n", b"\xef\xbb\xbfTuesday\n", b"red\rhouse"]
    assert list(decoded_lines(lines, "stdin")) == ["Monday", "\ufeffTuesday", "red\rhouse"]


def options_with_numbers() -> list[tuple[str, str, str]]:
    """Verb, option and invalid value, for every numeric option."""
    found = []
    for command in app.registered_commands:
        assert command.callback is not None
        for name, hint in get_type_hints(command.callback, include_extras=True).items():
            option = getattr(hint, "__metadata__", [None])[0]
            kinds = {get_args(hint)[0], *get_args(get_args(hint)[0])} if option else set()
            # In an annotation, typer stores the first name as the default.
            names = [str(getattr(option, "default", "")), f"--{name.replace('_', '-')}"]
            declared = next(each for each in names if each.startswith("--"))
            wrong = ["nan", "inf", "-inf", "x"] if float in kinds else []
            if int in kinds and declared != "--layer":  # checked against the model
                wrong = ["-1", "1.5", "nan"]
            found += [(command.callback.__name__, declared, value) for value in wrong]
    assert {option for _, option, _ in found} >= {"--length-penalty", "--top-p", "--beam-size", "--number", "--lines"}
    return found


@pytest.mark.parametrize(("verb", "option", "wrong"), options_with_numbers())
def test_numbers_out_of_range_are_wrong_usage(
    verb: str, option: str, wrong: str, regard: Callable[..., Any], tmp_path: Path
) -> None:
    said = regard(verb, tmp_path, option, wrong)
    assert said.code == 2
    assert said.out == ""
    assert option in said.err
    assert said.err.count("\n") == 1
