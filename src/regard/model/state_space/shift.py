"""A shift state-space model: each channel remembers its last few inputs exactly."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv1d, pad

from regard.model.own_parameters import ParameterSettings
from regard.model.state_space.convolution import single_precision

ShiftState = Float[Tensor, "batch channels past"]


class ShiftSSM(nn.Module):
    """A state-space model whose matrix shifts the state by one, in float32 (Fu et al. 2023, section 3.1).

    The state is the last inputs, and the output a learned sum of them: a short convolution.

    taps: number of inputs in the sum: the present one and those before it
    directions: 1 for causal; 2 to add as many later inputs
    """

    def __init__(self, channels: int, taps: int, directions: int = 1) -> None:
        super().__init__()
        if taps < 1:
            raise ValueError(f"shift_taps must be at least 1, not {taps}")
        self.past, self.future = taps - 1, (directions - 1) * (taps - 1)
        size = self.past + 1 + self.future
        self.taps = nn.Parameter(torch.randn(channels, size) * size**-0.5)

    def parameter_settings(self) -> Mapping[str, ParameterSettings]:
        """See `regard.model.own_parameters.OwnParameters`."""
        return {"taps": ParameterSettings(weight_decay=False)}

    def forward(self, signal: Float[Tensor, "batch channels length"]) -> Float[Tensor, "batch channels length"]:
        """Apply the model to whole sequences, with zeros before and after them."""
        return self._convolve(pad(signal.float(), (self.past, self.future)))

    def initial_state(self, batch: int, device: torch.device) -> ShiftState:
        """Return the state before the first input, zero."""
        return torch.zeros(batch, len(self.taps), self.past, device=device)

    def extend(
        self, signal: Float[Tensor, "batch channels length"], state: ShiftState
    ) -> tuple[Float[Tensor, "batch channels length"], ShiftState]:
        """Apply a model with one direction to the next inputs, after ``state``."""
        inputs = torch.cat([state, signal.float()], dim=-1)
        past = inputs[..., inputs.shape[-1] - self.past :]
        return self._convolve(inputs), past.clone()  # a view would keep all inputs alive

    def _convolve(self, inputs: Float[Tensor, "batch channels padded"]) -> Float[Tensor, "batch channels length"]:
        with single_precision(inputs.device):
            return conv1d(inputs, self.taps.float()[:, None], groups=len(self.taps))
