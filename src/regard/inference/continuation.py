"""Continuation of prompts by a language model, all rows together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from regard.data.tokenizer.specials import BOS, EOS, PAD
from regard.inference.decoding import Sampling, without_gaps
from regard.inference.replayed_steps import steps_of
from regard.model.decoder import DecoderState
from regard.model.transformer import Transformer


@torch.inference_mode()
def continue_rows(
    model: Transformer,
    prompts: Sequence[Sequence[int]],
    sampling: Sampling,
    max_new_tokens: int,
    seeds: Sequence[Sequence[int]],
    end: int = EOS,
) -> Iterator[tuple[int, int]]:
    """Yield (row, next token) as tokens are sampled, up to ``max_new_tokens`` per row or until ``end``.

    Prompts have at least one token and at most the context, and may differ in length. Each row has its own random
    generator, and its tokens do not depend on the other rows. All rows advance by one position per step: a row at
    the end of its prompt samples a token, others read the next token of their prompt. If the context is full, its
    last half is read again as a new beginning.
    """
    texts = [list(prompt) for prompt in prompts]
    generators = [np.random.default_rng(seed) for seed in seeds]
    alive = list(range(len(texts))) if max_new_tokens > 0 else []
    length = min(map(len, texts), default=0)
    logits, state = read_prompts(model, [texts[row][:length] for row in alive]) if alive else (None, None)
    step = steps_of(model.decoder)
    while logits is not None and state is not None:
        samples = [len(texts[row]) == length for row in alive]
        uniform = [generators[row].random() if now else 0.0 for row, now in zip(alive, samples, strict=True)]
        logits[:, PAD] = logits[:, BOS] = -torch.inf  # never targets
        # In float32, a number just below 1 would be rounded to 1, beyond the range of all tokens.
        drawn = sampling.draw(logits, torch.tensor(uniform, dtype=torch.float64, device=logits.device)).tolist()
        stays = []
        for place, row in enumerate(alive):
            if samples[place]:
                if drawn[place] == end:
                    continue
                texts[row].append(drawn[place])
                yield row, drawn[place]
                if len(texts[row]) - len(prompts[row]) == max_new_tokens:
                    continue
            stays.append(place)
        if not stays:
            return
        if len(stays) < len(alive):
            stays = without_gaps(stays)
            alive, state = [alive[place] for place in stays], state.select(stays)
        length += 1
        if state.length == model.max_length:
            half = max(1, model.max_length // 2)
            logits, state = read_prompts(model, [texts[row][length - half : length] for row in alive])
            continue
        tokens = torch.tensor([texts[row][length - 1] for row in alive], device=logits.device)
        logits, state = step(tokens, state)


def read_prompts(model: Transformer, rows: list[list[int]]) -> tuple[Tensor, DecoderState]:
    """Return the logits after rows of the same length, "rows vocab", and the state."""
    tokens = torch.tensor(rows, device=model.decoder.embedding.tokens.weight.device)
    return model.decoder.extend_last(tokens, model.decoder.start(None, len(rows)))
