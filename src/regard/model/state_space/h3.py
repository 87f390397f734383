"""H3 as a mixer: two state-space models with multiplications in between."""

from jaxtyping import Float
from torch import Tensor, nn

from regard.model.linear import initialise_linear
from regard.model.mixer import SequenceMask, State
from regard.model.past import Past
from regard.model.state_space.diagonal import DiagonalSSM
from regard.model.state_space.mixer import StateSpaceMixer
from regard.model.state_space.shift import ShiftSSM


class H3(StateSpaceMixer):
    """Q * diagonal(shift(K) * V), then a linear layer (Fu et al. 2023, "Hungry Hungry Hippos", algorithm 1).

    The shift model of the keys lets a position see what stood before it. The product with the values is stored by the
    diagonal model, and the query selects from it. Not ``causal`` (in an encoder), both models have two directions.

    num_heads: not used, see ``head_dim``
    state_size: real numbers that the diagonal model remembers per channel
    shift_taps: positions in the sum of the shift model
    head_dim: 1 multiplies keys and values by channel. With more, each head stores the outer product of its key and
        value, of ``head_dim`` squared numbers.
    max_lr: highest learning rate of the time constants of the diagonal model
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        causal: bool,
        state_size: int = 64,
        shift_taps: int = 4,
        head_dim: int = 1,
        bias: bool = True,
        max_lr: float | None = 0.001,
    ) -> None:
        super().__init__()
        if dim % head_dim:
            raise ValueError(f"dim {dim} must be a multiple of the mixer's head_dim {head_dim}")
        directions = 1 if causal else 2
        self.head_dim = head_dim
        self.query_key_value = nn.Linear(dim, 3 * dim, bias)
        self.shift = ShiftSSM(dim, shift_taps, directions)
        self.memory = DiagonalSSM(dim // head_dim, state_size, directions, max_lr)
        self.output = nn.Linear(dim, dim, bias)
        for projection in self.query_key_value.weight.detach().chunk(3):
            nn.init.xavier_uniform_(projection)
        if bias:
            nn.init.zeros_(self.query_key_value.bias)
        initialise_linear(self.output)

    def initial_state(self, batch: int, like: Tensor) -> State:
        heads = self.head_dim, self.head_dim
        return self.shift.initial_state(batch, like.device), self.memory.initial_state(
            batch, *heads, device=like.device
        )

    def extend(self, x: Float[Tensor, "batch new dim"], state: State, past: Past) -> tuple[Tensor, State]:
        query, key, value = self.query_key_value(x).mT.float().chunk(3, dim=1)
        key, shifted = self.shift.extend(key, state[0])
        stored, remembered = self.memory.extend(self._product(key, value), state[1])
        return self._read_out(query, stored, x), (shifted, remembered)

    def mix(
        self, x: Float[Tensor, "batch length dim"], mask: SequenceMask | None = None
    ) -> Float[Tensor, "batch length dim"]:
        """See `StateSpaceMixer`."""
        query, key, value = self.query_key_value(x).mT.float().chunk(3, dim=1)
        if mask is not None:  # of padding
            key, value = key * mask, value * mask
        return self._read_out(query, self.memory(self._product(self.shift(key), value)), x)

    def _product(self, key: Tensor, value: Tensor) -> Float[Tensor, "batch head_dim head_dim heads length"]:
        """Return the outer product of the key and value of each head."""
        return self._heads(key)[:, :, None] * self._heads(value)[:, None]

    def _read_out(self, query: Tensor, stored: Tensor, x: Tensor) -> Tensor:
        """Multiply the stored products with the query and project the result."""
        read = (self._heads(query)[:, :, None] * stored).sum(dim=1)
        return self.output(read.transpose(1, 2).flatten(1, 2).mT.to(x.dtype))

    def _heads(self, signal: Float[Tensor, "batch dim length"]) -> Float[Tensor, "batch head_dim heads length"]:
        return signal.unflatten(1, (-1, self.head_dim)).transpose(1, 2)
