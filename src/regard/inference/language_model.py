"""A trained language model: text that goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from regard.data.batching import cut_batches, pad
from regard.data.tokenizer.specials import BOS, EOS, PAD
from regard.data.tokenizer.tokenizer import Tokenizer
from regard.inference.decoding import Sampling
from regard.model.decoder import DecoderState
from regard.model.transformer import Transformer


class LanguageModel(NamedTuple):
    """A model without an encoder, with the tokenizer it was trained on."""

    model: Transformer
    tokenizer: Tokenizer

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        return next(self.model.parameters()).device

    def prompt_ids(self, text: str) -> tuple[list[int], bool]:
        """What the model reads of a prompt, and whether it is longer than the context: then its last part.

        A prompt may stand anywhere in a text; an empty one is the begin of a document.
        """
        ids = self.tokenizer.encode(text) or [BOS]
        return ids[-self.model.max_length :], len(ids) > self.model.max_length

    def continuations(
        self, prompts: Sequence[Sequence[int]], sampling: Sampling, max_new_tokens: int, seed: int
    ) -> list[list[int]]:
        """What `generate` writes after each prompt; row i draws with the seed (seed, i)."""
        written: list[list[int]] = [[] for _ in prompts]
        for row, token in self.generate(
            prompts, sampling, max_new_tokens, [[seed, row] for row in range(len(prompts))]
        ):
            written[row].append(token)
        return written

    @torch.inference_mode()
    def generate(
        self, prompts: Sequence[Sequence[int]], sampling: Sampling, max_new_tokens: int, seeds: Sequence[Sequence[int]]
    ) -> Iterator[tuple[int, int]]:
        """(row, its next token) as they are drawn, up to ``max_new_tokens`` a row or the end of its document.

        Prompts have one token at least, at most the context, and may differ in length. Each row draws from a generator
        of its own, and gets the same tokens in whatever company. All rows are read in step: one whose prompt is over
        draws its next token, the others read theirs. When the context is full, its last half is read again, as a
        beginning.
        """
        texts = [list(prompt) for prompt in prompts]
        generators = [np.random.default_rng(seed) for seed in seeds]
        alive = list(range(len(texts))) if max_new_tokens > 0 else []
        length = min(map(len, texts), default=0)
        logits, state = self._read([texts[row][:length] for row in alive]) if alive else (None, None)
        while logits is not None and state is not None:
            over = [len(texts[row]) == length for row in alive]
            uniform = [generators[row].random() if ends else 0.0 for row, ends in zip(alive, over, strict=True)]
            logits[:, [PAD, BOS]] = -torch.inf  # no target ever is one of these
            # As float32 a number just below 1 would be 1, above every token's share.
            drawn = sampling.draw(logits, torch.tensor(uniform, dtype=torch.float64, device=logits.device)).tolist()
            stays = []
            for place, row in enumerate(alive):
                if over[place]:
                    if drawn[place] == EOS:
                        continue
                    texts[row].append(drawn[place])
                    yield row, drawn[place]
                    if len(texts[row]) - len(prompts[row]) == max_new_tokens:
                        continue
                stays.append(place)
            if not stays:
                return
            alive = [alive[place] for place in stays]
            length += 1
            if state.length == self.model.max_length:
                half = max(1, self.model.max_length // 2)
                logits, state = self._read([texts[row][length - half : length] for row in alive])
                continue
            if len(stays) < len(over):
                kept = torch.tensor(stays, device=self.device)
                state = state.keep(kept, kept)
            tokens = torch.tensor([texts[row][length - 1] for row in alive], device=self.device)
            logits, state = self.model.decoder.step(tokens, state)

    @torch.inference_mode()
    def next_logits(self, prompt: Sequence[int]) -> Tensor:
        """The scores of every token ("vocab") after a prompt."""
        logits, _ = self._read([list(prompt)])
        logits[:, [PAD, BOS]] = -torch.inf
        return logits[0]

    @torch.inference_mode()
    def log_probabilities(self, texts: Sequence[str], tokens_per_batch: int = 8192) -> list[list[tuple[int, float]]]:
        """Of each text as a document: its tokens and its end, with their log-probability (natural).

        A text longer than the context is read in parts that overlap by half.
        """
        length = self.model.max_length
        rows = [[BOS, *self.tokenizer.encode(text), EOS] for text in texts]
        half = max(1, length // 2)
        # (row, where its part begins, from which of its targets on it is scored)
        parts = [
            (row, start, 0 if start == 0 else length - half)
            for row, ids in enumerate(rows)
            for start in range(0, max(1, len(ids) - 1 - (length - half)), half)
        ]
        sizes = np.array([min(length, len(rows[row]) - 1 - start) for row, start, _ in parts], dtype=np.int32)
        scored: list[list[float]] = [[] for _ in parts]
        for batch in cut_batches(np.argsort(-sizes, kind="stable"), sizes, tokens_per_batch):
            chosen = [parts[number] for number in batch]
            ids = [
                rows[row][start : start + size + 1] for (row, start, _), size in zip(chosen, sizes[batch], strict=True)
            ]
            prefix = pad([part[:-1] for part in ids]).to(self.device)
            target = pad([part[1:] for part in ids]).to(self.device)
            found = self.model(prefix).float().log_softmax(dim=-1).gather(-1, target[..., None])[..., 0].tolist()
            for number, (_, _, first), values in zip(batch, chosen, found, strict=True):
                scored[number] = values[first : sizes[number]]
        joined: list[list[float]] = [[] for _ in texts]
        for (row, _, _), values in zip(parts, scored, strict=True):
            joined[row] += values
        return [list(zip(row[1:], values, strict=True)) for row, values in zip(rows, joined, strict=True)]

    def _read(self, rows: list[list[int]]) -> tuple[Tensor, DecoderState]:
        """The scores after rows of one length, and the state that has read them."""
        decoder = self.model.decoder
        return decoder.read(torch.tensor(rows, device=self.device), decoder.start(None, len(rows)))
