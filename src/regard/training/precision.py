"""The precision that a run computes in."""

from __future__ import annotations

from typing import Any

GPUS = ("gpu", "cuda")


def decide_precision(precision: Any, accelerator: str) -> Any:
    """``trainer.precision`` with ``auto`` decided: bf16-mixed on GPUs (Kalamkar et al. 2019), 32-true elsewhere."""
    if precision != "auto":
        return precision
    return "bf16-mixed" if _on_gpu(accelerator) else "32-true"


def set_matmul_precision(precision: Any, accelerator: str) -> str:
    """Set how this process multiplies float32 matrices (`torch.set_float32_matmul_precision`), and return its name.

    On a GPU ``high``, which allows TensorFloat32, unless the run is to compute in float32 throughout.
    """
    import torch

    name = "high" if _on_gpu(accelerator) and precision not in ("32-true", 32, "32") else "highest"
    torch.set_float32_matmul_precision(name)
    return name


def _on_gpu(accelerator: str) -> bool:
    if accelerator != "auto":
        return accelerator in GPUS
    import torch

    return torch.cuda.is_available()
