"""Modules that initialise their own parameters, and have optimizer settings for some of them."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol, runtime_checkable

from torch import nn


class ParameterSettings(NamedTuple):
    """How an optimizer updates a parameter.

    weight_decay: False for none
    max_lr: upper limit of its learning rate; None to use the learning rate of the optimizer
    hidden: True for a matrix that an optimizer of hidden matrices updates, such as Muon
    """

    weight_decay: bool = True
    max_lr: float | None = None
    hidden: bool = False


@runtime_checkable
class OwnParameters(Protocol):
    """A module that initialises the parameters of itself and of its parts in its constructor.

    The initialisation of the whole model leaves them as they are.
    """

    def parameter_settings(self) -> Mapping[str, ParameterSettings]:
        """Return settings by the name of a parameter of this module, without those of its parts."""


def parameter_settings(model: nn.Module) -> Iterator[tuple[nn.Parameter, ParameterSettings]]:
    """Yield the parameters of all modules that declare settings for them, in a fixed order."""
    for module in model.modules():
        if isinstance(module, OwnParameters):
            for name, settings in module.parameter_settings().items():
                yield module.get_parameter(name), settings
