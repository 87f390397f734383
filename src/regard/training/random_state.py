"""The state of every generator of random numbers, as plain values and tensors."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from torch import Tensor


def get_random_state() -> dict[str, Any]:
    """The state of every generator that this process draws from."""
    version, words, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    state: dict[str, Any] = {
        "python": [version, list(words), gauss],
        "numpy": [
            str(name),
            torch.from_numpy(np.asarray(keys).astype(np.int64)),
            position,
            has_gauss,
            cached,
        ],
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def set_random_state(state: dict[str, Any]) -> None:
    """Put the generators back to ``state``."""
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    name, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(_cpu_bytes(state["torch"]))
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(_cpu_bytes(state["cuda"]))


def seed_rank(rank: int) -> None:
    """Give rank ``rank`` random numbers of its own, such as dropout masks, which follow from the seed and the rank.

    All ranks have been seeded alike before, so that they initialise equal weights. Rank 0 keeps its numbers: a single
    process has the same ones.
    """
    if rank:
        seed = int(np.random.SeedSequence([torch.initial_seed() % 2**63, rank]).generate_state(1)[0])
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)


def _cpu_bytes(state: Tensor) -> Tensor:
    return state.to("cpu", torch.uint8)
