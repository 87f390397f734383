"""A real SLURM cluster of two nodes on this machine (slurm/local), for the tests in this folder."""

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
    """Return why the cluster cannot be started on this machine, or None."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    if absent := [name for name in ("slurmctld", "slurmd", "munged", "sbatch") if not shutil.which(name, path=path)]:
        return f"not installed: {', '.join(absent)} (Debian: slurm-wlm, munge)"
    return None if os.getuid() == 0 else "the daemons of SLURM need root"


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Start a cluster of two idle nodes; the fixture is the path of slurm.conf, which SLURM_CONF names too."""
    if reason := missing():
        pytest.skip(reason)
    folder = Path("/tmp") / f"regard-tests-slurm-{os.getpid()}"  # short, since the path of a socket is limited
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
    """Skip the test if SLURM is not installed; the cluster is not started."""
    if reason := missing():
        pytest.skip(reason)


@pytest.fixture
def wait_until() -> Callable[..., None]:
    """Returns a function that waits until a condition is true."""

    def wait(condition: Callable[[], object], seconds: float = 90) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "timed out"
            time.sleep(0.1)

    return wait
