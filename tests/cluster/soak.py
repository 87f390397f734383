"""Repeated interruptions of runs: python tests/cluster/soak.py NAME [COUNT]

preempted   one run on two nodes of the local cluster, preempted COUNT times at random moments, in turn by a job of
            higher priority, by the signal before a time limit, and by `scancel --signal=TERM`
killed      one run, killed with SIGKILL COUNT times, every fifth time while it writes a checkpoint
told        one run of two processes; each process and torchrun receive SIGTERM COUNT times
sweep       twelve runs, of which two crash and one reaches NaN; the cause is removed, and they are retried
many        a sweep of COUNT points, submitted to the local cluster, and cancelled
prepared    COUNT processes that prepare the same text at the same time

Each prints its findings and exits with 0 if they are as expected. `slurm/local/up` is called where it is needed.
"""

from __future__ import annotations

import csv
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).parents[2]
os.environ["OMP_NUM_THREADS"] = "1"
if TYPE_CHECKING:
    from regard.runs.folder import RunFolder

SMALL = [
    "model=demo", "model.dim=32", "model.depth=1", "model.num_heads=2", "model.ffn_dim=64", "model.dropout=0.1",
    "batches.tokens_per_batch=256", "batches.evaluation_tokens_per_batch=1024",
    "trainer.log_every_n_steps=1", "trainer.limit_val_batches=20", "trainer.limit_test_batches=2",
    "callbacks.attention.sentences=1", "logger=wandb", "logger.mode=offline",
]  # fmt: skip
MEASURED = ("step", "train/loss", "train/gradient_norm", "validation/loss", "validation/bleu", "test/loss")
TWO = ["trainer=ddp", "trainer.accelerator=cpu"]


def make(folder: Path, *overrides: str) -> list[RunFolder]:
    """Create frozen runs in ``folder``."""
    from regard.config.compose import compose_points, freeze

    places = [f"paths.runs={folder / 'runs'}", f"paths.cache={folder / 'cache'}"]
    return freeze(compose_points([*SMALL, *places, *overrides]))


def rows(run: RunFolder) -> list[tuple[str, ...]]:
    """Return the values of each step that must be equal."""
    with run.metrics.open(newline="") as file:
        return [tuple(row.get(name, "") for name in MEASURED) for row in csv.DictReader(file)]


def status(run: RunFolder) -> str:
    return str(run.status()["status"])


def steps(run: RunFolder) -> int:
    return run.metrics.read_bytes().count(b"\n") - 1 if run.metrics.exists() else 0


def wait_until(condition: Callable[[], Any], seconds: float = 180) -> float:
    """Wait until ``condition`` is true; return the seconds that passed."""
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > seconds:
            raise SystemExit("FAILED: timed out")
        time.sleep(0.02)
    return time.monotonic() - begin


def quiet(*command: str | Path, **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)


def work_through(run: RunFolder) -> None:
    """Do the work of ``run`` in subprocesses, without output."""
    from regard.launch.processes import run_all

    run_all([run], at_a_time=2)


def same_as(run: RunFolder, other: RunFolder) -> bool:
    """Return whether both runs are finished with equal values; print the differences."""
    from regard.observe.wandb.offline_file import history

    ids = {path.name.rpartition("-")[2] for path in (run.path / "wandb").glob("offline-run-*")}
    logged = [
        (row["trainer/global_step"], name)
        for path in (run.path / "wandb").glob("offline-run-*/*.wandb")
        for row in history(path)
        for name in row
        if name.startswith(("train/", "validation/", "test/"))
    ]
    equal = rows(run) == rows(other)
    print(
        f"{status(run)}; {len(rows(run))} rows, equal to the undisturbed run: {equal}; W&B runs: {len(ids)}, with "
        f"{len(logged)} values, {len(logged) - len(set(logged))} twice; attempts: {run.status()['attempt']}"
    )
    return status(run) == "finished" and equal and len(ids) == 1 and len(logged) == len(set(logged))


def preempted(count: int, folder: Path) -> bool:
    from regard.launch.slurm import submit
    from regard.launch.start import start

    long = [f"trainer.max_steps={400 + 40 * count}", "trainer.val_check_interval=150", *TWO]
    (undisturbed,) = make(folder, *long, "name=undisturbed")
    work_through(undisturbed)
    (run,) = make(folder, *long, "trainer.devices=1", "trainer.num_nodes=2", "hydra/launcher=slurm", "name=disturbed")
    start([run])
    for number in range(count):
        wait_until(lambda number=number: run.status()["attempt"] > number and status(run) == "running")
        if number % 4:  # every fourth interruption comes before the first step
            reached = steps(run)
            wait_until(lambda reached=reached: steps(run) > reached or status(run) != "running")
            time.sleep(random.uniform(0, 3))
        if status(run) == "finished":
            print(f"finished before interruption {number + 1}")
            return False
        how = ("job", "USR1", "TERM")[number % 3]
        if how == "job":
            submit(["--partition=high", "--nodes=2", "--ntasks=16", "--output=/dev/null", "--wrap=sleep 1"])
        else:
            subprocess.run(["scancel", f"--signal={how}", str(run.job())], check=True)
        left = wait_until(lambda: status(run) != "running", 60)
        print(f"{number + 1:3} {how:4} at row {steps(run)}: {status(run)} after {left:.1f} s", flush=True)
        if how == "TERM":  # without a preemption by SLURM, a job that received SIGTERM is not requeued
            wait_until(lambda: not subprocess.run(["squeue", "-hj", str(run.job())], capture_output=True).stdout, 90)
            start([run])
    wait_until(lambda: status(run) == "finished", 600)
    return same_as(run, undisturbed)


def killed(count: int, folder: Path) -> bool:

    long = [f"trainer.max_steps={300 + 40 * count}", "trainer.val_check_interval=60", "callbacks.last.every_n_steps=7"]
    (undisturbed,) = make(folder, *long, "name=undisturbed")
    work_through(undisturbed)
    (run,) = make(folder, *long, "name=killed")
    writing = run.checkpoints / ".last.ckpt.part"
    while_writing = 0
    for number in range(count):
        process = quiet(sys.executable, "-m", "regard.runs", run.path)
        reached = steps(run)
        wait_until(lambda reached=reached, process=process: steps(run) > reached + 5 or process.poll() is not None)
        if number % 5 == 0:
            wait_until(lambda process=process: writing.exists() or process.poll() is not None)
        else:
            time.sleep(random.uniform(0, 0.7))
        process.kill()
        while_writing += writing.exists()
        code = process.wait()
        print(f"{number + 1:3} row {steps(run)}, exit {code}, writing: {writing.exists()}: {status(run)}", flush=True)
        if code != -signal.SIGKILL or status(run) != "lost":
            return False
    print(f"killed {count} times, {while_writing} of them while a checkpoint was being written")
    work_through(run)
    return same_as(run, undisturbed)


def told(count: int, folder: Path) -> bool:
    from regard.launch.processes import work_command
    from regard.runs.resources import single_node_resources

    long = [f"trainer.max_steps={300 + 60 * count}", "trainer.val_check_interval=60", *TWO]
    (undisturbed,) = make(folder, *long, "name=undisturbed")
    work_through(undisturbed)
    (run,) = make(folder, *long, "name=told")
    longest = 0.0
    for number in range(count):
        process = quiet(*work_command(run, single_node_resources(run.config())), start_new_session=True)
        before = run.status()["attempt"]
        wait_until(lambda before=before: run.status()["attempt"] > before)
        reached = steps(run)
        if number % 5:
            wait_until(lambda reached=reached, process=process: steps(run) > reached or process.poll() is not None)
        time.sleep(random.uniform(0, 2.5))
        os.killpg(process.pid, signal.SIGTERM)
        seconds = wait_until(lambda process=process: process.poll() is not None, 120)
        longest = max(longest, seconds)
        saved = (run.checkpoints / "last.ckpt").exists() or steps(run) == 0
        print(f"{number + 1:3} row {steps(run)}: {status(run)} after {seconds:.1f} s, checkpoint: {saved}", flush=True)
        if status(run) != "preempted" or not saved or seconds > 30:
            return False
    print(f"stopped {count} times, no process hung, the longest stop took {longest:.1f} s")
    work_through(run)
    return same_as(run, undisturbed)


BROKEN = """
import pytorch_lightning as pl
from pathlib import Path

class Breaks(pl.Callback):
    '''Raises an error, or sets weights to NaN, while the file ``switch`` exists.'''

    def __init__(self, how, switch):
        self.how, self.switch = how, Path(switch)

    def on_train_batch_end(self, trainer, module, *_):
        if not self.switch.exists() or trainer.global_step != 12:
            return
        if self.how == "crash":
            raise ZeroDivisionError("a bug in a callback")
        if self.how == "nan":
            next(module.parameters()).data.fill_(float("nan"))
"""


def sweep(count: int, folder: Path) -> bool:
    """Run twelve points, of which two crash and one reaches NaN, and retry them."""
    from regard.launch.resume import retry
    from regard.launch.start import start

    (folder / "breaks.py").write_text(BROKEN)
    os.environ["PYTHONPATH"] = f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    sys.path.insert(0, str(folder))
    switch = folder / "switch"
    switch.touch()
    hows = ["none"] * 9 + ["crash"] * 2 + ["nan"]
    conf = folder / "conf/callbacks"
    conf.mkdir(parents=True)
    for number, how in enumerate(hows):
        text = f"defaults: [default]\nbreaks:\n  _target_: breaks.Breaks\n  how: {how}\n  switch: {switch}\n"
        (conf / f"point{number}.yaml").write_text(text)
    names = ",".join(f"point{number}" for number in range(12))
    short = ["trainer.max_steps=30", "trainer.val_check_interval=10", "callbacks.last.every_n_steps=5"]
    where = ["--config-dir", str(folder / "conf"), "-m", "hydra/launcher=local", "hydra.launcher.jobs=2"]
    runs = make(folder, *where, *short, f"callbacks={names}", "name=twelve")
    code = start(runs)
    ends = [status(run) for run in runs]
    print(f"exit code {code}; {ends.count('finished')} finished, {ends.count('failed')} failed:")
    for run in runs:
        if status(run) == "failed":
            print(f"  {run.path.name}: {run.status()['why']}")
    if code != 1 or ends != ["finished"] * 9 + ["failed"] * 3:
        return False
    switch.unlink()
    code = retry(runs, ["failed", "lost"], [])
    attempts = [run.status()["attempt"] for run in runs]
    print(f"after the cause was removed: exit code {code}; attempts {attempts}")
    return code == 0 and attempts == [1] * 9 + [2] * 3


def many(count: int, folder: Path) -> bool:
    from regard.launch.cancel import cancel
    from regard.launch.slurm import queue
    from regard.runs.find import find_runs

    places = [f"paths.runs={folder / 'runs'}", f"paths.cache={folder / 'cache'}"]
    points = [f"seed=range(1,{count // 4 + 1})", "model.dropout=0.0,0.1,0.2,0.3"]
    begin = time.monotonic()
    regard = Path(sys.executable).with_name("regard")
    done = subprocess.run(
        [regard, "train", "-m", *SMALL, *places, *points, "hydra/launcher=slurm", "hydra.launcher.options=['--hold']"],
        capture_output=True,
        text=True,
    )
    seconds = time.monotonic() - begin
    print(done.stdout + done.stderr, end="")
    waiting = len(queue())
    runs = find_runs([folder / "runs"], print)
    print(f"{len(runs)} points composed, checked, frozen and submitted in {seconds:.1f} s; {waiting} in the queue")
    ended = cancel(runs)
    wait_until(lambda: not queue(), 60)
    return done.returncode == 0 and len(runs) == waiting == len(ended) == count and seconds < 60


def prepared(count: int, folder: Path) -> bool:
    """Prepare a text in COUNT forked processes, which share the imported modules to save memory."""
    from regard.instantiate import build

    (run,) = make(folder, "name=prepared")
    answers = folder / "answers"
    answers.mkdir()
    children = []
    for number in range(count):
        if not (child := os.fork()):
            messages: list[str] = []
            made = build(run.config()["batches"], say=messages.append).prepared.folder
            waited, encoded = (any(word in each for each in messages) for word in ("waiting", "encoding"))
            (answers / str(number)).write_text(f"{made} {waited} {encoded}")
            os._exit(0)
        children.append(child)
    codes = [os.waitpid(child, 0)[1] for child in children]
    lines = [path.read_text().split() for path in answers.iterdir()]
    waited, encoded = (sum(line[number] == "True" for line in lines) for number in (1, 2))
    one = len({line[0] for line in lines})
    left = [path.name for path in (folder / "cache").iterdir() if "partial" in path.name]
    print(f"{count} processes: {encoded} prepared, {waited} waited, {one} folder, left over: {left}")
    return encoded == one == 1 and not left and not any(codes) and len(lines) == count


TASKS: dict[str, tuple[Callable[[int, Path], bool], int]] = {
    "preempted": (preempted, 20),
    "killed": (killed, 50),
    "told": (told, 50),
    "sweep": (sweep, 12),
    "many": (many, 200),
    "prepared": (prepared, 50),
}


def main() -> int:
    if len(sys.argv) < 2 or sys.argv[1] not in TASKS:
        print(__doc__, file=sys.stderr)
        return 2
    name = sys.argv[1]
    task, default_count = TASKS[name]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else default_count
    if name in ("preempted", "many") and "SLURM_CONF" not in os.environ:
        up = subprocess.run([ROOT / "slurm/local/up"], check=True, capture_output=True, text=True).stdout
        os.environ["SLURM_CONF"] = up.rpartition("export SLURM_CONF=")[2].strip()
    folder = Path(tempfile.mkdtemp(prefix="regard-soak-"))
    begin = time.monotonic()
    passed = task(count, folder)
    print(f"{name}: {'passed' if passed else 'FAILED'}, {time.monotonic() - begin:.0f} s")
    if passed:
        shutil.rmtree(folder)
    else:
        print(f"kept for inspection: {folder}")
    return not passed


if __name__ == "__main__":
    sys.exit(main())
