"""The Python code of exchange/README.md works, and begins with what regard translates."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "src" / "regard" / "exchange" / "README.md"


@pytest.mark.parametrize("to", ["ctranslate2", "onnx"])
def test_the_code_translates(
    make_checkpoint: Callable[..., Path],
    regard: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    to: str,
) -> None:
    (code,) = (block for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if to[:4] in block)
    path = make_checkpoint("default", translates=True)
    expected = regard("translate", path, "--beam-size", 4 if to == "ctranslate2" else 1, stdin="the house is red").out
    assert regard("export", path, "--to", to, "--output", tmp_path / "model").code == 0
    monkeypatch.chdir(tmp_path)
    exec(compile(code, str(PAGE), "exec"), {})
    # Other programs have other limits of the length, which random weights reach.
    assert capsys.readouterr().out.startswith(expected[:60].strip())
