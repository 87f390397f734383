"""Useful FLOPs: those that the model needs for its tokens, counted by the formulas of `regard.cost.predict.flops`.

Layers that are computed again in the backward pass (``task.activation_checkpointing``) do not count again, nor does
anything that an implementation computes in addition, such as the positions of a cache that are not in use yet.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from regard.cost.predict.dry_run import fake_model, step_flops
from regard.cost.predict.flops import flop_counter
from regard.cost.workload import Workload


def training_flops(workload: Workload, device: torch.device) -> int:
    """Return the useful FLOPs of the forward and backward passes of an optimizer step of one process."""
    return workload.accumulated * step_flops(without_recomputing(workload), device).training


def inference_flops(workload: Workload, device: torch.device, beams: int, prompt: int, tokens: int) -> int:
    """Return the useful FLOPs to continue prompts of ``prompt`` tokens by ``tokens`` tokens.

    beams: prefixes of each sequence that are extended. The encoder runs once for all of them.

    The last token is not read, as in generation. As in training, attention among the tokens that are read counts the
    whole matrix.
    """
    with fake_model(workload, device) as model, torch.no_grad(), flop_counter() as counter:
        batch, decoder = workload.make_batch(model.eval(), device), model.decoder
        prefix = batch.prefix.repeat_interleave(beams, dim=0)[:, : prompt + tokens - 1]
        # As many keys as each prefix has: keys of other prefixes in a shared cache are not useful.
        state = decoder.start(model.encode(batch.source), rows=len(prefix))._replace(origins=None)
        _, state = decoder.extend_last(prefix[:, :prompt], state)
        if tokens > 1:
            decoder.extend(prefix[:, prompt:], state)
    return counter.get_total_flops()


def without_recomputing(workload: Workload) -> Workload:
    """Return the same workload without ``task.activation_checkpointing``."""
    task = workload.config["task"]
    if not task.get("activation_checkpointing"):
        return workload
    return replace(workload, config=workload.config | {"task": task | {"activation_checkpointing": False}})
