"""The time of a denoiser as a vector, the condition of its layers."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import silu

LONGEST = 1000.0
"""Scale of the times: from 0 to 1 in the model, from 0 to 1000 in the sinusoids."""


class TimeEmbedding(nn.Module):
    """Sinusoids of the time, then two linear layers (Peebles and Xie 2023, section 3.2; Nichol et al. 2021)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.waves = dim // 2
        self.input, self.output = nn.Linear(2 * self.waves, dim), nn.Linear(dim, dim)

    def forward(self, time: Float[Tensor, " batch"]) -> Float[Tensor, "batch dim"]:
        """Embed times between 0 and 1."""
        # In float32 also if the default is another format: angles would be inaccurate.
        numbers = torch.arange(self.waves, dtype=torch.float32, device=time.device)
        rates = torch.exp(numbers * (-math.log(10_000.0) / self.waves))
        angles = time.float()[:, None] * LONGEST * rates
        waves = torch.cat([angles.cos(), angles.sin()], dim=-1).to(self.input.weight.dtype)
        return self.output(silu(self.input(waves)))
