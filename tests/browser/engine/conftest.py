"""The engine of live pages in a worker of a real Chromium, under the policy of a page that needs no network."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.browser.conftest import Browser

PAGE = """<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; script-src 'unsafe-inline'; worker-src blob:; img-src data:">
<script type="text/plain" id="worker">{script}</script>
<script type="application/json" id="messages">{messages}</script>
<script>
  const text = (id) => document.getElementById(id).textContent;
  const worker = new Worker(URL.createObjectURL(new Blob([text("worker")], {{ type: "text/javascript" }})));
  const messages = JSON.parse(text("messages"));
  const answers = [];
  let finish = null;
  const check = () => finish && answers.some(({{ kind }}) => kind === "end" || kind === "error") && finish(answers);
  const send = () => {{
    if (messages.length) worker.postMessage(messages.shift());
    else answers.push({{ kind: "end" }});
  }};
  worker.onmessage = ({{ data }}) => {{
    answers.push(data);
    if (data.kind === messages[0]?.after || !["token", "part"].includes(data.kind)) send();
    check();
  }};
  worker.onerror = ({{ message }}) => {{ answers.push({{ kind: "error", message }}); check(); }};
  send();
</script>
"""

Compute = Callable[[str, list[Any]], list[Any]]
"""(script of the worker, messages to it) -> its answers

The next message is sent after an answer that is not a part of a longer one; or after one of the kind ``after``.
"""


@pytest.fixture(scope="session")
def compute(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Compute:
    """Sends messages to a worker, and returns its answers. The page must not complain or use the network."""

    def run(script: str, messages: list[Any]) -> list[Any]:
        given = json.dumps(messages).replace("<", "\\u003c")
        page: Path = tmp_path_factory.mktemp("engine") / "page.html"
        page.write_text(PAGE.format(script=script, messages=given), encoding="utf-8")
        chromium.open(page)
        answers = chromium.driver.execute_async_script("finish = arguments[0]; check();")
        assert chromium.console() == []
        assert chromium.requests() == []
        errors = [answer["message"] for answer in answers if answer["kind"] == "error"]
        assert errors == []
        return list(answers[:-1])

    return run
