"""Recording of attention weights, kernels and hidden states, at the request of the caller; else without cost."""

from collections.abc import Callable
from copy import copy
from typing import NamedTuple

from torch import Tensor


class Vectors(NamedTuple):
    """The inputs of attention, after rotation by position.

    query: "batch heads query head_dim"; key, value: "batch groups key head_dim", each group shared by as many heads.
    """

    query: Tensor
    key: Tensor
    value: Tensor


KernelsOf = Callable[[int], Tensor]
"""Computes the kernels of all channels for a number of distances: "directions channels distance".

The value at a distance is the response of an output to the input that precedes it by that distance. The second
direction, if any, is for later inputs, from distance 1.
"""


class Recorder:
    """Collects attention weights under dotted names, such as ``decoder.2.cross``.

    The caller passes a recorder to the model. Each part of the model passes ``record.under("its name")`` to its parts,
    attention calls ``attention``, and a mixer whose channels are convolutions calls ``kernel``. All recorders made with
    ``under`` share the dicts ``maps`` and ``kernels``.
    """

    def __init__(self) -> None:
        self.maps: dict[str, Tensor] = {}
        self.kernels: dict[str, KernelsOf] = {}
        self._path: tuple[str, ...] = ()

    def under(self, *names: str) -> "Recorder":
        """Return the same recorder with ``names`` appended to the present name."""
        below = copy(self)
        below._path = (*self._path, *names)
        return below

    @property
    def name(self) -> str:
        """The present name, which is the key in ``maps``."""
        return ".".join(self._path)

    def attention(self, weights: Tensor, vectors: Vectors) -> None:
        """Store ``weights`` ("batch heads query key") under the present name."""
        self.maps[self.name] = weights.detach()

    def kernel(self, kernels_of: KernelsOf) -> None:
        """Store the function under the present name. Kernels do not depend on the input: nothing is computed yet."""
        self.kernels[self.name] = kernels_of

    def state(self, x: Tensor) -> None:
        """Receive the output of a layer, "batch length dim"; not stored here."""


class FullRecorder(Recorder):
    """A recorder that also stores the queries, keys and values of each map, and the output of each layer.

    vectors: under the names of ``maps``
    states: under ``encoder.0``, ..., ``decoder.embedding``, ``decoder.0``, ``decoder.1``, ...: "batch length dim"
    """

    def __init__(self) -> None:
        super().__init__()
        self.vectors: dict[str, Vectors] = {}
        self.states: dict[str, Tensor] = {}

    def attention(self, weights: Tensor, vectors: Vectors) -> None:
        """Store ``weights`` and ``vectors`` under the present name."""
        super().attention(weights, vectors)
        self.vectors[self.name] = Vectors(*(tensor.detach() for tensor in vectors))

    def state(self, x: Tensor) -> None:
        """Store ``x`` under the present name."""
        self.states[self.name] = x.detach()
