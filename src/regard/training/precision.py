"""The precision that a run computes in."""

from __future__ import annotations

from typing import Any

GPUS = ("gpu", "cuda")


def decide_precision(precision: Any, accelerator: str) -> Any:
    """``trainer.precision`` with ``auto`` decided: bf16-mixed on GPUs (Kalamkar et al. 2019), 32-true elsewhere."""
    if precision != "auto":
        return precision
    return "bf16-mixed" if _on_gpu(accelerator) else "32-true"


def choose_kernels(precision: Any, accelerator: str) -> None:
    """Choose, for this process, how a GPU multiplies matrices and computes attention. A CPU has no such choice.

    Products of float32 matrices may use TensorFloat32 unless the run is to compute in float32 throughout. Attention
    with a mask does not use cuDNN, which plans anew for every shape of a batch: about a second for each (torch 2.11,
    pytorch#155958), and batches of sentences have hundreds of shapes.
    """
    import torch

    exact = not _on_gpu(accelerator) or precision in ("32-true", 32, "32")
    torch.set_float32_matmul_precision("highest" if exact else "high")
    torch.backends.cuda.enable_cudnn_sdp(False)


def _on_gpu(accelerator: str) -> bool:
    if accelerator != "auto":
        return accelerator in GPUS
    import torch

    return torch.cuda.is_available()
