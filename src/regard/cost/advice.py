"""What to lower if a training step does not fit the memory of a device."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from regard.cost.predict.memory import Memory
from regard.cost.units import format_bytes
from regard.cost.workload import ROWS, Workload


def advise(workload: Workload, predict: Callable[[Workload], Memory], usable: int) -> str:
    """Return the keys to change so that a step of ``workload``, which does not fit ``usable`` bytes, fits.

    ``predict`` returns the memory of a step. Changes are tried in the order of what they cost: a smaller micro-batch,
    recomputed layers, shorter sequences. If weights, gradients and optimizer alone are too large, the model is.
    """
    fixed = predict(workload.one_sequence).fixed
    if fixed > usable:
        return (
            f"weights, gradients and optimizer alone need {format_bytes(fixed)}: lower model.dim or model.depth, or "
            "shard them over several GPUs with trainer=fsdp"
        )
    smaller = workload
    while smaller.rows > 1:
        smaller = replace(smaller, rows=smaller.rows // 2)
        if predict(smaller).peak <= usable:
            return f"set {_batch_key(smaller)} and trainer.accumulate_grad_batches={_accumulated(workload, smaller)}"
    task = workload.config["task"]
    recomputed = replace(smaller, config=workload.config | {"task": task | {"activation_checkpointing": True}})
    known = not task.get("activation_checkpointing", True)
    if known and predict(recomputed).peak <= usable:
        return f"set task.activation_checkpointing=true and {_batch_key(smaller)}"
    shorter = recomputed if known else smaller
    while shorter.length > 1:
        shorter = replace(shorter, length=shorter.length // 2)
        if predict(shorter).peak <= usable:
            break
    more = " and task.activation_checkpointing=true" if known else ""
    return f"set model.max_length={shorter.length} and {_batch_key(shorter)}{more}"


def _batch_key(workload: Workload) -> str:
    """Return the override with which a micro-batch has the size of ``workload``."""
    counted = [f"batches.{key}={workload.rows}" for key in ROWS if key in workload.config["batches"]]
    return counted[0] if counted else f"batches.tokens_per_batch={workload.rows * workload.length}"


def _accumulated(workload: Workload, smaller: Workload) -> int:
    """Return the number of smaller micro-batches with which an optimizer step has the same number of sequences."""
    return math.ceil(workload.accumulated * workload.rows / smaller.rows)
