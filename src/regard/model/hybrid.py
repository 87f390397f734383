"""Stacks in which some layers have attention and the others another mixer."""

from collections.abc import Callable, Sequence
from functools import partial

from torch import nn

from regard.model.mixer import MixerFactory
from regard.model.positions import NoRotation


class Hybrid:
    """Chooses the mixer of a layer by its number (Fu et al. 2023, section 3.2: two layers of H3 models keep attention).

    attention_layers: numbers of the layers that have attention, from 0, in the decoder and in an encoder
    attention: makes their mixer; ``rotation``: makes the module that rotates its queries and keys by position
    other: makes the mixer of all other layers
    """

    def __init__(
        self,
        other: MixerFactory,
        attention: MixerFactory,
        attention_layers: Sequence[int] = (),
        rotation: Callable[[int], nn.Module] = NoRotation,
    ) -> None:
        self.other, self.attention = other, attention
        self.attention_layers, self.rotation = frozenset(attention_layers), rotation

    def of_layer(self, number: int) -> MixerFactory:
        """Return the factory of the mixer of a layer."""
        return partial(self.attention, rotation=self.rotation) if number in self.attention_layers else self.other
