"""Choosing the next token: algorithms over a step function and a state, for every task.

A step reads one token a row and gives the logits of the next. Rows stand sentence by sentence, and
each sentence decodes as if it were alone: what shares its batch changes nothing.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor


@runtime_checkable
class DecodingState(Protocol):
    """What a step remembers; see ``regard.model.decoder.DecoderState``."""

    def reorder(self, rows: Tensor) -> Any:
        """Row i continues what row ``rows[i]`` was."""

    def select(self, sentences: Tensor, rows: Tensor) -> Any:
        """Only the given sentences, with their rows."""


Step = Callable[[Tensor, Any], tuple[Tensor, Any]]
"""(tokens "rows", state) -> (logits "rows vocab", state)"""


class Hypothesis(NamedTuple):
    """An output: its tokens without begin and end, and its log-probability (natural, end included)."""

    tokens: list[int]
    log_probability: float


@torch.inference_mode()
def greedy(
    step: Step, state: DecodingState, limits: Int[Tensor, " sentences"], begin: int, end: int
) -> list[Hypothesis]:
    """The likeliest token, again and again, until ``end`` or ``limits`` tokens; a row a sentence."""
    count = len(limits)
    outputs: list[list[int]] = [[] for _ in range(count)]
    scores = torch.zeros(count, device=limits.device)
    alive = torch.arange(count, device=limits.device)
    tokens = torch.full_like(alive, begin)
    for length in range(1, int(limits.max()) + 1):
        logits, state = step(tokens, state)
        best, tokens = logits.float().log_softmax(dim=-1).max(dim=-1)
        scores[alive] += best
        for sentence, token in zip(alive.tolist(), tokens.tolist(), strict=True):
            if token != end:
                outputs[sentence].append(token)
        stays = (tokens != end) & (limits[alive] > length)
        if not stays.all():
            kept = stays.nonzero()[:, 0]
            if not len(kept):
                break
            alive, tokens, state = alive[kept], tokens[kept], state.select(kept, kept)
    return [Hypothesis(output, score) for output, score in zip(outputs, scores.tolist(), strict=True)]


def length_penalty(length: int, alpha: float) -> float:
    """((5 + length) / 6) ^ alpha (Wu et al. 2016, equation 14); log-probabilities are divided by it."""
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
    """The best of what is found with ``beam_size`` open prefixes a sentence (Wu et al. 2016, section 7).

    Every step extends the open prefixes and keeps the ``beam_size`` likeliest that go on. One that
    ends is finished if it is among the ``beam_size`` likeliest extensions. A sentence is done when no
    open prefix can beat the best finished one any more; when ``beam_size`` are finished and no open one
    is better than the best of them as it stands (that many alone are no reason: beside a sure prefix all
    that end early are junk); or at its limit, where what is open counts as finished. ``alpha`` is the
    length penalty's power; 0 compares plain log-probabilities. ``state`` has ``beam_size`` rows a
    sentence. With a beam of 1 this is ``greedy``.
    """
    device, count = limits.device, len(limits)
    best: list[tuple[float, Hypothesis]] = [(-torch.inf, Hypothesis([], -torch.inf))] * count
    finished = [0] * count

    def finish(sentence: int, prefix: Tensor, score: float, length: int) -> None:
        finished[sentence] += 1
        normalised = score / length_penalty(length, alpha)
        if normalised > best[sentence][0]:
            best[sentence] = normalised, Hypothesis(prefix[1:].tolist(), score)

    alive = list(range(count))
    prefixes = torch.full((count, beam_size, 1), begin, device=device)
    # All prefixes are the same at first: only one of them may be extended.
    scores = torch.full((count, beam_size), -torch.inf, device=device)
    scores[:, 0] = 0.0
    for length in range(1, int(limits.max()) + 1):
        logits, state = step(prefixes[:, :, -1].flatten(), state)
        extended = scores[:, :, None] + logits.float().log_softmax(dim=-1).unflatten(0, scores.shape)
        vocab = extended.shape[-1]
        # At most one extension of each prefix ends, so twice the beam leaves enough that go on.
        top = extended.flatten(1).topk(2 * beam_size, dim=-1)
        origins, tokens = top.indices // vocab, top.indices % vocab
        ends = tokens == end
        going_on = (torch.arange(2 * beam_size, device=device) + ends * 2 * beam_size).argsort(dim=-1)[:, :beam_size]
        scores = top.values.gather(1, going_on)
        kept_origins, kept_tokens = origins.gather(1, going_on), tokens.gather(1, going_on)

        for position, rank in (ends[:, :beam_size] & top.values[:, :beam_size].isfinite()).nonzero().tolist():
            prefix = prefixes[position, origins[position, rank]]
            finish(alive[position], prefix, top.values[position, rank].item(), length)

        chosen = prefixes.gather(1, kept_origins[:, :, None].expand(-1, -1, prefixes.shape[-1]))
        prefixes = torch.cat([chosen, kept_tokens[:, :, None]], dim=-1)
        stays = []
        likeliest_open = zip(alive, limits.tolist(), scores[:, 0].tolist(), strict=True)
        for position, (sentence, limit, score) in enumerate(likeliest_open):
            # Log-probabilities only fall, and the largest penalty is the one at the limit.
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
        if len(stays) < len(alive):
            kept = torch.tensor(stays, device=device)
            alive, limits = [alive[position] for position in stays], limits[kept]
            prefixes, scores = prefixes[kept], scores[kept]
            state = state.select(kept, rows[kept].flatten())
        else:
            state = state.reorder(rows.flatten())
    return [hypothesis for _, hypothesis in best]


FIXED_POINT = 2**52
"""The unit of `cumulative_sums`: as fine as float64 near 1."""


def cumulative_sums(probabilities: Float[Tensor, "rows vocab"]) -> Int[Tensor, "rows vocab"]:
    """Sums of the probabilities up to each token, in units of 1 / ``FIXED_POINT``.

    Sums of integers are exact in any order of addition: the same on every device, which those of floats are not.
    """
    return (probabilities * FIXED_POINT).round().to(torch.int64).cumsum(dim=-1)


class Sampling(NamedTuple):
    """How the next token is drawn.

    temperature: logits are divided by it; 0 takes the likeliest
    top_k: only so many of the likeliest (Fan et al. 2018, section 5.1); None for all
    top_p: only the likeliest that together reach this probability (Holtzman et al. 2020, section 3.1)
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def probabilities(self, logits: Float[Tensor, "rows vocab"]) -> Float[Tensor, "rows vocab"]:
        """What tokens are drawn with; of equally likely ones at the cut the first stay."""
        if self.temperature == 0:
            return torch.nn.functional.one_hot(logits.argmax(dim=-1), logits.shape[-1]).double()
        below = logits.double() - logits.max(dim=-1, keepdim=True).values  # 0 at most: no temperature is too low
        ordered, tokens = (below / self.temperature).softmax(dim=-1).sort(descending=True, stable=True)
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
        """A token for each row, from a number of each drawn uniformly from [0, 1)."""
        cumulative = cumulative_sums(self.probabilities(logits))
        drawn = (uniform.to(logits.device, torch.float64)[:, None] * cumulative[:, -1:]).floor().to(torch.int64)
        found = torch.searchsorted(cumulative, drawn, right=True)
        return found[:, 0].clamp(max=logits.shape[-1] - 1)
