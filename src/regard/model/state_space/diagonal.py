"""A diagonal state-space model: each channel remembers its past in decaying oscillations."""

import math
from collections.abc import Mapping

import torch
from jaxtyping import Complex
from torch import Tensor, nn

from regard.model.own_parameters import ParameterSettings
from regard.model.state_space.convolution import Kernels, Signal, long_convolution, single_precision

DiagonalState = Complex[Tensor, "*batch channels states"]

STEPS_PER_BLOCK = 32
"""For short sequences few powers are computed, for long ones few blocks."""

STEPS_AT_ONCE = 1024
"""Limits the memory of `DiagonalSSM.extend`, which stores every power."""


class DiagonalSSM(nn.Module):
    """A state-space model with a diagonal matrix, in float32 (Gu et al. 2022, S4D-Lin).

    The paper is "On the Parameterization and Initialization of Diagonal State Space Models", section 4.

    The state s of a channel follows s' = A s + u for an input u, and the output is 2 Re(C s) + D u. A is complex and
    diagonal, and stands for pairs of conjugate numbers. With the zero-order hold of step size dt, the state after an
    input is exp(dt A) s + (exp(dt A) - 1) / A u, so that the output is a convolution of all inputs.

    channels: number of independent models
    state_size: real numbers in the state of a channel, twice the number of complex ones
    directions: 1 for causal; 2 to convolve with later inputs as well
    max_lr: highest learning rate of A and dt
    """

    def __init__(self, channels: int, state_size: int, directions: int = 1, max_lr: float | None = None) -> None:
        super().__init__()
        if state_size < 2 or state_size % 2:
            raise ValueError(f"state_size must be an even number, at least 2, not {state_size}")
        states = state_size // 2
        self.max_lr = max_lr
        self.log_step = nn.Parameter(torch.empty(channels).uniform_(math.log(0.001), math.log(0.1)))
        self.log_decay = nn.Parameter(torch.full((channels, states), math.log(0.5)))
        self.frequency = nn.Parameter(math.pi * torch.arange(states).float().repeat(channels, 1))
        self.readout = nn.Parameter(torch.randn(directions, channels, states, 2) * math.sqrt(0.5))
        self.skip = nn.Parameter(torch.randn(channels))

    def parameter_settings(self) -> Mapping[str, ParameterSettings]:
        """See `regard.model.own_parameters.OwnParameters`."""
        names = ("log_step", "log_decay", "frequency")
        return dict.fromkeys(names, ParameterSettings(weight_decay=False, max_lr=self.max_lr))

    def kernels(self, length: int) -> Kernels:
        """Return the response to an input after 0, 1, ... steps, without the skip connection.

        Each power of exp(dt A) is the product of one for its block of steps and one for the step in the block, so that
        a product of matrices computes the sum over all states without storing every power.
        """
        rate, held = self._discretize()
        blocks = (length + STEPS_PER_BLOCK - 1) // STEPS_PER_BLOCK
        coefficients = 2 * torch.view_as_complex(self.readout.float()) * held
        left = coefficients[..., None] * self._powers(rate, torch.arange(blocks, device=rate.device) * STEPS_PER_BLOCK)
        right = self._powers(rate, torch.arange(STEPS_PER_BLOCK, device=rate.device))
        with single_precision(rate.device):
            kernels = left.real.mT @ right.real - left.imag.mT @ right.imag
        return kernels.flatten(-2)[..., :length]

    def forward(self, signal: Signal) -> Signal:
        """Apply the model to whole sequences, with a state of zero before them."""
        return long_convolution(signal, self.kernels(signal.shape[-1])) + self._skipped(signal)

    def initial_state(self, *batch: int, device: torch.device) -> DiagonalState:
        """Return the state before the first input, zero."""
        return torch.zeros(*batch, *self.log_decay.shape, dtype=torch.complex64, device=device)

    def extend(self, signal: Signal, state: DiagonalState) -> tuple[Signal, DiagonalState]:
        """Apply a model with one direction to the next inputs, after ``state``."""
        rate, held = self._discretize()
        readout = 2 * torch.view_as_complex(self.readout[0].float())
        if signal.shape[-1] == 1:
            state = rate.exp() * state + held * signal.float()
            return (readout * state).real.sum(dim=-1, keepdim=True) + self._skipped(signal), state
        outputs = []
        for inputs in signal.float().split(STEPS_AT_ONCE, dim=-1):
            steps = torch.arange(inputs.shape[-1], device=rate.device)
            remembered = (readout * state)[..., None, :] @ self._powers(rate, steps + 1)
            outputs.append(self(inputs) + remembered[..., 0, :].real)
            reversed_powers = self._powers(rate, steps.flip(0))
            added = (inputs.to(state.dtype)[..., None, :] @ reversed_powers.mT)[..., 0, :]
            state = (rate * len(steps)).exp() * state + held * added
        return torch.cat(outputs, dim=-1), state

    def _discretize(self) -> tuple[Tensor, Tensor]:
        """Return dt A, and (exp(dt A) - 1) / A, each Complex "channels states"."""
        matrix = torch.complex(-self.log_decay.float().exp(), self.frequency.float())
        rate = self.log_step.float().exp()[:, None] * matrix
        return rate, (rate.exp() - 1) / matrix

    def _skipped(self, signal: Signal) -> Signal:
        return self.skip.float()[:, None] * signal.float()

    @staticmethod
    def _powers(rate: Tensor, exponents: Tensor) -> Complex[Tensor, "channels states exponents"]:
        return (rate[..., None] * exponents).exp()
