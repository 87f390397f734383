"""Every process keeps a share of the weights, of their gradients and of the optimizer's state (FSDP2).

Rajbhandari et al. 2020, section 5 (ZeRO stage 3); https://docs.pytorch.org/docs/stable/distributed.fsdp.fully_shard.html
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard

from regard.model.layer import Layer
from regard.model.transformer import Transformer


def shard(model: Transformer, mesh: DeviceMesh) -> None:
    """Deal the weights of ``model`` out over the processes of ``mesh``, in place; they keep their names.

    A layer is gathered when it is needed. The rest is one group, so that the tied embedding is in it with both its
    uses, and is gathered from the forward pass of the whole model to the end of its backward pass.
    """
    layers = [module for module in model.modules() if isinstance(module, Layer)]
    groups = [fully_shard(module, mesh=mesh) for module in (*layers, model)]
    # PyTorch would gather ahead what it saw run before, evaluations included: rank 0 alone looks at attention, and
    # the ranks would wait for each other in different places.
    for before, group in pairwise((groups[-1], *groups)):
        group.set_modules_to_backward_prefetch([before])


def unshard(model: nn.Module) -> None:
    """Give every process all of the weights until `reshard` or until they are saved.

    An evaluation needs them: processes decode different numbers of steps, and could not gather weights together.
    A model that is not sharded has them.
    """
    # What is made in inference mode, where an evaluation may run, no later training step could use.
    with torch.inference_mode(False), torch.no_grad():
        for group in _groups(model):
            group.set_reshard_after_forward(False, recurse=False)
            group.unshard()


def reshard(model: nn.Module) -> None:
    """Undo `unshard`."""
    for number, group in enumerate(_groups(model)):
        group.reshard()
        group.set_reshard_after_forward(number > 0, recurse=False)  # not the whole model, which comes first


def _groups(model: nn.Module) -> Iterator[FSDPModule]:
    return (module for module in model.modules() if isinstance(module, FSDPModule))
