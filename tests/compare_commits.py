#!/usr/bin/env python3
"""Check that two commits of regard behave the same: a script to run by hand after a refactoring.

    python tests/compare_commits.py BEFORE [AFTER] [--steps 200]

AFTER is HEAD unless given. Each commit is checked out into a temporary folder and run with this Python, on one thread
of the CPU, in about ten minutes. One line is printed per check:

- freeze: every experiment and a dozen combinations of overrides. The frozen config.yaml is equal, up to ``RENAMED``,
  ``MOVED`` and ``REMOVED`` below. (Runs are frozen by submitting them to an ``sbatch`` that does nothing.)
- train: the experiments phrases_en_de and pydocs for ``--steps`` steps. All columns of metrics.csv except time and
  memory, and every tensor of the last checkpoint, are equal bit for bit. Both commits use one cache: nothing is
  prepared twice, so the fingerprints of prepared corpora are equal too.
- use: AFTER translates, scores and generates with checkpoints of BEFORE as BEFORE does, and draws an attention page
  with the same numbers.
- resume: a run of AFTER that was stopped and resumed has the losses of one that was not. A run of BEFORE is resumed
  with the losses of a run of BEFORE, or refused with one line.

Exit code 0 if every check passed.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
import yaml

ROOT = Path(__file__).resolve().parents[1]

RENAMED = {
    "regard.model.positions.Unmarked": "regard.model.positions.NoPositions",
    "regard.model.encoder.TextEncoder": "regard.model.encoders.text.TextEncoder",
    "regard.model.image_encoder.PatchEncoder": "regard.model.encoders.patches.PatchEncoder",
    "regard.model.torchvision_encoder.TorchvisionEncoder": "regard.model.encoders.torchvision.TorchvisionEncoder",
}
"""Values of config.yaml with a new name: names of classes and functions."""

MOVED = {"task.label_smoothing": "task.objective.label_smoothing"}
"""Keys of config.yaml with a new name."""

REMOVED = ("regard", "task.optimizer", "task.schedule", "task.objective._target_")
"""Keys of config.yaml that only one of the commits may have: the version, and what another key says too."""

OVERRIDES = (
    "task=translation",
    "task=language",
    "model=base tokenizer.vocab_size=16000 trainer=gpu schedule=inverse_square_root optimizer.lr=7e-4",
    "trainer=ddp trainer.devices=4",
    "trainer=fsdp trainer.devices=2 trainer.num_nodes=2",
    "trainer=debug callbacks=early_stopping",
    "trainer=overfit logger=none",
    "callbacks=moving_average callbacks.attention.sentences=2",
    "residual=post_norm norm=rms_norm feed_forward=swiglu positions=learned model.depth=3",
    "task=language positions=sinusoidal tokenizer=byte batches.isolate_documents=true",
    "task=language model=gpt2 batches.stride=64 filters=documents feed_forward=gelu",
    "tokenizer=unigram tokenizer.joint=false batches.sampling_alpha=0.1 filters=clean",
    "task=language data=tinyshakespeare tokenizer=char model=nano model.mixer.num_kv_heads=2 schedule=constant",
    "data=multi30k data.source=de data.target=en model=tiny seed=7",
)
TRAINED = {"phrases_en_de": "translation", "pydocs": "language"}
MEASURED = re.compile(r".*(second|time|memory|gib|duration).*")
"""Columns of metrics.csv that differ between two equal runs."""

SOURCES = "Monday, August 2, 2038\nin 3 weeks\n12 kilometers\n"


class Commit:
    """A commit checked out into ``folder``, which also holds the runs that it makes."""

    def __init__(self, name: str, folder: Path, cache: Path) -> None:
        self.folder, self.code, self.cache = folder, folder / "code", cache
        subprocess.run(["git", "-C", str(ROOT), "worktree", "add", "-q", "--detach", str(self.code), name], check=True)
        fake = folder / "bin"
        fake.mkdir()
        for command, output in {"sbatch": "1", "squeue": "", "scontrol": "MaxArraySize = 1001"}.items():
            (fake / command).write_text(f"#!/bin/sh\necho '{output}'\n")
            (fake / command).chmod(0o755)
        self.environment = os.environ | {
            "PYTHONPATH": str(self.code / "src"),
            "PATH": f"{fake}:{os.environ['PATH']}",
            "OMP_NUM_THREADS": "1",
            "REGARD_DEBUG": "",
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the command line of this commit."""
        return subprocess.Popen(
            [sys.executable, "-m", "regard.cli", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env=self.environment,
        )

    def regard(self, *arguments: str, stdin: str = "") -> str:
        """Run the command line of this commit and return its stdout. Raises RuntimeError if it fails."""
        process = self.start(*arguments)
        out, err = process.communicate(stdin)
        if process.returncode:
            raise RuntimeError(f"regard {' '.join(arguments)}: exit code {process.returncode}: {err.strip()[-500:]}")
        return out

    def run_folder(self, name: str) -> Path:
        """Return the folder of the only run with this name."""
        (run,) = (self.folder / "runs" / name).glob("*/")
        return run

    def freeze(self, name: str, *overrides: str) -> dict[str, Any]:
        """Freeze a run without starting it and return its configuration, flat and without the paths of this machine."""
        slurm = ["hydra/launcher=slurm", f"paths.cache={self.cache}"]
        if not any("gpu" in each for each in overrides):
            slurm.append("trainer.accelerator=cpu")
        sweep = ["-m"] if "experiment=seeds" in overrides else []
        self.regard("train", *sweep, *overrides, *slurm, f"name={name}")
        text = next((self.folder / "runs" / name).rglob("config.yaml")).read_text().replace(str(self.folder), "FOLDER")
        return dict(flatten(yaml.safe_load(text)))

    def train(self, experiment: str, steps: int, name: str) -> Path:
        """Train an experiment and return the run folder."""
        self.regard("train", *self.training(experiment, steps, name))
        return self.run_folder(name)

    def training(self, experiment: str, steps: int, name: str) -> list[str]:
        """Arguments of ``regard train``."""
        short = [f"trainer.max_steps={steps}", f"trainer.val_check_interval={steps // 2}", "trainer.accelerator=cpu"]
        short += ["trainer.limit_val_batches=4", "trainer.limit_test_batches=4", "trainer.log_every_n_steps=1"]
        return [f"experiment={experiment}", *short, "logger=none", f"paths.cache={self.cache}", f"name={name}"]


def flatten(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested mappings and sequences with their dotted keys."""
    if isinstance(value, Mapping) and value:
        for name, below in value.items():
            yield from flatten(below, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list | tuple) and value:
        for number, below in enumerate(value):
            yield from flatten(below, f"{key}.{number}")
    else:
        yield key, value


def require_equal(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Raise RuntimeError with the first keys whose values differ."""
    keys = dict.fromkeys([*before, *after])
    missing = object()
    different = [key for key in keys if not same(before.get(key, missing), after.get(key, missing))]
    if different:
        shown = [f"{key}: {before.get(key, 'missing')} -> {after.get(key, 'missing')}" for key in different[:3]]
        raise RuntimeError(f"{len(different)} of {len(keys)} values differ: {'; '.join(shown)}")


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal; tensors bit for bit."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one.dtype == other.dtype and one.shape == other.shape and bool((bits(one) == bits(other)).all())
    return type(one) is type(other) and bool(one == other)


def bits(tensor: torch.Tensor) -> torch.Tensor:
    """Return the bytes of a tensor."""
    return tensor.contiguous().reshape(-1).view(torch.uint8)


def check_frozen(before: Commit, after: Commit) -> Iterator[tuple[str, Callable[[], str]]]:
    """Freeze each experiment and each combination of overrides with both commits."""
    experiments = [f"experiment={path.stem}" for path in sorted((after.code / "experiments").glob("*.yaml"))]
    for number, overrides in enumerate([*experiments, *OVERRIDES]):

        def check(number: int = number, overrides: str = overrides) -> str:
            one, other = (commit.freeze(f"freeze-{number}", *overrides.split()) for commit in (before, after))
            one = {MOVED.get(k, k): RENAMED.get(v, v) if isinstance(v, str) else v for k, v in one.items()}
            one, other = (
                {k: v for k, v in each.items() if not any(f"{k}.".startswith(f"{key}.") for key in REMOVED)}
                for each in (one, other)
            )
            require_equal(one, other)
            return f"{len(other)} equal keys"

        yield f"freeze {overrides}", check


def check_trained(before: Commit, after: Commit, steps: int) -> Iterator[tuple[str, Callable[[], str]]]:
    """Train both experiments with both commits."""
    for experiment, task in TRAINED.items():

        def check(experiment: str = experiment, task: str = task) -> str:
            one, other = (commit.train(experiment, steps, task) for commit in (before, after))
            require_equal(dict(metrics(one)), dict(metrics(other)))
            tensors = [dict(tensors_of(run / "checkpoints" / "last.ckpt")) for run in (one, other)]
            require_equal(*tensors)
            prepared = len([path for path in before.cache.iterdir() if path.is_dir()])
            if prepared != list(TRAINED).index(experiment) + 1:
                raise RuntimeError(f"{prepared} prepared corpora: the fingerprint has changed")
            return f"{len(dict(metrics(other)))} metrics and {len(tensors[1])} tensors are equal"

        yield f"train {experiment}", check


def metrics(run: Path) -> Iterator[tuple[str, str]]:
    """Yield the values of metrics.csv by row and column, without times and memory."""
    with (run / "metrics.csv").open(newline="") as file:
        for number, row in enumerate(csv.DictReader(file)):
            yield from ((f"{number}.{name}", value) for name, value in row.items() if not MEASURED.fullmatch(name))


def tensors_of(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the tensors of a checkpoint: weights, optimizer states and random states, by dotted name."""
    content = torch.load(path, map_location="cpu", weights_only=True)
    for key, value in flatten(content):
        if isinstance(value, torch.Tensor) and not MEASURED.fullmatch(key):
            yield key, value


def check_used(before: Commit, after: Commit) -> Iterator[tuple[str, Callable[[], str]]]:
    """Use the checkpoints of the commit before with both commits."""
    translator, language = (before.folder / "runs" / task for task in ("translation", "language"))

    def outputs(stdin: str, *arguments: str) -> str:
        one, other = (commit.regard(*arguments, stdin=stdin) for commit in (before, after))
        numbers = [re.findall(r"-?\d+\.\d+", text) for text in (one, other)]
        if numbers[0] != numbers[1] or (arguments[0] != "score" and one != other):
            raise RuntimeError(f"{one[:300]!r} before, {other[:300]!r} after")
        return f"{len(other)} equal characters"

    def checkpoint(folder: Path) -> str:
        (run,) = folder.iterdir()
        return str(run / "checkpoints" / "best.ckpt")

    def translate() -> str:
        return outputs(SOURCES, "translate", checkpoint(translator), "--beam-size", "4")

    def score() -> str:
        return outputs("A class is an object.\n", "score", checkpoint(language), "--tokens")

    def generate() -> str:
        return outputs("", "generate", checkpoint(language), "--prompt", "The import", "--seed", "3")

    def attend() -> str:
        pages = []
        for commit in (before, after):
            page = commit.folder / "attend.html"
            commit.regard("attend", checkpoint(translator), "--source", "in 3 weeks", "--output", str(page))
            pages.append(Counter(numbers_of_page(page)))
        require_equal(*({str(value): count for value, count in page.items()} for page in pages))
        return f"{sum(pages[1].values())} equal numbers and packed vectors"

    yield from {"translate": translate, "score": score, "generate": generate, "attend": attend}.items()


def numbers_of_page(path: Path) -> Iterator[Any]:
    """Yield numbers, and strings without spaces (vectors packed into base64), from the data of an attention page."""
    scripts = re.findall(
        r'<script[^>]*type="(?:application/json|text/plain)"[^>]*>(.*?)</script>', path.read_text(), re.DOTALL
    )
    if not scripts:
        raise RuntimeError(f"{path}: no data found")
    for script in scripts:
        try:
            values = [value for _, value in flatten(json.loads(script))]
        except json.JSONDecodeError:
            values = [script.strip()]
        yield from (
            v for v in values if isinstance(v, int | float) or (isinstance(v, str) and len(v) > 20 and " " not in v)
        )


def check_resumed(before: Commit, after: Commit, steps: int) -> Iterator[tuple[str, Callable[[], str]]]:
    """Stop runs of both commits, and resume them with the commit after."""

    def stopped(commit: Commit) -> Path:
        process = commit.start("train", *commit.training("phrases_en_de", steps, "stopped"))
        while process.poll() is None:
            started = list((commit.folder / "runs" / "stopped").glob("*/metrics.csv"))
            if started and started[0].read_text().count("\n") > steps // 4:
                process.send_signal(signal.SIGTERM)
                break
            time.sleep(0.05)
        process.communicate()
        if process.returncode != 75:
            raise RuntimeError(f"exit code {process.returncode} after SIGTERM, expected 75")
        return commit.run_folder("stopped")

    def compare(run: Path, whole: Path) -> str:
        require_equal(
            *({k: v for k, v in metrics(each) if "train/loss" in k or "validation" in k} for each in (run, whole))
        )
        return "losses of a run that was never stopped"

    def resume_after() -> str:
        run = stopped(after)
        after.regard("resume", str(run))
        return compare(run, after.run_folder("translation"))

    def resume_before() -> str:
        run = stopped(before)
        process = after.start("resume", str(run))
        _, err = process.communicate()
        if process.returncode:
            if "Traceback" in err or len(err.strip().splitlines()) != 1:
                raise RuntimeError(f"not one line: {err[-500:]}")
            return f"refused: {err.strip()}"
        return compare(run, before.run_folder("translation"))

    yield "resume", resume_after
    yield "resume a run of before", resume_before


def main() -> int:
    """Run all checks and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before")
    parser.add_argument("after", nargs="?", default="HEAD")
    parser.add_argument("--steps", type=int, default=200)
    options = parser.parse_args()
    torch.set_num_threads(1)
    failed = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        commits = []
        try:
            for name, commit in {"before": options.before, "after": options.after}.items():
                (folder / name).mkdir()
                commits.append(Commit(commit, folder / name, folder / "cache"))
            before, after = commits
            checks = [*check_frozen(before, after), *check_trained(before, after, options.steps)]
            checks += [*check_used(before, after), *check_resumed(before, after, options.steps)]
            for name, check in checks:
                begin = time.monotonic()
                try:
                    text, passed = check(), True
                except Exception as error:
                    text, passed = f"{type(error).__name__}: {error}", False
                failed += not passed
                print(
                    f"{'ok    ' if passed else 'FAILED'} {name}: {text} ({time.monotonic() - begin:.0f} s)", flush=True
                )
        finally:
            for each in ("before", "after"):
                code = folder / each / "code"
                subprocess.run(["git", "-C", str(ROOT), "worktree", "remove", "--force", str(code)], check=False)
    print(f"{len(checks) - failed} passed, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
