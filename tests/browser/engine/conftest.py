"""The engine of live pages in a worker of a real Chromium, under the policy of a page that needs no network."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from regard.exchange.page.engine import engine_source

if TYPE_CHECKING:
    from tests.browser.conftest import Browser

PAGE = """<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; script-src 'unsafe-inline'; worker-src blob:; img-src data:">
<script type="text/plain" id="engine">{engine}</script>
<script type="application/json" id="given">{given}</script>
<script>
  const text = (id) => document.getElementById(id).textContent;
  const worker = new Worker(URL.createObjectURL(new Blob([text("engine")], {{ type: "text/javascript" }})));
  const answers = [];
  let wake = null;
  worker.onmessage = ({{ data }}) => {{ answers.push(data); if (wake) wake(); }};
  worker.onerror = ({{ message }}) => {{ answers.push({{ kind: "error", message }}); if (wake) wake(); }};
  for (const message of JSON.parse(text("given"))) worker.postMessage(message);
</script>
"""

WAIT = """
const [isLast, done] = arguments;
const check = () => answers.some(({ kind }) => kind === "error" || kind === isLast) && done(answers);
window.wake = wake = check;
check();
"""

Compute = Callable[[str, list[Any], str], list[Any]]
"""(script that is added to the engine, messages to it, kind of the last answer) -> answers"""


@pytest.fixture(scope="session")
def compute(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Compute:
    """Sends messages to the engine, and returns its answers. The page must not complain or use the network."""

    def run(script: str, messages: list[Any], last: str) -> list[Any]:
        given = json.dumps(messages).replace("<", "\\u003c")
        page: Path = tmp_path_factory.mktemp("engine") / "page.html"
        page.write_text(PAGE.format(engine=engine_source() + script, given=given), encoding="utf-8")
        chromium.open(page)
        answers = chromium.driver.execute_async_script(WAIT, last)
        assert chromium.console() == []
        assert chromium.requests() == []
        errors = [answer["message"] for answer in answers if answer["kind"] == "error"]
        assert errors == []
        return list(answers)

    return run
