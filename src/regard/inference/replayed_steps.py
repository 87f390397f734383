"""Single steps of a decoder on a GPU, by replay of a CUDA graph.

A step of one token consists of hundreds of small kernels, and it takes the CPU several times as long to launch them as
it takes the GPU to run them. A CUDA graph launches all of them at once. It reads and writes the same memory each time.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from regard.inference.decoding import Step
from regard.model.decoder import Decoder, DecoderState
from regard.model.past import KeyValueCache

STEPS_BEFORE = 3
"""Number of steps before one is recorded, which takes as long as a few of them."""
SMALLEST_CAPACITY = 64
"""Of a cache, in positions, unless the model reads fewer. A full cache is replaced by one of twice the capacity."""


def steps_of(decoder: Decoder) -> Step:
    """Return the step function that is fastest on the device of ``decoder``."""
    return ReplayedSteps(decoder) if decoder.embedding.tokens.weight.is_cuda else decoder.step


class ReplayedSteps:
    """Computes what `Decoder.step` does, for the rows of one search or one continuation.

    Rows may leave, but not share caches: a beam search is not recorded.
    """

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder
        self.steps = 0
        self.recording: _Recording | None = None

    def __call__(self, tokens: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """See `Decoder.step`. The logits are overwritten by the next step."""
        self.steps += 1
        if self.recording is not None and not self.recording.holds(state):
            self.recording, self.steps = None, 1
        too_long = state.length >= self.decoder.embedding.max_length  # the decoder raises an error
        if too_long or self.steps <= STEPS_BEFORE or state.origins is not None:
            return self.decoder.step(tokens, state)
        if self.recording is None or state.length == self.recording.capacity:
            self.recording = _Recording(self.decoder, state, len(tokens))
            state = self.recording.state
        return self.recording.step(tokens, state)


class _Recording:
    """A recorded step of ``rows``.

    state: the state before the first step; later states are written to the same tensors
    capacity: number of positions that its caches have room for
    """

    def __init__(self, decoder: Decoder, state: DecoderState, rows: int) -> None:
        self.capacity = min(max(SMALLEST_CAPACITY, 2 * state.length), decoder.embedding.max_length)
        layers = tuple(
            layer.copy(state.length, self.capacity) if isinstance(layer, KeyValueCache) else layer
            for layer in state.layers
        )
        self.state = state._replace(layers=layers)
        self.places = _places(self.state)
        device = decoder.embedding.tokens.weight.device
        self.tokens = torch.zeros(rows, dtype=torch.long, device=device)
        self.position = torch.full((1,), state.length, device=device)
        recurrent = [tensor for layer in layers if not isinstance(layer, KeyValueCache) for tensor in layer]
        before = [tensor.clone() for tensor in recurrent]
        self.replay = record(lambda: decoder.step_in_place(self.tokens, self.state, self.position))
        for tensor, value in zip(recurrent, before, strict=True):  # the recording has also run the step
            tensor.copy_(value)

    def holds(self, state: DecoderState) -> bool:
        """Return whether the rows of ``state`` are the first rows of the tensors of this recording.

        Rows that leave are overwritten in place (`DecoderState.select`).
        """
        return _places(state) == self.places

    def step(self, tokens: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """Replay the step for all rows; the results of those that have left are not used."""
        self.tokens[: len(tokens)] = tokens
        self.position.fill_(state.length)
        return self.replay()[: len(tokens)], state._replace(length=state.length + 1)


def record(run: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """Run a function of tensors at fixed places, record it as a CUDA graph, and return a function that replays it.

    The run allocates what libraries need, which is not possible during a recording. The replay writes its result to the
    same place each time.
    """
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        result = run()

    def replay() -> Tensor:
        graph.replay()
        return result

    return replay


def _places(state: DecoderState) -> list[int]:
    """Return the addresses of all tensors of a state."""
    tensors = [tensor for layer in state.layers for tensor in layer]
    tensors += [tensor for memory in state.memory if memory is not None for tensor in memory]
    return [tensor.data_ptr() for tensor in tensors]
