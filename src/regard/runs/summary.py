"""The summary of a finished run: summary.json, and the table that is printed at the end."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from rich.console import Console
from rich.text import Text

import regard
from regard.runs.folder import RunFolder
from regard.training.callbacks.checkpoints import BestCheckpoint
from regard.training.callbacks.metrics_file import read_rows
from regard.training.task import Task

PACKAGES = ("torch", "pytorch-lightning", "sentencepiece", "sacrebleu", "hydra-core", "wandb")
FOUR_DIGITS = ("exact", "accuracy", "bits_per_byte", "loss")


def summarise(run: RunFolder, trainer: pl.Trainer, task: Task, seconds: float) -> dict[str, Any]:
    """Write summary.json and return its content.

    It has the final metrics, the best score, the number of parameters, the median speed of the logged steps, the time
    of this attempt, the device, the precision, versions, and the commit.
    """
    rows = read_rows(run.metrics) if run.metrics.exists() else []
    speeds = sorted(float(row["train/tokens_per_second"]) for row in rows if "train/tokens_per_second" in row)
    final: dict[str, float] = {}
    for row in rows:
        final.update({name: float(value) for name, value in row.items() if not name.startswith("attention/")})
    best = next((c for c in trainer.checkpoint_callbacks if isinstance(c, BestCheckpoint)), None)
    score = None if best is None else best.best_model_score
    summary = {
        "metrics": {name: value for name, value in final.items() if name != "step"},
        "step": trainer.global_step,
        "best": None if best is None or score is None else {"monitor": best.monitor, "value": float(score)},
        "parameters": sum(p.numel() for p in task.model.parameters()),
        "tokens_per_second": speeds[len(speeds) // 2] if speeds else None,
        "seconds": round(seconds, 1),
        "device": _device_name(trainer.strategy.root_device),
        "precision": trainer.precision,
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "signatures": task.scorer.signatures() if trainer.callback_metrics else {},
        "versions": {"regard": regard.__version__}
        | {name: importlib.metadata.version(name) for name in PACKAGES}
        | {"python": platform.python_version()},
        "commit": _commit(),
    }
    if trainer.is_global_zero:
        run.write_json("summary.json", summary)
    return summary


def show_summary(run: RunFolder, summary: dict[str, Any], commands: list[str], console: Console) -> None:
    """Print scores, paths, and commands to try next.

    Lines are not wrapped, so that paths and commands can be copied.
    """
    metrics = summary["metrics"]
    split = (
        "test/" if any(name.startswith("test/") for name in metrics) else "validation/"
    )  # a corpus may have no test split
    rows = {
        name: f"{value:.4f}" if name.removeprefix(split) in FOUR_DIGITS else f"{value:.2f}"
        for name, value in metrics.items()
        if name.startswith(split)
    }
    page, checkpoint = run.attention / "index.html", run.checkpoints / "best.ckpt"
    rows |= {
        "trained": f"{summary['step']:,} steps, {summary['parameters']:,} parameters, {summary['seconds']:.0f} s",
        "attention page": short_path(page) if page.exists() else "none",
        "checkpoint": short_path(checkpoint if checkpoint.exists() else run.checkpoints / "last.ckpt"),
    }
    lines = [*rows.items(), *(("try next", command) for command in commands)]
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        console.print(Text.assemble((name.ljust(width), "bold"), f"  {value}"), soft_wrap=True)


def _device_name(device: torch.device) -> str:
    """Return the model of a GPU, or the type of another device."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def short_path(path: Path) -> str:
    """Return ``path`` relative to the working directory if it is below it, else unchanged."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _commit() -> str | None:
    """Return the git commit of the running source; None outside of a checkout."""
    source = Path(__file__).parent
    found = subprocess.run(
        ["git", "-C", str(source), "describe", "--always", "--dirty", "--abbrev=12"],
        capture_output=True,
        text=True,
    )
    return found.stdout.strip() or None if found.returncode == 0 else None
