"""S4D as a mixer: a diagonal state-space model per channel."""

from jaxtyping import Float
from torch import Tensor, nn

from regard.model.linear import initialise_linear
from regard.model.mixer import SequenceMask, State
from regard.model.past import Past
from regard.model.state_space.diagonal import DiagonalSSM
from regard.model.state_space.mixer import StateSpaceMixer


class S4D(StateSpaceMixer):
    """A diagonal state-space model per channel, GELU, and a gated linear unit over the channels (Gu et al. 2022, S4D).

    Not ``causal`` (in an encoder), a second model reads each sequence backwards.

    num_heads: not used, each channel is independent
    state_size: real numbers that a channel remembers
    max_lr: highest learning rate of the time constants
    """

    def __init__(
        self, dim: int, num_heads: int, causal: bool, state_size: int = 64, max_lr: float | None = 0.001
    ) -> None:
        super().__init__()
        self.memory = DiagonalSSM(dim, state_size, 1 if causal else 2, max_lr)
        self.output = nn.Linear(dim, 2 * dim)
        initialise_linear(self.output)

    def initial_state(self, batch: int, like: Tensor) -> State:
        return (self.memory.initial_state(batch, device=like.device),)

    def extend(self, x: Float[Tensor, "batch new dim"], state: State, past: Past) -> tuple[Tensor, State]:
        remembered, after = self.memory.extend(x.mT, state[0])
        return self._read_out(remembered, x), (after,)

    def mix(
        self, x: Float[Tensor, "batch length dim"], mask: SequenceMask | None = None
    ) -> Float[Tensor, "batch length dim"]:
        """See `StateSpaceMixer`."""
        inputs = x if mask is None else x * mask.mT
        return self._read_out(self.memory(inputs.mT), x)

    def _read_out(self, remembered: Tensor, x: Tensor) -> Tensor:
        activated = nn.functional.gelu(remembered).mT.to(x.dtype)
        return nn.functional.glu(self.output(activated), dim=-1)
