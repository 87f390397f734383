"""A headless Firefox, driven over the protocol WebDriver BiDi, which it speaks without a driver program."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websocket

PROGRAM = next(filter(None, map(shutil.which, ("firefox-esr", "firefox"))), None)
START_SECONDS = 60
WAIT_SECONDS = 30


class Firefox:
    """A page in Firefox.

    said: what the page wrote to the console
    requested: the addresses that it loaded, without those of its own data
    """

    def __init__(self, address: str) -> None:
        self._socket = websocket.create_connection(f"{address}/session", timeout=WAIT_SECONDS, suppress_origin=True)
        self._number = 0
        self.said: list[str] = []
        self.requested: list[str] = []
        self._call("session.new", capabilities={})
        self._call("session.subscribe", events=["log.entryAdded", "network.beforeRequestSent"])
        self._page = self._call("browsingContext.getTree")["contexts"][0]["context"]

    def open(self, page: Path) -> None:
        self._call("browsingContext.navigate", context=self._page, url=page.as_uri(), wait="complete")

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression: text, a number or a truth value."""
        found = self._call("script.evaluate", expression=expression, target={"context": self._page}, awaitPromise=False)
        if found["type"] != "success":
            raise RuntimeError(found["exceptionDetails"]["text"])
        return found["result"].get("value")

    def wait_for(self, condition: str) -> None:
        """Wait until a JavaScript expression is true."""
        last = time.monotonic() + WAIT_SECONDS
        while not self.run(f"Boolean({condition})"):
            assert time.monotonic() < last, f"{condition} did not become true; the page said {self.said}"
            time.sleep(0.02)

    def close(self) -> None:
        self._call("session.end")
        self._socket.close()

    def _call(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while (answer := json.loads(self._socket.recv())).get("id") != self._number:
            event = answer["params"]
            if answer["method"] == "log.entryAdded":
                self.said.append(event["text"])
            elif not event["request"]["url"].startswith(("data:", "blob:")):
                self.requested.append(event["request"]["url"])
        assert answer["type"] == "success", answer
        return answer["result"]


@pytest.fixture(scope="session")
def firefox_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running Firefox with an empty profile."""
    if PROGRAM is None:
        pytest.skip("needs firefox-esr: apt install firefox-esr")
    profile = tmp_path_factory.mktemp("firefox")
    said = profile / "said.txt"
    command = [PROGRAM, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port=0"]
    with said.open("w") as file:
        process = subprocess.Popen(command, stderr=file, env={"HOME": str(profile), "PATH": "/usr/bin:/bin"})
    try:
        last = time.monotonic() + START_SECONDS
        while not (found := re.search(r"WebDriver BiDi listening on (ws://\S+)", said.read_text())):
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < last, said.read_text()
            time.sleep(0.05)
        yield found[1]
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture
def firefox(firefox_address: str) -> Iterator[Firefox]:
    """Fails the test if the page uses the network or writes to the console."""
    browser = Firefox(firefox_address)
    yield browser
    browser.close()
    assert browser.said == []
    assert [address for address in browser.requested if not address.startswith("file:")] == []
