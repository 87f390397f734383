"""Probabilities of the tokens of a text and of their alternatives, at several temperatures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from regard.data.tokenizer.specials import BOS, PAD
from regard.data.tokenizer.tokenizer import Tokenizer

TEMPERATURES = tuple(tenths / 10 for tenths in range(1, 21))
CANDIDATES = 10


@dataclass(frozen=True)
class Likelihood:
    """Logits of each position of a text, and what is needed to compute probabilities at each of TEMPERATURES.

    softmax(z / T)_i = exp(z_i / T - log sum_j exp(z_j / T)) (Hinton, Vinyals and Dean 2015, equation 1), where j runs
    over the tokens that can be generated: the vocabulary without ``<pad>`` and ``<s>``.

    logits: z of the token of the text, "position"
    candidates: pieces of the most likely tokens, most likely first
    candidate_logits: their z, "position candidate"
    log_sums: log sum_j exp(z_j / T), "position temperature"
    """

    logits: Float[np.ndarray, "position"]
    candidates: list[list[str]]
    candidate_logits: Float[np.ndarray, "position candidate"]
    log_sums: Float[np.ndarray, "position temperature"]

    def probabilities(self, temperature: float = 1.0) -> Float[np.ndarray, "position"]:
        """Return the probabilities of the tokens of the text at one of TEMPERATURES."""
        return np.exp(self.logits / temperature - self.log_sums[:, TEMPERATURES.index(temperature)])


def score_target(logits: Float[Tensor, "position vocab"], ids: Sequence[int], tokenizer: Tokenizer) -> Likelihood:
    """Return the likelihood of the text ``ids``, given the logits at each of its positions."""
    never = torch.tensor([PAD, BOS], device=logits.device)
    scores = logits.double().index_fill(-1, never, -torch.inf)
    best, which = scores.topk(min(CANDIDATES, scores.shape[1] - 2), dim=-1)
    sums = torch.stack([(scores / temperature).logsumexp(dim=-1) for temperature in TEMPERATURES], dim=-1)
    own = scores.gather(-1, torch.tensor(ids, device=scores.device)[:, None])[:, 0]
    return Likelihood(
        logits=own.cpu().numpy(),
        candidates=[tokenizer.pieces(row) for row in which.tolist()],
        candidate_logits=best.cpu().numpy(),
        log_sums=sums.cpu().numpy(),
    )
