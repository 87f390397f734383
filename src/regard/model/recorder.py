"""Recording what a model does inside: asked for by the caller, free when nobody asks."""

from copy import copy
from typing import NamedTuple

from torch import Tensor


class Vectors(NamedTuple):
    """What weights were made from and what they let pass, as attention saw it (positions turned in).

    query: "batch heads query head_dim"; key, value: "batch groups key head_dim", where a group serves as many heads.
    """

    query: Tensor
    key: Tensor
    value: Tensor


class Recorder:
    """Collects attention weights under dotted names, such as ``decoder.2.cross``.

    A caller who wants the maps makes one and hands it to the model; each part of the model hands
    ``record.under("its name")`` on to its own parts, and attention itself calls ``attention``. All the
    records made with ``under`` fill the one dict ``maps``.
    """

    def __init__(self) -> None:
        self.maps: dict[str, Tensor] = {}
        self._path: tuple[str, ...] = ()

    def under(self, *names: str) -> "Recorder":
        """The same record, one level (or more) down."""
        below = copy(self)
        below._path = (*self._path, *names)
        return below

    @property
    def name(self) -> str:
        """The present name, as in ``maps``."""
        return ".".join(self._path)

    def attention(self, weights: Tensor, vectors: Vectors) -> None:
        """Keep ``weights`` ("batch heads query key") under the present name."""
        self.maps[self.name] = weights.detach()

    def state(self, x: Tensor) -> None:
        """Be shown what a layer hands on, "batch length dim"."""


class FullRecorder(Recorder):
    """Keeps the queries, keys and values of each map too, and what each layer hands on.

    vectors: by the names of ``maps``
    states: under ``decoder.embedding``, ``decoder.0``, ``decoder.1``, ...: "batch length dim"
    """

    def __init__(self) -> None:
        super().__init__()
        self.vectors: dict[str, Vectors] = {}
        self.states: dict[str, Tensor] = {}

    def attention(self, weights: Tensor, vectors: Vectors) -> None:
        """Keep both under the present name."""
        super().attention(weights, vectors)
        self.vectors[self.name] = Vectors(*(tensor.detach() for tensor in vectors))

    def state(self, x: Tensor) -> None:
        """Keep ``x`` under the present name."""
        self.states[self.name] = x.detach()
