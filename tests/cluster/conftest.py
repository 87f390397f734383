"""A real SLURM of two nodes on this machine (slurm/local), for the tests in this folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

LOCAL = Path(__file__).parents[2] / "slurm/local"


def missing() -> str | None:
    """Why there can be no cluster here."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    if absent := [name for name in ("slurmctld", "slurmd", "munged", "sbatch") if not shutil.which(name, path=path)]:
        return f"not installed: {', '.join(absent)} (Debian: slurm-wlm, munge)"
    return None if os.getuid() == 0 else "SLURM's daemons need root"


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two idle nodes; SLURM_CONF names its configuration, which is given."""
    if reason := missing():
        pytest.skip(reason)
    folder = Path("/tmp") / f"regard-tests-slurm-{os.getpid()}"  # short: sockets have short names
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REGARD_SLURM_DIR", str(folder))
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        subprocess.run([LOCAL / "up"], check=True, capture_output=True)
        try:
            yield folder / "slurm.conf"
        finally:
            subprocess.run([LOCAL / "down"], check=True, capture_output=True)


@pytest.fixture
def installed() -> None:
    """SLURM's programs are there; the test need not have them running."""
    if reason := missing():
        pytest.skip(reason)


@pytest.fixture
def wait_until() -> Callable[..., None]:
    """Waits until something is true."""

    def wait(condition: Callable[[], object], seconds: float = 90) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.1)

    return wait
