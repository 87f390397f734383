"""The backbone: a stack of layers on vectors, of tokens or of patches, without embedding and output head."""

from collections.abc import Iterable, Sequence
from typing import cast

from jaxtyping import Bool, Float
from torch import Tensor, nn

from regard.errors import UsageError
from regard.model.layer import Layer, LayerFactory, Memory
from regard.model.mixer import SequenceMask, State
from regard.model.past import Past
from regard.model.recorder import Recorder
from regard.model.residual import Condition


class Stack(nn.ModuleList):
    """``depth`` layers, one after the other.

    A list of modules, so that an owner with ``self.layers = Stack(...)`` has weights ``layers.0.mixer...``. The owner
    applies the final norm (`final_norm`), under its own name for it.

    layer: makes a layer
    causal: a position sees only itself and earlier positions
    cross: the layers attend to an encoded source
    conditioned: the stack is called with a condition

    Raises UsageError if the residual connection of the layers needs a condition that the stack does not get, or has no
    use for its condition.
    """

    def __init__(self, layer: LayerFactory, depth: int, causal: bool, cross: bool, conditioned: bool = False) -> None:
        super().__init__(layer(causal=causal, cross=cross, number=number) for number in range(depth))
        residual = next((each.mixer_path for each in self._layers()), None)  # the same in all layers
        if residual is not None and residual.conditioned != conditioned:
            name = type(residual).__name__
            raise UsageError(
                f"model.residual: {name} needs a condition, such as the time of a denoiser, and the model of this task "
                "has none; use residual=pre_norm or residual=post_norm"
                if residual.conditioned
                else f"model.residual: {name} does not use the condition of this model; use residual=ada_ln_zero"
            )

    def final_norm(self) -> nn.Module:
        """Return the module to apply after the last layer: to vectors, and to the condition if there is one."""
        return cast(Layer, self[-1]).final_norm() if len(self) else nn.Identity()

    def forward(
        self,
        x: Float[Tensor, "batch length dim"],
        mask: SequenceMask | None = None,
        encoded: Float[Tensor, "batch source dim"] | None = None,
        memory_mask: Bool[Tensor, "batch 1 1 source"] | None = None,
        condition: Condition | None = None,
        record: Recorder | None = None,
    ) -> Float[Tensor, "batch length dim"]:
        """Apply all layers to a whole sequence, before the final norm. Each is recorded under its number."""
        for number, layer in enumerate(self._layers()):
            below = record and record.under(str(number))
            x = layer(x, mask, encoded, memory_mask, condition, below)
            if below is not None:
                below.state(x)
        return x

    def memory(self, encoded: Float[Tensor, "batch source dim"]) -> tuple[Memory | None, ...]:
        """Project the encoded source to the keys and values of each layer; None without cross-attention."""
        return tuple(layer.memory(encoded) for layer in self._layers())

    def initial_state(self, rows: int, like: Tensor) -> tuple[State, ...]:
        """Return the state of each layer before the first position, with the device and dtype of ``like``."""
        return tuple(layer.mixer.initial_state(rows, like) for layer in self._layers())

    def forward_next(
        self,
        x: Float[Tensor, "rows new dim"],
        states: Sequence[State],
        past: Past,
        memory: Sequence[Memory | None],
        memory_mask: Bool[Tensor, "batch 1 1 source"] | None,
    ) -> tuple[Float[Tensor, "rows new dim"], tuple[State, ...]]:
        """Apply all layers to the next positions of a sequence, after ``past``. ``states`` are consumed."""
        following = []
        for layer, state, of_layer in zip(self._layers(), states, memory, strict=True):
            x, state = layer.extend(x, state, past, of_layer, memory_mask)
            following.append(state)
        return x, tuple(following)

    def _layers(self) -> Iterable[Layer]:
        return cast(Iterable[Layer], self)
