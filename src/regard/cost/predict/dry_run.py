"""A training step and the state of generation on fake tensors: FLOPs and memory without computing."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import Parameter
from torch.utils._pytree import tree_leaves

from regard.cost.generation import Generation
from regard.cost.precision import weights_format
from regard.cost.predict.flops import flop_counter
from regard.cost.predict.memory import Memory, MemoryTracker, bytes_of
from regard.cost.training_step import TrainingStep
from regard.cost.workload import Workload
from regard.model.transformer import Transformer


@dataclass(frozen=True)
class Flops:
    """FLOPs of a micro-batch.

    forward: of a forward pass alone. In training, gradients of the output layer are computed together with the loss
    training: of a forward and a backward pass, with what is computed again in the backward pass
    """

    forward: int
    training: int


def step_flops(workload: Workload, device: torch.device) -> Flops:
    """Return the FLOPs of a micro-batch of training."""
    with fake_model(workload, device) as model, flop_counter() as counter:
        step = TrainingStep(model, workload.make_batch(model, device), workload.config, device)
        step.backward(step.forward(), first=True)
    return Flops(forward_flops(workload, device), counter.get_total_flops())


def step_memory(workload: Workload, device: torch.device) -> Memory:
    """Return the memory of a training step on ``device``.

    Separate from `step_flops`: the counter of FLOPs keeps tensors of recomputed layers alive.
    """
    with fake_model(workload, device) as model, MemoryTracker(chain(model.parameters(), model.buffers())) as tracker:
        weights = tracker.now
        step = TrainingStep(model, workload.make_batch(model, device), workload.config, device)
        for parameter in step.parameters:  # the steps before have left gradients and the state of the optimizer
            parameter.grad = torch.zeros_like(parameter)
        step.update()
        before = tracker.now
        tracker.reset_peak()
        loss = step.forward()
        activations = tracker.now - before
        step.backward(loss, first=True)
        del loss  # it keeps what was computed again of recomputed layers
        if workload.accumulated > 1:
            step.backward(step.forward(), first=False)
        step.update()
        return Memory(
            weights=weights,
            gradients=bytes_of(p.grad for p in step.parameters if p.grad is not None),
            optimizer=bytes_of(each for each in tree_leaves(step.optimizer.state) if isinstance(each, Tensor)),
            activations=activations,
            peak=tracker.peak,
        )


def forward_flops(workload: Workload, device: torch.device) -> int:
    """Return the FLOPs of a forward pass of a micro-batch."""
    with fake_model(workload, device) as model, torch.no_grad(), flop_counter() as counter:
        TrainingStep(model, workload.make_batch(model, device), workload.config, device).forward()
    return counter.get_total_flops()


def cache_bytes(workload: Workload, device: torch.device) -> int:
    """Return the memory of the state of generation after ``workload.length`` tokens of one sequence.

    Caches that grow while tokens are generated have room for more, up to as many again, which is not counted.
    """
    with fake_model(workload, device) as model:
        generation = Generation(model, workload.one_sequence.make_batch(model, device), workload.length)
        return sum(each.nbytes for each in tree_leaves(generation.state) if isinstance(each, Tensor))


@contextmanager
def fake_model(workload: Workload, device: torch.device) -> Iterator[Transformer]:
    """Build the model of a workload with fake tensors on ``device``; all tensors of the with statement are fake."""
    with torch.device("meta"):
        model = workload.make_model().to(weights_format(workload.config["trainer"]["precision"]))
    with warnings.catch_warnings(), FakeTensorMode(allow_non_fake_inputs=True):
        warnings.filterwarnings("ignore", message="Accessing the data pointer of FakeTensor")
        _replace_tensors(model, device)
        yield model


def _replace_tensors(model: Transformer, device: torch.device) -> None:
    """Replace the parameters and buffers of ``model`` by empty ones on ``device``; shared ones remain shared."""
    replaced: dict[Tensor, Tensor] = {}
    for module in model.modules():
        for tensors in (module._parameters, module._buffers):
            for name, tensor in tensors.items():
                if tensor is None:
                    continue
                if tensor not in replaced:
                    empty = torch.empty(tensor.shape, dtype=tensor.dtype, device=device)
                    replaced[tensor] = (
                        Parameter(empty, tensor.requires_grad) if tensors is module._parameters else empty
                    )
                tensors[name] = replaced[tensor]  # type: ignore[assignment]
