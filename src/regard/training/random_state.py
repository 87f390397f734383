"""The state of all random number generators, as plain values and tensors."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from torch import Tensor


def get_random_state() -> dict[str, Any]:
    """Return the state of all random number generators of this process."""
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
    """Restore the state of all random number generators."""
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    name, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(_cpu_bytes(state["torch"]))
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(_cpu_bytes(state["cuda"]))


def seed_rank(rank: int) -> None:
    """Seed the generators from the present seed and ``rank``, so that each rank draws different dropout masks.

    All ranks have the same seed before, so that they initialise equal weights. Rank 0 keeps its state: it draws the
    same numbers as a single process.
    """
    if rank:
        seed = int(np.random.SeedSequence([torch.initial_seed() % 2**63, rank]).generate_state(1)[0])
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)


def _cpu_bytes(state: Tensor) -> Tensor:
    return state.to("cpu", torch.uint8)
