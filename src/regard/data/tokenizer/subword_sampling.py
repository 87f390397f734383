"""Subword regularisation: random segmentation of the training text.

SentencePiece implements this as well, but samples differently in every process for the same seed: a run could not be
resumed exactly.
"""

from __future__ import annotations

import heapq
import math
import random
from bisect import bisect
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

from sentencepiece import sentencepiece_model_pb2 as proto

from regard.data.tokenizer.specials import SPACE

# Longer words are rare, or whole sentences in scripts without spaces: they are not cached.
_LONGEST_CACHED_WORD = 24
_CACHED_WORDS = 50_000

Lattice = list[tuple[list[int], list[int], list[float]]]
"""For each position of a word, the pieces that end there: start positions, ids, cumulative weights."""


class Sampler:
    """Samples another segmentation of each word of a text that ``model`` has segmented.

    ``can_sample`` is False for a vocabulary of characters, bytes or words, where the segmentation is unique.
    """

    def __init__(self, model: bytes) -> None:
        parsed = proto.ModelProto.FromString(model)
        self._is_bpe = parsed.trainer_spec.model_type == proto.TrainerSpec.BPE
        self.can_sample = self._is_bpe or parsed.trainer_spec.model_type == proto.TrainerSpec.UNIGRAM
        # None: a special token, a byte or a newline. These are unchanged and separate words.
        self._names = [p.piece if p.type == proto.ModelProto.SentencePiece.NORMAL else None for p in parsed.pieces]
        self._scores = [piece.score for piece in parsed.pieces]
        self._ids: dict[str, int] = {name: token for token, name in enumerate(self._names) if name is not None}
        self._longest = max(map(len, self._ids), default=0)
        self._merged: dict[str, tuple[list[int] | None, int]] = {}
        self._lattices: dict[tuple[str, float], Lattice] = {}

    def sample(self, rows: Sequence[Sequence[int]], alpha: float, seed: int) -> list[list[int]]:
        """Return the rows with sampled segmentations; see ``Tokenizer.sample``."""
        generator = random.Random(str(seed))  # the sign of an integer is ignored
        draw = self._bpe_dropout(alpha, generator) if self._is_bpe else self._unigram(alpha, generator)
        return [
            [token for word, ids in self._words(row) for token in ((draw(word) or ids) if word else ids)]
            for row in rows
        ]

    def _words(self, row: Sequence[int]) -> Iterator[tuple[str, list[int]]]:
        """Yield each word with its ids. For ids that are not part of a word, the word is empty."""
        word = ""
        ids: list[int] = []
        for token in row:
            name = self._names[token]
            if name is None or name.startswith(SPACE):
                yield word, ids
                word, ids = "", []
            if name is None:
                yield "", [int(token)]
            else:
                word += name
                ids.append(int(token))
        yield word, ids

    def _bpe_dropout(self, alpha: float, generator: random.Random) -> Callable[[str], list[int] | None]:
        """BPE-dropout (Provilkov et al. 2020, section 3): each merge is dropped with probability ``alpha``."""

        def merges_before_next_drop() -> int:
            return int(math.log(1 - generator.random()) / math.log1p(-alpha)) if alpha < 1 else 0

        kept = merges_before_next_drop()

        def drop() -> bool:
            nonlocal kept
            if kept:
                kept -= 1
                return False
            kept = merges_before_next_drop()
            return True

        def draw(word: str) -> list[int] | None:
            nonlocal kept
            whole, merges = self._whole(word)
            if kept >= merges:  # true of most words if alpha is small
                kept -= merges
                return whole
            return self._merge(word, drop)[0]

        return draw

    def _whole(self, word: str) -> tuple[list[int] | None, int]:
        """Return the ids of a word without dropout, and the number of merges."""
        if word in self._merged:
            return self._merged[word]
        found = self._merge(word, lambda: False)
        if len(word) <= _LONGEST_CACHED_WORD and len(self._merged) < _CACHED_WORDS:
            self._merged[word] = found
        return found

    def _merge(self, word: str, drop: Callable[[], bool]) -> tuple[list[int] | None, int]:
        """Byte-pair encoding (Sennrich et al. 2016): merge the best pair until no pair is a piece.

        Return the ids and the number of merges. The ids are None if a remaining character is not a piece.
        """
        symbols = list(word)
        before, after = list(range(-1, len(word) - 1)), list(range(1, len(word) + 1))
        heap: list[tuple[float, int, int, str]] = []
        merges = 0

        def offer(left: int, right: int) -> None:
            if left >= 0 and right < len(symbols):
                pair = symbols[left] + symbols[right]
                if (token := self._ids.get(pair)) is not None:
                    heapq.heappush(heap, (-self._scores[token], left, right, pair))

        for right in range(1, len(symbols)):
            offer(right - 1, right)
        while heap:
            _, left, right, pair = heapq.heappop(heap)
            # A symbol that was merged since is now empty or longer.
            if not symbols[left] or not symbols[right] or symbols[left] + symbols[right] != pair or drop():
                continue
            merges += 1
            symbols[left], symbols[right] = pair, ""
            after[left] = after[right]
            if after[left] < len(symbols):
                before[after[left]] = left
            offer(before[left], left)
            offer(left, after[left])
        ids = [self._ids.get(symbol) for symbol in symbols if symbol]
        known = [token for token in ids if token is not None]
        return known if len(known) == len(ids) else None, merges

    def _unigram(self, alpha: float, generator: random.Random) -> Callable[[str], list[int] | None]:
        """Unigram sampling over all segmentations (Kudo 2018, section 3.2): forward filtering, backward sampling."""

        def draw(word: str) -> list[int] | None:
            lattice = self._lattice(word, alpha)
            ids: list[int] = []
            position = len(word)
            while position:
                starts, tokens, weights = lattice[position]
                choice = min(bisect(weights, generator.random() * weights[-1]), len(tokens) - 1)
                ids.append(tokens[choice])
                position = starts[choice]
            return ids[::-1]

        return draw

    def _lattice(self, word: str, alpha: float) -> Lattice:
        if (word, alpha) in self._lattices:
            return self._lattices[word, alpha]
        forward = [0.0]  # log of the total weight of all segmentations up to each position
        lattice: Lattice = [([], [], [])]
        for end in range(1, len(word) + 1):
            starts = [
                start
                for start in range(max(0, end - self._longest), end)
                if word[start:end] in self._ids and forward[start] > -math.inf
            ]
            tokens = [self._ids[word[start:end]] for start in starts]
            logs = [forward[start] + alpha * self._scores[token] for start, token in zip(starts, tokens, strict=True)]
            top = max(logs, default=-math.inf)
            weights = list(accumulate(math.exp(log - top) for log in logs))
            forward.append(top + math.log(weights[-1]) if weights else -math.inf)
            lattice.append((starts, tokens, weights))
        if len(word) <= _LONGEST_CACHED_WORD and len(self._lattices) < _CACHED_WORDS:
            self._lattices[word, alpha] = lattice
        return lattice
