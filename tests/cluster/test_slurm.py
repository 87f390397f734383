"""Runs as SLURM jobs: on two nodes, preempted, requeued, cancelled, after the loss of a node."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from regard.config.compose import compose_points, freeze
from regard.errors import RegardError, UsageError
from regard.launch import slurm
from regard.launch.cancel import cancel
from regard.launch.jobs import inspect_run
from regard.launch.resume import prepare_resume, resume, retry
from regard.launch.start import start
from regard.runs.folder import RunFolder

pytestmark = pytest.mark.xdist_group("cluster")

MakeRun = Callable[..., RunFolder]
Wait = Callable[..., None]
Start = Callable[..., subprocess.Popen[str]]
Captured = pytest.CaptureFixture[str]

ON_SLURM = ["hydra/launcher=slurm", "trainer.val_check_interval=10", "callbacks.last.every_n_steps=1000"]
TWO_NODES = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=1", "trainer.num_nodes=2"]
LONG = ["trainer.max_steps=150", "trainer.log_every_n_steps=1", "model.dropout=0.1"]
MEASURED = ("train/loss", "train/gradient_norm", "validation/loss", "validation/bleu", "test/loss")


def measured(run: RunFolder) -> list[tuple[str, ...]]:
    with run.metrics.open(newline="") as file:
        return [(row["step"], *(row[name] for name in MEASURED)) for row in csv.DictReader(file)]


def steps(run: RunFolder) -> int:
    return run.metrics.read_text().count("\n") - 1 if run.metrics.exists() else 0


def status(run: RunFolder) -> str:
    return str(run.status()["status"])


def submit(*options: str) -> str:
    return slurm.submit(options)


@pytest.fixture(scope="module")
def undisturbed(make_run: MakeRun, launch: Callable[[list[RunFolder]], int]) -> RunFolder:
    """The same run in two processes on this machine."""
    run = make_run(
        *ON_SLURM, *LONG, "hydra/launcher=here", "trainer=ddp", "trainer.accelerator=cpu", "name=undisturbed"
    )
    assert launch([run]) == 0
    return run


def test_a_run_resumes_exactly_after_preemption_time_limit_and_cancel(
    cluster: Path, make_run: MakeRun, undisturbed: RunFolder, wait_until: Wait, capsys: pytest.CaptureFixture[str]
) -> None:
    """One run, interrupted three times: by a job in `high`, by the signal of --signal, by scancel."""
    watched = ["logger=wandb", "logger.mode=offline"]
    run = make_run(*ON_SLURM, *TWO_NODES, *LONG, *watched, "name=disturbed")
    assert start([run]) == 0
    job = run.job()
    assert job is not None
    assert f"job {job}" in capsys.readouterr().out

    wait_until(lambda: steps(run) > 10)
    assert inspect_run(run, slurm.queue()).node == "n[1-2]"
    submit("--partition=high", "--nodes=2", "--ntasks=16", "--output=/dev/null", "--wrap=sleep 1")
    wait_until(lambda: run.status()["attempt"] == 2)
    reached = steps(run)
    wait_until(lambda: steps(run) > reached + 10)

    subprocess.run(["scancel", "--signal=USR1", job], check=True)
    wait_until(lambda: status(run) == "preempted", 40)
    assert "SIGUSR1" in run.status()["why"]
    wait_until(lambda: run.status()["attempt"] == 3 and job in slurm.queue())
    wait_until(lambda: status(run) == "running")
    reached = steps(run)
    wait_until(lambda: steps(run) > reached + 10)

    assert cancel([run]) == [run]
    wait_until(lambda: status(run) == "cancelled", 40)
    wait_until(lambda: job not in slurm.queue(), 60)
    prepare_resume([run], [])
    assert start([run]) == 0
    wait_until(lambda: status(run) == "finished")

    assert run.status()["attempt"] == 4
    assert measured(run) == measured(undisturbed)
    ids = {path.name.rpartition("-")[2] for path in (run.path / "wandb").glob("offline-run-*")}
    assert ids == {(run.path / "wandb/run-id").read_text()}


def test_a_sweep_is_an_array_and_its_failed_runs_can_be_retried(
    cluster: Path, arguments: list[str], tmp_path: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text of one of two runs is missing at first. Only this one is retried."""
    text = Path(next(a for a in arguments if a.startswith("data.train=")).partition("=")[2])
    (tmp_path / "some.tsv").write_bytes(text.read_bytes().partition(b"\n")[2])
    points = [*arguments, "-m", *ON_SLURM, "name=sweep", f"data.train={text},{tmp_path}/some.tsv"]
    # A separate cache, so that the text is read.
    runs = freeze(compose_points([*points, f"paths.cache={tmp_path}/cache"]))
    (tmp_path / "some.tsv").rename(tmp_path / "away.tsv")
    assert start(runs) == 0
    jobs = {run.job() for run in runs}
    assert len({str(job).partition("_")[0] for job in jobs}) == 1, "one array"
    assert len(jobs) == 2
    wait_until(lambda: not jobs & slurm.queue().keys(), 120)
    assert [status(run) for run in runs] == ["finished", "failed"]
    assert "some.tsv" in runs[1].status()["why"]

    (tmp_path / "away.tsv").rename(tmp_path / "some.tsv")
    assert retry(runs, ["failed", "lost"], []) == 0
    wait_until(lambda: [status(run) for run in runs] == ["finished"] * 2)
    assert [run.status()["attempt"] for run in runs] == [1, 2]


def test_a_large_sweep_is_split_into_several_arrays(
    cluster: Path, make_run: MakeRun, tmp_path: Path, wait_until: Wait
) -> None:
    """The cluster allows 101 tasks per array. The jobs are held, so no run starts."""
    run = make_run(*ON_SLURM, "hydra.launcher.options=[--hold]", "name=many")
    runs = []
    for number in range(103):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name in ("config.yaml", "status.json", "overrides.yaml"):
            (folder / name).write_bytes((run.path / name).read_bytes())
        runs.append(type(run)(folder))
    (tmp_path / "sweep.json").write_text(json.dumps({"points": [[]] * 103}))
    assert start(runs) == 0
    assert len(slurm.queue()) == 103
    assert len({str(each.job()).partition("_")[0] for each in runs}) == 2
    assert inspect_run(runs[50], slurm.queue()).note.startswith("job ")
    with pytest.raises(UsageError, match="is in the queue"):
        resume(runs[:1], [])
    assert len(cancel(runs)) == 103
    wait_until(lambda: not slurm.queue(), 30)
    assert {status(each) for each in runs} == {"cancelled"}
    # A job of a cancelled run that starts nevertheless does nothing.
    assert start(runs[:1]) == 0
    job = runs[0].job()
    assert job in slurm.queue()
    subprocess.run(["scontrol", "release", job], check=True)
    wait_until(lambda: not slurm.queue(), 30)
    assert status(runs[0]) == "cancelled"
    assert not runs[0].metrics.exists()


def test_the_options_of_a_job_follow_from_the_run_and_the_launcher(cluster: Path, make_run: MakeRun) -> None:
    asked = [
        "batches.workers=1", "trainer.devices=2", "hydra.launcher.partition=high", "hydra.launcher.time_minutes=42",
        "hydra.launcher.memory_gb=3", "hydra.launcher.options=['--hold', '--comment=a word']",
        "hydra.launcher.setup=['export A=1','export B=2']", "hydra.launcher.python='apptainer exec --nv my.sif python'",
    ]  # fmt: skip
    run = make_run(*ON_SLURM, *TWO_NODES, *asked, "name=asked")
    assert start([run]) == 0
    job = run.job()
    assert job is not None
    found = subprocess.run(["scontrol", "show", "job", job], check=True, capture_output=True, text=True).stdout
    for fact in (
        "JobName=asked", "NumNodes=2-2", "NumTasks=4", "CPUs/Task=2", "NtasksPerN:B:S:C=2:0:*:*", "Partition=high",
        "TimeLimit=00:42:00", "MinMemoryNode=3G", "Comment=a word", f"StdOut={run.console}", "Requeue=1",
    ):  # fmt: skip
        assert fact in found, (fact, found)
    setup = (run.path / "setup.sh").read_text()
    assert setup == "export A=1\nexport B=2\npython=(apptainer exec --nv my.sif python)\n"
    cancel([run])


def test_a_setup_that_fails_is_reported_in_the_run_folder(
    cluster: Path, arguments: list[str], tmp_path: Path, wait_until: Wait
) -> None:
    setup = "hydra.launcher.setup=['echo no such module >&2','false']"
    runs = freeze(compose_points([*arguments, "-m", *ON_SLURM, setup, f"paths.runs={tmp_path}", "seed=1,2"]))
    assert start(runs) == 0
    wait_until(lambda: not slurm.queue(), 60)
    for run in runs:
        assert "no such module" in run.console.read_text(), "shown by `regard logs`"
        info = inspect_run(run, slurm.queue())
        assert (info.state, "ended before the run started" in info.note) == ("lost", True)


def test_workers_of_a_search_are_jobs(
    cluster: Path, arguments: list[str], tmp_path: Path, wait_until: Wait, start: Start, capsys: Captured
) -> None:
    from regard.search.start import describe_best, resume_search, start_search

    space = ["search=tpe", "search.trials=2", "search.workers=2", "+search.space.optimizer.lr={low: 0.001, high: 0.1}"]
    held = ["hydra/launcher=slurm", "hydra.launcher.options=['--hold']"]
    assert start_search([*arguments, f"paths.runs={tmp_path}", *space, *held]) == 0
    (folder,) = (tmp_path / "default").iterdir()
    assert f"regard jobs {folder} --watch" in capsys.readouterr().out
    with pytest.raises(UsageError, match="is in the queue"):
        resume_search(folder, [])
    watching = start("regard.cli", "jobs", str(folder), "--watch")
    with pytest.raises(subprocess.TimeoutExpired):
        watching.wait(timeout=8)
    subprocess.run(["scontrol", "release", str(RunFolder(folder).job())], check=True)
    wait_until(lambda: not slurm.queue(), 120)
    out, errors = watching.communicate(timeout=30)
    assert (watching.returncode, errors) == (0, "")
    assert "2 finished" in out, "runs that were created later are listed too"
    assert "best is trial" in out
    assert sorted(path.name for path in folder.iterdir() if path.name.isdecimal()) == ["0", "1"]
    found = describe_best(folder)
    assert found is not None
    assert found.startswith("best is trial")


def test_a_rejected_job_is_an_error_and_its_run_has_failed(cluster: Path, make_run: MakeRun) -> None:
    run = make_run(*ON_SLURM, "hydra.launcher.partition=nowhere", "name=refused")
    with pytest.raises(RegardError, match=r"sbatch.*partition"):
        start([run])
    assert status(run) == "failed"
    assert "partition" in run.status()["why"]


def test_sbatch_by_hand_reports_the_right_number_of_tasks(cluster: Path, make_run: MakeRun, wait_until: Wait) -> None:
    run = make_run(*ON_SLURM, *TWO_NODES, "name=by_hand")
    script = Path(__file__).parents[2] / "slurm/job.sbatch"
    python = Path(sys.executable).parent
    setup = run.path / "path.sh"
    setup.write_text(f"PATH={python}:$PATH\n")
    submit("--nodes=1", "--output=/dev/null", str(script), "--setup", str(setup), str(run.path))
    wait_until(lambda: status(run) == "failed")
    assert "--nodes=2 --ntasks-per-node=1" in run.status()["why"]
    # With a relative path; the job continues for some time after the run.
    by_name = f"cd {run.path.parent}; bash {script} --setup {setup} {run.path.name}; sleep 60"
    job = submit("-N2", "--ntasks-per-node=1", "--output=/dev/null", f"--wrap={by_name}")
    wait_until(lambda: status(run) == "running")
    assert run.job() == job, "the job is recorded when the run starts"
    with pytest.raises(UsageError, match="is in the queue"):
        resume([run], [])
    wait_until(lambda: status(run) == "finished")
    assert job in slurm.queue()
    assert cancel([run]) == []
    assert status(run) == "finished"
    subprocess.run(["scancel", job], check=True)
    wait_until(lambda: not slurm.queue(), 60)


def test_a_run_resumes_from_its_last_checkpoint_after_the_loss_of_a_node(
    cluster: Path, make_run: MakeRun, wait_until: Wait
) -> None:
    often = ["callbacks.last.every_n_steps=20", "trainer.max_steps=400", "trainer.val_check_interval=1000"]
    run = make_run(*ON_SLURM, *often, "hydra.launcher.options=['--nodelist=n2']", "name=lost")
    assert start([run]) == 0
    wait_until(lambda: steps(run) > 50)
    # Simulate the failure of the node: kill its daemon and all processes that it has started.
    ours = rf"slurmstepd: .{run.job()}[.]|n2/job0*{run.job()}/slurm_script|srun .*{run.path}"
    found = subprocess.run(["pgrep", "-f", ours], capture_output=True, text=True).stdout.split()
    slurmd = (cluster.parent / "n2.pid").read_text()
    for pid in [slurmd, *found, run.status()["pid"]]:
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    wait_until(lambda: status(run) == "lost", 5)
    # SLURM does this itself after SlurmdTimeout.
    subprocess.run(["scontrol", "update", "nodename=n2", "state=down", "reason=lost"], check=True)
    wait_until(lambda: "PENDING" in str(slurm.queue().get(str(run.job()))), 90)
    subprocess.run([Path(__file__).parents[2] / "slurm/local/up"], check=True, capture_output=True)
    wait_until(lambda: status(run) == "finished", 120)
    assert run.status()["attempt"] == 2
    assert [row[0] for row in measured(run)] == [str(step) for step in range(1, 401)]
