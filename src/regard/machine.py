"""Resources of this machine."""

from __future__ import annotations

import os
import resource
import sys
from contextlib import suppress
from pathlib import Path


def share_processors() -> None:
    """Let threads that wait for each other sleep, unless the user has set OMP_WAIT_POLICY. Child processes inherit it.

    By default the threads of torch spin while they wait, and keep a processor from the thread that they wait for. With
    other programs running on two cores, a step of the default model then takes two to ten times as long. Call it
    before torch is imported: OpenMP reads the variable when it is loaded.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def available_processors() -> int:
    """Return the number of processors that this process may use: on a shared node, fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available_memory() -> int:
    """Return the bytes of memory that this process may still allocate: of the machine, or of its control group if less.

    A control group (version 2) limits a container or the job of a cluster.
    """
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    with suppress(OSError, KeyError, ValueError):
        found.append(_read_numbers(Path("/proc/meminfo"))["MemAvailable:"] * 1024)
    with suppress(OSError, KeyError, ValueError):  # ValueError: "max", no limit
        own = Path("/proc/self/cgroup").read_text().rpartition("0::/")[2].strip()
        group = Path("/sys/fs/cgroup", own)
        found.append(int((group / "memory.max").read_text()) - _read_numbers(group / "memory.stat")["anon"])
    return min(found)


def peak_resident_memory() -> int:
    """Return the largest number of bytes of physical memory that this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else 1024 * used  # macOS: bytes; Linux: KiB


def emulates_bfloat16(device_type: str) -> bool:
    """Return whether a device is a CPU without instructions for products in bfloat16, such as AVX-512.

    PyTorch then computes them in loops that are up to 20 times as slow as products in float32 (torch 2.15).
    """
    import torch  # takes seconds

    supported = torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return device_type == "cpu" and not supported


def _read_numbers(file: Path) -> dict[str, int]:
    """Return the first two words of each line, a name and a number."""
    return {name: int(number) for name, number, *_ in map(str.split, file.read_text().splitlines())}
