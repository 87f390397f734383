"""Feed-forward networks, applied to each position separately."""

from jaxtyping import Float
from torch import Tensor, nn


def relu(dim: int, ffn_dim: int, bias: bool = True) -> nn.Module:
    """max(0, x W1 + b1) W2 + b2 (Vaswani et al. 2017, section 3.3)."""
    return nn.Sequential(nn.Linear(dim, ffn_dim, bias), nn.ReLU(), nn.Linear(ffn_dim, dim, bias))


def gelu(dim: int, ffn_dim: int, bias: bool = True) -> nn.Module:
    """GELU(x W1 + b1) W2 + b2 (Hendrycks and Gimpel 2016)."""
    return nn.Sequential(nn.Linear(dim, ffn_dim, bias), nn.GELU(), nn.Linear(ffn_dim, dim, bias))


def gelu_tanh(dim: int, ffn_dim: int, bias: bool = True) -> nn.Module:
    """The same with the approximation of GELU by a tanh, as in GPT-2 (Hendrycks and Gimpel 2016, section 2)."""
    return nn.Sequential(nn.Linear(dim, ffn_dim, bias), nn.GELU("tanh"), nn.Linear(ffn_dim, dim, bias))


def swish(dim: int, ffn_dim: int, bias: bool = True) -> nn.Module:
    """Swish(x W1 + b1) W2 + b2, with Swish(x) = x * sigmoid(x) (Ramachandran et al. 2017)."""
    return nn.Sequential(nn.Linear(dim, ffn_dim, bias), nn.SiLU(), nn.Linear(ffn_dim, dim, bias))


class SwiGLU(nn.Module):
    """(Swish(x W) * x V) W2, without biases (Shazeer 2020, equation 6).

    It has three matrices instead of two: with two thirds of ``ffn_dim``, it has the same number of parameters.
    """

    def __init__(self, dim: int, ffn_dim: int) -> None:
        super().__init__()
        self.gate_value = nn.Linear(dim, 2 * ffn_dim, bias=False)
        self.output = nn.Linear(ffn_dim, dim, bias=False)

    def forward(self, x: Float[Tensor, "*shape dim"]) -> Float[Tensor, "*shape dim"]:
        gate, value = self.gate_value(x).chunk(2, dim=-1)
        return self.output(nn.functional.silu(gate) * value)
