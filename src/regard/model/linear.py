"""Initialisation of linear layers."""

from collections.abc import Mapping

from torch import nn

from regard.model.own_parameters import OwnParameters, ParameterSettings


def initialise_linear(layer: nn.Linear) -> None:
    """Initialise a linear layer: weights as in Glorot and Bengio 2010, equation 16, and zero biases."""
    nn.init.xavier_uniform_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def initialise_linear_layers(module: nn.Module) -> None:
    """Initialise all linear layers of a module, except those of parts that initialise their own parameters."""
    if isinstance(module, OwnParameters):
        return
    for part in module.children():
        initialise_linear_layers(part)
    if isinstance(module, nn.Linear):
        initialise_linear(module)


class ZeroLinear(nn.Linear):
    """A linear layer whose weights and biases start at zero."""

    def reset_parameters(self) -> None:
        """Set all parameters to zero. The constructor calls it."""
        for parameter in self.parameters():
            nn.init.zeros_(parameter)

    def parameter_settings(self) -> Mapping[str, ParameterSettings]:
        """See `regard.model.own_parameters.OwnParameters`: the initialisation of the whole model keeps the zeros."""
        return {}
