"""Recording attention: asked for by the caller, free when nobody asks."""

from torch import Tensor


class Record:
    """Collects attention weights under dotted names, such as ``decoder.2.cross``.

    A caller who wants the maps makes one and hands it to the model; each part of the model hands
    ``record.under("its name")`` on to its own parts, and attention itself calls ``add``. All the
    records made with ``under`` fill the one dict ``maps``.
    """

    def __init__(self) -> None:
        self.maps: dict[str, Tensor] = {}
        self._path: tuple[str, ...] = ()

    def under(self, *names: str) -> "Record":
        """The same record, one level (or more) down."""
        below = Record()
        below.maps, below._path = self.maps, (*self._path, *names)
        return below

    def add(self, weights: Tensor) -> None:
        """Keep ``weights`` ("batch heads query key") under the present name."""
        self.maps[".".join(self._path)] = weights.detach()
