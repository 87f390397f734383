"""A trained language model: text that goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from regard.data.batching import Batch, cut_batches, pad
from regard.data.teacher_forcing import decoder_prefix
from regard.data.tokenizer.specials import BOS, EOS, PAD
from regard.data.tokenizer.tokenizer import Tokenizer
from regard.inference.decoding import Sampling
from regard.inference.forced_pass import target_log_probabilities
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

    def encode_prompt(self, text: str) -> tuple[list[int], bool]:
        """What the model reads of a prompt, and whether it is longer than the context: then its last part.

        A prompt may stand anywhere in a text; an empty one is the begin of a document.
        """
        ids = self.tokenizer.encode(text) or [BOS]
        return ids[-self.model.max_length :], len(ids) > self.model.max_length

    def continue_prompts(
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
                state = state.select(kept, kept)
            tokens = torch.tensor([texts[row][length - 1] for row in alive], device=self.device)
            logits, state = self.model.decoder.step(tokens, state)

    @torch.inference_mode()
    def next_logits(self, prompt: Sequence[int]) -> Tensor:
        """The scores of every token ("vocab") after a prompt."""
        logits, _ = self._read([list(prompt)])
        logits[:, [PAD, BOS]] = -torch.inf
        return logits[0]

    def log_probabilities(self, texts: Sequence[str], tokens_per_batch: int = 8192) -> list[list[tuple[int, float]]]:
        """Of each text as a document: its tokens and its end, with their log-probability (natural).

        A text longer than the context is read in parts that overlap by half.
        """
        length = self.model.max_length
        half = max(1, length // 2)
        targets = [[*self.tokenizer.encode(text), EOS] for text in texts]
        prefixes = [decoder_prefix(target) for target in targets]
        parts = [
            (text, start)
            for text, target in enumerate(targets)
            for start in range(0, max(1, len(target) - (length - half)), half)
        ]
        read = [prefixes[text][start : start + length] for text, start in parts]
        predicted = [targets[text][start : start + length] for text, start in parts]
        sizes = np.array([len(part) for part in predicted], dtype=np.int32)
        batches = (
            Batch(
                prefix=pad([read[row] for row in rows]),
                target=pad([predicted[row] for row in rows]),
                source=None,
                documents=None,
                step_tokens=int(sizes[rows].sum()),
                rows=rows.tolist(),
            )
            for rows in cut_batches(np.argsort(-sizes, kind="stable"), sizes, tokens_per_batch)
        )
        scored = dict(target_log_probabilities(self.model, batches))
        joined: list[list[float]] = [[] for _ in texts]
        for row, (text, start) in enumerate(parts):
            joined[text] += scored[row][length - half if start else 0 :]
        return [list(zip(target, values, strict=True)) for target, values in zip(targets, joined, strict=True)]

    def _read(self, rows: list[list[int]]) -> tuple[Tensor, DecoderState]:
        """The scores after rows of one length, and the state that has read them."""
        decoder = self.model.decoder
        return decoder.extend_last(torch.tensor(rows, device=self.device), decoder.start(None, len(rows)))
