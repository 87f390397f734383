"""The predictions of each layer of the decoder (logit lens)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from regard.data.tokenizer.specials import BOS, PAD
from regard.data.tokenizer.tokenizer import Tokenizer
from regard.model.decoder import Decoder

CANDIDATES = 5


@dataclass(frozen=True)
class LogitLens:
    """The output layer applied to the hidden state after each decoder layer ("logit lens", nostalgebraist 2020).

    layers: "embedding", "layer 0", ..., in order
    candidates: pieces of the most likely tokens for each layer and position, most likely first
    candidate_probabilities: their probabilities, "layer position candidate"
    probabilities: probability of the token of the text, "layer position"
    ranks: rank of the token of the text, "layer position"; 0 is the most likely
    """

    layers: list[str]
    candidates: list[list[list[str]]]
    candidate_probabilities: Float[np.ndarray, "layer position candidate"]
    probabilities: Float[np.ndarray, "layer position"]
    ranks: Int[np.ndarray, "layer position"]


@torch.inference_mode()
def logit_lens(decoder: Decoder, states: Mapping[str, Tensor], ids: Sequence[int], tokenizer: Tokenizer) -> LogitLens:
    """Compute the logit lens of the text ``ids`` from the ``states`` of a `FullRecorder` (batch size 1).

    The final norm and the output embedding are applied to the state of each layer. As in generation, ``<pad>`` and
    ``<s>`` have probability 0.
    """
    names = [name for name in states if name.startswith("decoder.")]
    device = next(iter(states.values())).device
    wanted, never = torch.tensor(ids, device=device)[:, None], torch.tensor([PAD, BOS], device=device)
    candidates, candidate_probabilities, probabilities, ranks = [], [], [], []
    for name in names:  # one layer at a time to limit the memory for logits
        logits = decoder.embedding.logits(decoder.norm(states[name][0])).float()
        shares = logits.index_fill(-1, never, -torch.inf).softmax(dim=-1)
        best, which = shares.topk(min(CANDIDATES, shares.shape[1] - 2), dim=-1)
        own = shares.gather(-1, wanted)
        candidates.append([tokenizer.pieces(row) for row in which.tolist()])
        candidate_probabilities.append(best.cpu().numpy())
        probabilities.append(own[:, 0].cpu().numpy())
        ranks.append((shares > own).sum(dim=-1).cpu().numpy())
    return LogitLens(
        layers=[_title(name) for name in names],
        candidates=candidates,
        candidate_probabilities=np.stack(candidate_probabilities),
        probabilities=np.stack(probabilities),
        ranks=np.stack(ranks),
    )


def _title(name: str) -> str:
    part = name.removeprefix("decoder.")
    return f"layer {part}" if part.isdecimal() else part
