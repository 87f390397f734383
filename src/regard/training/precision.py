"""The numerical precision of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from regard.machine import emulates_bfloat16

GPUS = ("gpu", "cuda")


def decide_precision(precision: Any, accelerator: str) -> Any:
    """Replace ``auto`` by a precision: bf16-mixed on GPUs (Kalamkar et al. 2019), 32-true elsewhere."""
    if precision != "auto":
        return precision
    return "bf16-mixed" if _on_gpu(accelerator) else "32-true"


def with_computed_precision(trainer: Mapping[str, Any], say: Callable[[str], None]) -> dict[str, Any]:
    """Return a trainer config whose precision is 32-true instead of bf16-mixed on a CPU that emulates bfloat16.

    In both precisions the weights are float32, and products of bfloat16 are summed in float32. A step in float32 is up
    to 20 times as fast there, and no less accurate. ``say`` receives a message if the precision is changed.
    """
    if trainer["precision"] != "bf16-mixed" or not emulates_bfloat16(trainer["accelerator"]):
        return dict(trainer)
    say(
        "trainer.precision=bf16-mixed: this processor has no instructions for bfloat16; products are computed in "
        "float32, which is faster here"
    )
    return {**trainer, "precision": "32-true"}


def choose_kernels(precision: Any, accelerator: str) -> None:
    """Choose the GPU kernels of this process for matrix products and attention. On a CPU, this has no effect.

    Products of float32 matrices and convolutions may use TensorFloat32, unless the precision of the run is float32.
    Attention with a mask does not use cuDNN, which takes about a second to plan each new shape of a batch (torch 2.11,
    pytorch#155958): batches of sentences have hundreds of shapes.
    """
    import torch

    exact = not _on_gpu(accelerator) or precision in ("32-true", 32, "32")
    torch.set_float32_matmul_precision("highest" if exact else "high")
    torch.backends.cudnn.allow_tf32 = not exact
    torch.backends.cuda.enable_cudnn_sdp(False)


def _on_gpu(accelerator: str) -> bool:
    if accelerator != "auto":
        return accelerator in GPUS
    import torch

    return torch.cuda.is_available()
