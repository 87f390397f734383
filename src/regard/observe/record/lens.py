"""What the model would have said, had it stopped at an earlier layer: how its guess grows."""

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
    """The output layer applied to what each layer of the decoder hands on ("logit lens", nostalgebraist 2020).

    layers: "embedding", "layer 0", ..., in order
    candidates: for each layer and position the pieces of the likeliest tokens, likeliest first
    candidate_probabilities: theirs, "layer position candidate"
    probabilities: of the token that stands there, "layer position"; ranks: its place, 0 is the likeliest
    """

    layers: list[str]
    candidates: list[list[list[str]]]
    candidate_probabilities: Float[np.ndarray, "layer position candidate"]
    probabilities: Float[np.ndarray, "layer position"]
    ranks: Int[np.ndarray, "layer position"]


@torch.inference_mode()
def logit_lens(decoder: Decoder, states: Mapping[str, Tensor], ids: Sequence[int], tokenizer: Tokenizer) -> LogitLens:
    """Of the text ``ids``, where ``states`` are those of a `FullRecorder` of its prefix, in a batch of one.

    A layer's state passes the last norm and the output embedding, like the last layer's; ``<pad>`` and ``<s>`` are left
    out, as in generation.
    """
    names = [name for name in states if name.startswith("decoder.")]
    device = next(iter(states.values())).device
    wanted, never = torch.tensor(ids, device=device)[:, None], torch.tensor([PAD, BOS], device=device)
    candidates, candidate_probabilities, probabilities, ranks = [], [], [], []
    for name in names:  # layer by layer: the logits of all at once would be large
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
