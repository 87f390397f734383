"""The page of a word's neighbours in a real headless Chromium: what it shows, and that nothing in it runs."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from regard.observe.draw.neighbours_map import render_projection
from regard.observe.measure.neighbours import Neighbour, Neighbourhood, Projection

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium found; install the package chromium")

HOSTILE = "<script>document.title='ran'</script><img src=x onerror=\"document.title='ran'\">"
OPTIONS = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-sync".split()


def test_tokens_are_shown_and_never_run(tmp_path: Path) -> None:
    around = Neighbourhood(HOSTILE, ["▁a"], [Neighbour(5, HOSTILE, 0.5), Neighbour(6, "▁b", 0.25)], np.ones(2))
    points = Projection([HOSTILE, HOSTILE, "▁b"], [0, 1, 1], np.array([[0.0, 0.0], [4.0, 0.0], [2.0, 2.0]]), 0.4)
    page = tmp_path / "map.html"
    page.write_text(render_projection(around, points), encoding="utf-8")
    command = [BROWSER, *OPTIONS, f"--user-data-dir={tmp_path / 'user'}", "--enable-logging=stderr"]
    command += ["--virtual-time-budget=3000", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    dom = done.stdout
    assert "<title>ran" not in dom
    assert "<img" not in dom
    assert dom.count("<circle") == 3
    assert re.findall(r"<td>(0\.\d+)</td>", dom) == ["0.500", "0.250"]
    assert "<td>␣b</td>" in dom
    said = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert said == []
