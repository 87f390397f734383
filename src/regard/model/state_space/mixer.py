"""What mixers with a state-space model have in common: padding, packed documents and the record of kernels."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor, nn

from regard.model.mixer import SequenceMask
from regard.model.own_parameters import ParameterSettings
from regard.model.recorder import Recorder
from regard.model.state_space.diagonal import DiagonalSSM
from regard.model.state_space.documents import by_document, document_starts


class StateSpaceMixer(nn.Module, ABC):
    """A mixer that remembers in a diagonal state-space model.

    memory: the model, whose kernels are recorded
    """

    memory: DiagonalSSM

    @abstractmethod
    def mix(
        self, x: Float[Tensor, "batch length dim"], mask: SequenceMask | None = None
    ) -> Float[Tensor, "batch length dim"]:
        """Mix whole sequences; ``mask`` has one row, which is False at padding."""

    def parameter_settings(self) -> Mapping[str, ParameterSettings]:
        """See `regard.model.own_parameters.OwnParameters`. The parts have their own settings."""
        return {}

    def forward(
        self, x: Float[Tensor, "batch length dim"], mask: SequenceMask | None, record: Recorder | None = None
    ) -> Float[Tensor, "batch length dim"]:
        """See `regard.model.mixer.Mixer`. A mask with a row for each position separates documents."""
        if record is not None:
            record.kernel(self.memory.kernels)
        if mask is None or mask.shape[1] == 1:
            return self.mix(x, mask)
        return by_document(self.mix, x, document_starts(mask))
