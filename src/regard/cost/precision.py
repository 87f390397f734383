"""Number formats of a step by ``trainer.precision``, as Lightning's plugins choose them."""

from __future__ import annotations

import torch

FORMATS = {"16": torch.float16, "bf16": torch.bfloat16, "32": torch.float32, "64": torch.float64}


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """Return the context of a forward pass: automatic mixed precision, or no change."""
    number_format, _, kind = precision.partition("-")
    mixed = kind == "mixed"
    return torch.autocast(device.type, FORMATS[number_format] if mixed else None, enabled=mixed)


def weights_format(precision: str) -> torch.dtype:
    """Return the number format of the weights, gradients and optimizer state."""
    number_format, _, kind = precision.partition("-")
    return FORMATS[number_format] if kind == "true" else torch.float32
