"""Muon: orthogonal updates of hidden matrices, and AdamW for all other parameters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.optim.adamw import adamw

from regard.training.distributed.sharding import local_shard

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the terms of degree 1, 3 and 5: singular values from 0.003 to 1 become 0.7 to 1.2 in five iterations."""


class Muon(torch.optim.Optimizer):
    """Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon) and AdamW (Loshchilov and Hutter 2019).

    A group of parameters with ``"hidden": True`` has matrices that Muon updates, by the Nesterov momentum of their
    gradient, made orthogonal and scaled so that its root mean square is about 0.2, that of a typical update of AdamW
    (Liu et al. 2025, "Muon is scalable for LLM training", equation 4). One learning rate then suits matrices of all
    shapes. All other groups are updated exactly as by `torch.optim.AdamW`. In contrast to `torch.optim.Muon`, one
    optimizer has all parameters, matrices of the same shape are updated together, and a CPU computes in float32.

    params: groups of parameters
    lr, momentum: of hidden matrices
    adamw_lr, betas, eps: of all other parameters
    weight_decay: of both, decoupled from the gradient
    iterations: of `orthogonalise`
    """

    def __init__(
        self,
        params: Iterable[dict[str, Any]],
        lr: float,
        momentum: float,
        weight_decay: float,
        adamw_lr: float,
        betas: tuple[float, float],
        eps: float,
        iterations: int = 5,
    ) -> None:
        hidden = {"hidden": True, "lr": lr, "momentum": momentum}
        others = {"hidden": False, "lr": adamw_lr, "betas": tuple(betas), "eps": eps}
        others |= {"fused": True}  # torch then loads the number of steps to the device of the parameter
        groups = [(hidden if group.get("hidden") else others) | group for group in params]
        super().__init__(groups, {"weight_decay": weight_decay})
        self.iterations = iterations

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update all parameters that have a gradient. Return the loss of ``closure``, which computes the gradients."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            if parameters:
                (self._update_matrices if group["hidden"] else self._update_others)(group, parameters)
        return loss

    def _update_matrices(self, group: dict[str, Any], matrices: list[Tensor]) -> None:
        gradients = [matrix.grad for matrix in matrices if matrix.grad is not None]
        for matrix in matrices:
            if not self.state[matrix]:
                self.state[matrix]["momentum_buffer"] = torch.zeros_like(matrix)
        averages = [self.state[matrix]["momentum_buffer"] for matrix in matrices]
        torch._foreach_lerp_(averages, gradients, 1 - group["momentum"])
        updates = orthogonalise_all(torch._foreach_lerp(gradients, averages, group["momentum"]), self.iterations)
        rates = [-group["lr"] * 0.2 * max(matrix.shape) ** 0.5 for matrix in matrices]
        torch._foreach_mul_(matrices, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(matrices, torch._foreach_mul(updates, rates))

    def _update_others(self, group: dict[str, Any], parameters: list[Tensor]) -> None:
        for parameter in parameters:
            if not self.state[parameter]:
                self.state[parameter] = {
                    "step": torch.zeros((), device=parameter.device),
                    "exp_avg": torch.zeros_like(parameter),
                    "exp_avg_sq": torch.zeros_like(parameter),
                }
        states = [self.state[parameter] for parameter in parameters]
        adamw(
            parameters,
            [parameter.grad for parameter in parameters if parameter.grad is not None],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            fused=True,
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )


def orthogonalise(
    matrices: Float[Tensor, "batch rows columns"], iterations: int = 5
) -> Float[Tensor, "batch rows columns"]:
    """Return about U V^T for each matrix U S V^T: its nearest matrix with orthogonal rows or columns.

    Iterations of Newton and Schulz with a polynomial of degree 5 (Jordan et al. 2024) are in float32 on a CPU and in
    bfloat16 on other devices, where it is faster. Five of them make singular values 0.7 to 1.2. Zeros remain zeros.
    """
    x = matrices.to(torch.float32 if matrices.device.type == "cpu" else torch.bfloat16)
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    first, third, fifth = COEFFICIENTS
    for _ in range(iterations):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=third, alpha=fifth), x, beta=first)
    return (x.mT if tall else x).to(matrices.dtype)


def orthogonalise_all(matrices: Sequence[Tensor], iterations: int = 5) -> list[Tensor]:
    """Return the results of `orthogonalise` for matrices of any shapes. Those of the same shape are computed together.

    Sharded matrices are gathered, shape by shape, and each process computes all of them.
    """
    by_shape: dict[torch.Size, list[int]] = defaultdict(list)
    for number, matrix in enumerate(matrices):
        by_shape[matrix.shape].append(number)
    results: dict[int, Tensor] = {}
    for numbers in by_shape.values():
        whole = [m.full_tensor() if isinstance(m, DTensor) else m for m in (matrices[number] for number in numbers)]
        results |= zip(numbers, orthogonalise(torch.stack(whole), iterations), strict=True)
    return [local_shard(results[number], matrix) for number, matrix in enumerate(matrices)]
