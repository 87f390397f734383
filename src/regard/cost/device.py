"""The device of this machine that a configuration would train on, and its memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from regard.machine import available_memory

USABLE = {"cuda": 0.9, "cpu": 0.75}
"""Share of the available memory that the tensors of a step may use. Allocators lose the rest between
blocks: the C library holds up to a third more memory than the tensors need, and CUDA's allocator less."""


@dataclass(frozen=True)
class Device:
    """A device of this machine.

    name: the name of the GPU, or ``cpu``
    available: bytes of memory that are available now
    """

    torch: torch.device
    name: str
    available: int

    @property
    def usable(self) -> int:
        """Bytes that the tensors of a step may use."""
        return int(self.available * USABLE.get(self.torch.type, 0.75))


def find_device(config: dict[str, Any]) -> Device | None:
    """Return the first device of ``trainer.accelerator``; None if this machine has none."""
    accelerator = config["trainer"]["accelerator"]
    if accelerator in ("gpu", "cuda", "auto") and torch.cuda.is_available():
        return Device(torch.device("cuda", 0), torch.cuda.get_device_name(0), torch.cuda.mem_get_info(0)[0])
    if accelerator in ("gpu", "mps", "auto") and torch.backends.mps.is_available():
        return Device(torch.device("mps"), "mps", available_memory())
    if accelerator in ("cpu", "auto"):
        threads = torch.get_num_threads()
        return Device(torch.device("cpu"), f"cpu, {threads} thread{'s' * (threads != 1)}", available_memory())
    return None


def synchronize(device: torch.device) -> None:
    """Wait for all operations on a GPU."""
    if device.type != "cpu":
        getattr(torch, device.type).synchronize()
