"""Decoding: greedy search, beam search and sampling over a step function and a state, for all tasks.

A step reads one token per row and returns the logits of the next. Rows are grouped by sentence. The result for a
sentence does not depend on the other sentences of the batch.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor


@runtime_checkable
class DecodingState(Protocol):
    """The state of a step function; see ``regard.model.decoder.DecoderState``."""

    def reorder(self, rows: Tensor) -> Any:
        """Return the state in which row i continues the present row ``rows[i]``, of the same sentence."""

    def select(self, sentences: Sequence[int]) -> Any:
        """Return the state of some sentences, in this order, with all their rows."""


Step = Callable[[Tensor, Any], tuple[Tensor, Any]]
"""(tokens "rows", state) -> (logits "rows vocab", next state)"""


class Hypothesis(NamedTuple):
    """An output: its tokens without ``<s>`` and ``</s>``, and its log-probability (natural, ``</s>`` included)."""

    tokens: list[int]
    log_probability: float


@torch.inference_mode()
def greedy(
    step: Step, state: DecodingState, limits: Int[Tensor, " sentences"], begin: int, end: int
) -> list[Hypothesis]:
    """Decode the most likely token at each step, until ``end`` or ``limits`` tokens. One row per sentence."""
    tokens, last = torch.full_like(limits, begin), limits.tolist()
    outputs: list[list[int]] = [[] for _ in last]
    scores = [0.0] * len(last)
    alive = list(range(len(last)))
    for length in range(1, max(last) + 1):
        logits, state = step(tokens, state)
        best, tokens = logits.float().log_softmax(dim=-1).max(dim=-1)
        stays = []
        for position, (score, token) in enumerate(zip(best.tolist(), tokens.tolist(), strict=True)):
            sentence = alive[position]
            scores[sentence] += score
            if token != end:
                outputs[sentence].append(token)
                if length < last[sentence]:
                    stays.append(position)
        if not stays:
            break
        if len(stays) < len(alive):
            stays = without_gaps(stays)
            alive, tokens, state = [alive[position] for position in stays], tokens[stays], state.select(stays)
    return [Hypothesis(output, score) for output, score in zip(outputs, scores, strict=True)]


def without_gaps(stays: list[int]) -> list[int]:
    """Return the numbers in an order in which most are at the place that they count: the last ones fill the gaps."""
    inside, beyond = set(stays), [number for number in stays if number >= len(stays)]
    return [place if place in inside else beyond.pop() for place in range(len(stays))]


def length_penalty(length: int, alpha: float) -> float:
    """Return ((5 + length) / 6) ^ alpha (Wu et al. 2016, equation 14). Log-probabilities are divided by it."""
    return ((5 + length) / 6) ** alpha


@torch.inference_mode()
def beam_search(
    step: Step,
    state: DecodingState,
    limits: Int[Tensor, " sentences"],
    begin: int,
    end: int,
    beam_size: int,
    alpha: float,
) -> list[Hypothesis]:
    """Return the best hypothesis of each sentence, found with ``beam_size`` open prefixes (Wu et al. 2016, section 7).

    Each step extends the open prefixes and keeps the ``beam_size`` most likely extensions that do not end. An extension
    that ends is finished if it is among the ``beam_size`` most likely of all. Decoding of a sentence stops

    - if no open prefix can become better than the best finished hypothesis;
    - if ``beam_size`` hypotheses are finished and no open prefix is better than the best of them at present. The number
      alone is not sufficient: if one prefix is nearly certain, hypotheses that end early are bad;
    - at its limit, where open prefixes count as finished.

    ``alpha`` is the exponent of the length penalty; 0 compares plain log-probabilities. ``state`` has ``beam_size``
    rows per sentence. With a beam of 1, the result is that of ``greedy``.
    """
    device, count = limits.device, len(limits)
    best: list[tuple[float, Hypothesis]] = [(-torch.inf, Hypothesis([], -torch.inf))] * count
    finished = [0] * count

    def finish(sentence: int, prefix: Tensor, score: float, length: int) -> None:
        finished[sentence] += 1
        normalised = score / length_penalty(length, alpha)
        if normalised > best[sentence][0]:
            best[sentence] = normalised, Hypothesis(prefix[1:].tolist(), score)

    alive, last = list(range(count)), limits.tolist()
    prefixes = torch.full((count, beam_size, 1), begin, device=device)
    # All prefixes of a sentence are the same at first: only one of them is extended.
    scores = torch.full((count, beam_size), -torch.inf, device=device)
    scores[:, 0] = 0.0
    for length in range(1, max(last) + 1):
        logits, state = step(prefixes[:, :, -1].flatten(), state)
        extended = scores[:, :, None] + logits.float().log_softmax(dim=-1).unflatten(0, scores.shape)
        vocab = extended.shape[-1]
        # At most one extension of each prefix ends, so that at least beam_size of the top 2 * beam_size do not.
        top = extended.flatten(1).topk(2 * beam_size, dim=-1)
        origins, tokens = top.indices // vocab, top.indices % vocab
        ends = tokens == end
        still_open = (torch.arange(2 * beam_size, device=device) + ends * 2 * beam_size).argsort(dim=-1)[:, :beam_size]
        scores = top.values.gather(1, still_open)
        kept_origins, kept_tokens = origins.gather(1, still_open), tokens.gather(1, still_open)

        for position, rank in (ends[:, :beam_size] & top.values[:, :beam_size].isfinite()).nonzero().tolist():
            prefix = prefixes[position, origins[position, rank]]
            finish(alive[position], prefix, top.values[position, rank].item(), length)

        chosen = prefixes.gather(1, kept_origins[:, :, None].expand(-1, -1, prefixes.shape[-1]))
        prefixes = torch.cat([chosen, kept_tokens[:, :, None]], dim=-1)
        stays = []
        for position, (sentence, score) in enumerate(zip(alive, scores[:, 0].tolist(), strict=True)):
            limit = last[sentence]
            # Log-probabilities only decrease, and the length penalty is largest at the limit.
            hopeless = score / length_penalty(limit, alpha) <= best[sentence][0]
            behind = score / length_penalty(length, alpha) <= best[sentence][0]
            if hopeless or (behind and finished[sentence] >= beam_size):
                continue
            if length == limit:
                for prefix, open_score in zip(prefixes[position], scores[position].tolist(), strict=True):
                    finish(sentence, prefix, open_score, length)
                continue
            stays.append(position)
        if not stays:
            break
        rows = kept_origins + torch.arange(len(alive), device=device)[:, None] * beam_size
        state = state.reorder(rows.flatten())
        if len(stays) < len(alive):
            stays = without_gaps(stays)
            alive, state = [alive[position] for position in stays], state.select(stays)
            prefixes, scores = prefixes[stays], scores[stays]
    return [hypothesis for _, hypothesis in best]


FIXED_POINT = 2**52
"""Inverse of the unit of `cumulative_sums`, which is the resolution of float64 near 1."""


def cumulative_sums(probabilities: Float[Tensor, "rows vocab"]) -> Int[Tensor, "rows vocab"]:
    """Return the cumulative sums of the probabilities, in units of 1 / ``FIXED_POINT``.

    Sums of integers are exact in any order of addition. They are therefore the same on every device, unlike sums of
    floats.
    """
    return (probabilities * FIXED_POINT).round().to(torch.int64).cumsum(dim=-1)


class Sampling(NamedTuple):
    """Settings of the sampling of the next token.

    temperature: logits are divided by it; 0 selects the most likely token
    top_k: number of most likely tokens to sample from (Fan et al. 2018, section 5.1); None for all
    top_p: sample from the most likely tokens that together reach this probability (Holtzman et al. 2020, section 3.1)
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def probabilities(self, logits: Float[Tensor, "rows vocab"]) -> Float[Tensor, "rows vocab"]:
        """Return the sampling probabilities. Of equally likely tokens at a cut, the first ones are kept."""
        if self.temperature == 0:
            return torch.nn.functional.one_hot(logits.argmax(dim=-1), logits.shape[-1]).double()
        below = logits.double() - logits.max(dim=-1, keepdim=True).values  # at most 0: low temperatures do not overflow
        probabilities = (below / self.temperature).softmax(dim=-1)
        if self.top_k is None and self.top_p is None:
            return probabilities
        ordered, tokens = probabilities.sort(descending=True, stable=True)
        if self.top_k is not None:
            ordered[:, self.top_k :] = 0.0
        if self.top_p is not None:
            ordered /= ordered.sum(dim=-1, keepdim=True)
            before = cumulative_sums(ordered).roll(1, dims=-1)
            before[:, 0] = 0
            ordered = ordered.where(before < self.top_p * FIXED_POINT, 0.0)
        ordered /= ordered.sum(dim=-1, keepdim=True)
        return torch.zeros_like(ordered).scatter(-1, tokens, ordered)

    def draw(self, logits: Float[Tensor, "rows vocab"], uniform: Float[Tensor, " rows"]) -> Int[Tensor, " rows"]:
        """Return a token for each row, chosen by a number of that row drawn uniformly from [0, 1)."""
        if self.temperature == 0:
            return logits.argmax(dim=-1)
        cumulative = cumulative_sums(self.probabilities(logits))
        drawn = (uniform.to(logits.device, torch.float64)[:, None] * cumulative[:, -1:]).floor().to(torch.int64)
        found = torch.searchsorted(cumulative, drawn, right=True)
        return found[:, 0].clamp(max=logits.shape[-1] - 1)
