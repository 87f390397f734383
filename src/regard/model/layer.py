"""One layer of an encoder or decoder: a mixer, cross-attention and a feed-forward network."""

from collections.abc import Callable

from jaxtyping import Bool, Float
from torch import Tensor, nn

from regard.model.attention import MultiHeadAttention
from regard.model.mixer import MixerByLayer, MixerFactory, SequenceMask, State
from regard.model.past import Past
from regard.model.recorder import Recorder
from regard.model.residual import Condition, Residual

FeedForwardFactory = Callable[[int, int], nn.Module]
"""Makes a feed-forward network from ``dim`` and ``ffn_dim``."""

ResidualFactory = Callable[[int, float], Residual]
"""Makes a residual connection from ``dim`` and ``dropout``."""

LayerFactory = Callable[..., "Layer"]
"""Makes a layer from ``causal``, ``cross`` and ``number``, its number in the stack, from 0."""

Memory = tuple[Float[Tensor, "batch heads source head_dim"], Float[Tensor, "batch heads source head_dim"]]
"""Keys and values of the encoded source, projected once per sentence."""


class Layer(nn.Module):
    """A mixer, cross-attention if ``cross`` is true, and a feed-forward network, each with a residual connection."""

    def __init__(
        self,
        dim: int,
        num_heads: int,
        ffn_dim: int,
        dropout: float,
        mixer: MixerFactory | MixerByLayer,
        feed_forward: FeedForwardFactory,
        residual: ResidualFactory,
        causal: bool,
        cross: bool,
        number: int = 0,
    ) -> None:
        super().__init__()
        make_mixer = mixer.of_layer(number) if isinstance(mixer, MixerByLayer) else mixer
        self.mixer = make_mixer(dim=dim, num_heads=num_heads, causal=causal)
        self.mixer_path = residual(dim, dropout)
        self.cross = MultiHeadAttention(dim, num_heads) if cross else None
        self.cross_path = residual(dim, dropout) if cross else None
        self.feed_forward = feed_forward(dim, ffn_dim)
        self.feed_forward_path = residual(dim, dropout)

    def final_norm(self) -> nn.Module:
        """Return the module to apply after the last layer of a stack."""
        return self.feed_forward_path.final_norm()

    def memory(self, encoded: Float[Tensor, "batch source dim"]) -> Memory | None:
        """Project the encoded source to the keys and values of the cross-attention; None without cross-attention."""
        return None if self.cross is None else self.cross.keys_values(encoded)

    def forward(
        self,
        x: Float[Tensor, "batch length dim"],
        mask: SequenceMask | None,
        encoded: Float[Tensor, "batch source dim"] | None = None,
        memory_mask: Bool[Tensor, "batch 1 1 source"] | None = None,
        condition: Condition | None = None,
        record: Recorder | None = None,
    ) -> Float[Tensor, "batch length dim"]:
        """Apply the layer to a whole sequence and, with cross-attention, the encoded source."""
        memory = None if encoded is None else self.memory(encoded)
        mixed = self.mixer(self.mixer_path.input(x, condition), mask, record and record.under("self"))
        x = self.mixer_path.output(x, mixed, condition)
        return self._after_mixing(x, memory, memory_mask, condition, record)

    def extend(
        self,
        x: Float[Tensor, "rows new dim"],
        state: State,
        past: Past,
        memory: Memory | None = None,
        memory_mask: Bool[Tensor, "batch 1 1 source"] | None = None,
    ) -> tuple[Float[Tensor, "rows new dim"], State]:
        """Apply the layer to the next positions of a sequence, after ``past``. ``state`` is consumed.

        ``rows`` may be a multiple of the memory's batch. Consecutive rows (the beams of a sentence) then attend to the
        memory of one sentence, which is not copied. There is no condition.
        """
        mixed, state = self.mixer.extend(self.mixer_path.input(x, None), state, past)
        return self._after_mixing(self.mixer_path.output(x, mixed, None), memory, memory_mask, None, None), state

    def _after_mixing(
        self,
        x: Tensor,
        memory: Memory | None,
        memory_mask: Tensor | None,
        condition: Tensor | None,
        record: Recorder | None,
    ) -> Tensor:
        if self.cross is not None and self.cross_path is not None and memory is not None:
            by_sentence = self.cross_path.input(x, condition).reshape(len(memory[0]), -1, x.shape[-1])
            query = self.cross.queries(by_sentence)
            attended = self.cross(query, *memory, memory_mask, record=record and record.under("cross"))
            x = self.cross_path.output(x, attended.reshape(x.shape), condition)
        y = self.feed_forward(self.feed_forward_path.input(x, condition))
        return self.feed_forward_path.output(x, y, condition)
