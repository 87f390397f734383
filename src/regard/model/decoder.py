"""The decoder: p(next token | prefix, memory), for whole prefixes and step by step."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from regard.model.embedding import Embedding
from regard.model.encoders.encoder import Encoded
from regard.model.layer import LayerFactory, Memory
from regard.model.mixer import State
from regard.model.past import KeyValueCache, Origins, Past, read_next, shared_mask
from regard.model.recorder import Recorder
from regard.model.stack import Stack

Output = Callable[[Float[Tensor, "batch target channels"], Float[Tensor, "vocab channels"]], Tensor]
"""Computes something from vectors and a matrix whose products are the logits, for example a loss."""


class DecoderState(NamedTuple):
    """State of decoding: one row for each hypothesis, one memory for each sentence.

    Rows are grouped by sentence, the same number for each. They share the memory of their sentence and a cache of keys
    and values for their prefixes, so that beam search neither copies nor reorders these.

    origins: which row of its sentence read each position of a prefix; None if each sentence has one row
    """

    layers: tuple[State, ...]
    length: int
    origins: Origins | None
    memory: tuple[Memory | None, ...]
    memory_mask: Bool[Tensor, "sentences 1 1 source"] | None

    def reorder(self, rows: Int[Tensor, " rows"]) -> "DecoderState":
        """Return the state in which row i continues the present row ``rows[i]``, of the same sentence."""
        if self.origins is None:
            return self
        origins = self.origins.flatten(0, 1).index_select(0, rows).view_as(self.origins)
        layers = tuple(
            state if isinstance(state, KeyValueCache) else tuple(tensor.index_select(0, rows) for tensor in state)
            for state in self.layers
        )
        return self._replace(layers=layers, origins=origins)

    def select(self, sentences: Sequence[int]) -> "DecoderState":
        """Return the state of some sentences, in this order, with all their rows. ``self`` is consumed.

        Only sentences that are not at their present place are copied.
        """
        places = [place for place, sentence in enumerate(sentences) if place != sentence]
        moved = torch.tensor([places, [sentences[place] for place in places]], dtype=torch.long)

        def kept(tensor: Tensor, rows: int = 1) -> Tensor:
            by_sentence = tensor.unflatten(0, (-1, rows))
            if places:
                to, source = moved.to(tensor.device)
                by_sentence.index_copy_(0, to, by_sentence.index_select(0, source))
            return by_sentence[: len(sentences)].flatten(0, 1)

        rows = 1 if self.origins is None else self.origins.shape[1]
        layers = tuple(
            KeyValueCache(*map(kept, state))
            if isinstance(state, KeyValueCache)
            else tuple(kept(t, rows) for t in state)
            for state in self.layers
        )
        return DecoderState(
            layers=layers,
            length=self.length,
            origins=None if self.origins is None else kept(self.origins),
            memory=tuple(memory and (kept(memory[0]), kept(memory[1])) for memory in self.memory),
            memory_mask=None if self.memory_mask is None else kept(self.memory_mask),
        )


class Decoder(nn.Module):
    """A stack of causal layers. With ``cross``, each also attends to the memory; without, it is a language model."""

    def __init__(self, embedding: Embedding, layer: LayerFactory, depth: int, cross: bool) -> None:
        super().__init__()
        self.embedding = embedding
        self.layers = Stack(layer, depth, causal=True, cross=cross)
        self.norm = self.layers.final_norm()

    def forward(
        self,
        prefix: Int[Tensor, "batch target"],
        encoded: Encoded | None,
        record: Recorder | None = None,
        documents: Int[Tensor, "batch target"] | None = None,
        output: Output | None = None,
    ) -> Tensor:
        """Compute the logits of the token after each position of a right-padded ``prefix``, "batch target vocab".

        ``documents`` contains the number of the packed document that each token belongs to. A token then attends only
        to its own document, and its position is counted from the first token of that document. With ``output``, its
        result is returned instead of the logits.
        """
        # No padding mask: padding is on the right, and in a causal layer no real position attends to it.
        positions, mask = None, None
        if documents is not None:
            positions, mask = document_positions(documents), documents[:, :, None] == documents[:, None, :]
        x, source, source_mask = self.embedding(prefix, 0, positions), None, None
        if encoded is not None:
            source, source_mask = encoded.states, encoded.mask[:, None, None, :]
        if record is not None:
            record.under("embedding").state(x)
        hidden = self.norm(self.layers(x, mask, source, source_mask, record=record))
        return self.embedding.logits(hidden) if output is None else output(*self.embedding.product(hidden))

    def start(self, encoded: Encoded | None, rows: int, sentences: int | None = None) -> DecoderState:
        """Return the state of ``rows`` empty prefixes, a multiple of the number of encoded sentences.

        sentences: their number without an encoder; by default, each row is one
        """
        like, memory_mask = self.embedding.tokens.weight, None
        memory: tuple[Memory | None, ...] = (None,) * len(self.layers)
        if encoded is not None:
            like, memory = encoded.states, self.layers.memory(encoded.states)
            memory_mask, sentences = encoded.mask[:, None, None, :], len(encoded.mask)
        origins = None
        if sentences is not None and sentences < rows:
            origins = torch.empty(sentences, rows // sentences, 0, dtype=torch.long, device=like.device)
        return DecoderState(self.layers.initial_state(rows, like), 0, origins, memory, memory_mask)

    def extend(
        self, tokens: Int[Tensor, "rows new"], state: DecoderState
    ) -> tuple[Float[Tensor, "rows new vocab"], DecoderState]:
        """Return the logits after each new token, and the next state. ``state`` is consumed."""
        hidden, state = self._extend(tokens, state)
        return self.embedding.logits(hidden), state

    def extend_last(
        self, tokens: Int[Tensor, "rows new"], state: DecoderState
    ) -> tuple[Float[Tensor, "rows vocab"], DecoderState]:
        """Do the same as ``extend``, but compute only the logits after the last new token.

        The logits of all tokens of a long prompt would need much memory.
        """
        hidden, state = self._extend(tokens, state)
        return self.embedding.logits(hidden[:, -1]), state

    def step(
        self, tokens: Int[Tensor, " rows"], state: DecoderState
    ) -> tuple[Float[Tensor, "rows vocab"], DecoderState]:
        """Extend each row by one token: the step function of ``regard.inference.decoding``."""
        return self.extend_last(tokens[:, None], state)

    def step_in_place(
        self, tokens: Int[Tensor, " rows"], state: DecoderState, position: Int[Tensor, "1"]
    ) -> Float[Tensor, "rows vocab"]:
        """Extend each row by one token, at ``position``, and write the next state to the tensors of ``state``.

        Returns the logits. No shape and no address depends on the position, so that a CUDA graph of this step can be
        replayed. The caches must have room, and rows may not share them; ``state.length`` is not used.
        """
        x, rows, mask = self.embedding(tokens[:, None], positions=position[None]), len(tokens), None
        if caches := [layer for layer in state.layers if isinstance(layer, KeyValueCache)]:
            not_ahead = torch.arange(caches[0].capacity, device=position.device) <= position
            mask = not_ahead.expand(rows, 1, 1, -1)
        past = Past(position, mask)
        x, layers = self.layers.forward_next(x, state.layers, past, state.memory, state.memory_mask)
        for before, after in zip(state.layers, layers, strict=True):
            if not isinstance(before, KeyValueCache):
                for tensor, value in zip(before, after, strict=True):
                    tensor.copy_(value)
        return self.embedding.logits(self.norm(x)[:, -1])

    def _extend(
        self, tokens: Int[Tensor, "rows new"], state: DecoderState
    ) -> tuple[Float[Tensor, "rows new dim"], DecoderState]:
        x = self.embedding(tokens, start=state.length)
        new, origins, past = tokens.shape[1], state.origins, Past(state.length)
        if origins is not None:
            origins = read_next(origins, new)
            past = Past(state.length, shared_mask(origins, new))
        x, layers = self.layers.forward_next(x, state.layers, past, state.memory, state.memory_mask)
        return self.norm(x), state._replace(layers=layers, length=state.length + new, origins=origins)


def document_positions(documents: Int[Tensor, "batch length"]) -> Int[Tensor, "batch length"]:
    """Return the position of each token within its document, from 0. A document is a run of equal numbers."""
    index = torch.arange(documents.shape[1], device=documents.device).expand_as(documents)
    is_first = torch.ones_like(documents, dtype=torch.bool)
    is_first[:, 1:] = documents[:, 1:] != documents[:, :-1]
    return index - index.where(is_first, 0).cummax(dim=1).values
