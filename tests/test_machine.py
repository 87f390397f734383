"""Resources of this machine."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from regard.machine import emulates_bfloat16


@pytest.mark.parametrize("given", [None, "ACTIVE"])
def test_the_command_lets_waiting_threads_sleep_unless_the_user_decides(given: str | None) -> None:
    code = (
        "import os, sys; sys.argv = ['regard', '--help']\n"
        "from regard.cli import main\n"
        "try: main()\n"
        "finally: print(os.environ['OMP_WAIT_POLICY'], file=sys.stderr)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    environment |= {"OMP_WAIT_POLICY": given} if given else {}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stderr == f"{given or 'PASSIVE'}\n"


def test_bfloat16_is_emulated_by_cpus_without_instructions_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert emulates_bfloat16("cpu")
    assert not emulates_bfloat16("cuda")
    assert not emulates_bfloat16("gpu")
