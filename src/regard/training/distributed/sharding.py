"""Sharding of weights, gradients and optimizer state over processes (FSDP2).

Rajbhandari et al. 2020, section 5 (ZeRO stage 3); https://docs.pytorch.org/docs/stable/distributed.fsdp.fully_shard.html
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from regard.model.encoders.with_encoder import WithEncoder
from regard.model.layer import Layer


def shard(model: WithEncoder, mesh: DeviceMesh) -> None:
    """Shard the weights of ``model`` over the processes of ``mesh``, in place. The names of weights do not change.

    Each layer is a group, unsharded when it is needed. All other weights are one group, which contains both uses of the
    tied embedding. It is unsharded from the forward pass of the whole model to the end of its backward pass.
    """
    layers = [module for module in model.modules() if isinstance(module, Layer)]
    groups = [fully_shard(module, mesh=mesh) for module in (*layers, model)]
    # PyTorch prefetches groups in the order of earlier passes, evaluations included. Only rank 0 records attention, so
    # that ranks would wait for each other at different points. Therefore the order is set here.
    for before, group in pairwise((groups[-1], *groups)):
        group.set_modules_to_backward_prefetch([before])


def unshard(model: nn.Module) -> None:
    """Gather all weights on every process until `reshard` or until they are saved. Has no effect without sharding.

    An evaluation needs this: processes decode different numbers of steps, so that they cannot gather weights together.
    """
    # Tensors made in inference mode, in which an evaluation may run, cannot be used by a later training step.
    with torch.inference_mode(False), torch.no_grad():
        for group in _groups(model):
            group.set_reshard_after_forward(False, recurse=False)
            group.unshard()


def reshard(model: nn.Module) -> None:
    """Undo `unshard`."""
    for number, group in enumerate(_groups(model)):
        group.reshard()
        group.set_reshard_after_forward(number > 0, recurse=False)  # the first group is the whole model


def local_shard(whole: Tensor, like: Tensor) -> Tensor:
    """Shard the tensor ``whole``, which every process has, in the same way as ``like``."""
    if not isinstance(like, DTensor):
        return whole
    return distribute_tensor(whole, like.device_mesh, like.placements, src_data_rank=None)


def _groups(model: nn.Module) -> Iterator[FSDPModule]:
    return (module for module in model.modules() if isinstance(module, FSDPModule))
