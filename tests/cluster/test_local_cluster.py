"""slurm/local: start, use and stop the local cluster."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("cluster")

LOCAL = Path(__file__).parents[2] / "slurm/local"


def call(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_up_starts_two_idle_nodes_that_share_a_job(cluster: Path) -> None:
    assert sorted(call("sinfo", "--noheader", "--Node", "--partition=low", "--format=%N:%t").split()) == [
        "n1:idle",
        "n2:idle",
    ]
    assert sorted(call("srun", "-N2", "-n2", "printenv", "SLURMD_NODENAME").split()) == ["n1", "n2"]


def test_up_again_changes_nothing(cluster: Path) -> None:
    before = (cluster.parent / "slurmctld.pid").read_text()
    assert "the cluster was already running" in call(LOCAL / "up")
    assert (cluster.parent / "slurmctld.pid").read_text() == before


def test_down_stops_only_its_own_cluster(cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Path(f"/tmp/regard-other-slurm-{os.getpid()}")
    monkeypatch.setenv("REGARD_SLURM_DIR", str(other))
    assert f"export SLURM_CONF={other}/slurm.conf" in call(LOCAL / "up")
    pids = [int((other / f"{name}.pid").read_text()) for name in ("munged", "slurmctld", "n1", "n2")]
    assert all(Path(f"/proc/{pid}").exists() for pid in pids)
    assert "stopped" in call(LOCAL / "down")
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert not other.exists()
    assert "the cluster is not running" in call(LOCAL / "down")
    assert call("srun", "-N2", "-n2", "printenv", "SLURMD_NODENAME"), "the first cluster still works"


@pytest.mark.parametrize("what", ["files", "slurm.conf", "link"])
def test_a_foreign_folder_is_neither_used_nor_removed(
    installed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    if what != "link":
        (foreign / {"files": "thesis.tex"}.get(what, what)).write_text("years of work")
    folder = foreign
    if what == "link":
        folder = tmp_path / "link"
        folder.symlink_to(foreign)
    monkeypatch.setenv("REGARD_SLURM_DIR", str(folder))
    before = sorted(tmp_path.rglob("*"))
    for script in ("up", "down"):
        done = subprocess.run([LOCAL / script], capture_output=True, text=True)
        assert done.returncode == 1
        assert str(folder) in done.stderr
        assert done.stderr.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_missing_programs_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("bash", "dirname", "readlink", "id"):
        (tmp_path / name).symlink_to(f"/usr/bin/{name}")
    monkeypatch.setenv("REGARD_SLURM_DIR", str(tmp_path / "slurm"))
    script = (LOCAL / "up").read_text().replace("/usr/sbin:/sbin", "")
    common = (LOCAL / "common").read_text().replace(":/usr/sbin:/sbin", "")
    (tmp_path / "up").write_text(script)
    (tmp_path / "common").write_text(common)
    done = subprocess.run(
        ["/bin/bash", tmp_path / "up"], env=os.environ | {"PATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "apt-get install slurm-wlm munge" in done.stderr
    assert done.stderr.count("\n") == 1
