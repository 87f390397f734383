"""Which source word a target word depends on: leave one out, and see what becomes less likely.

The "prediction difference" of Li et al. 2019 (On the Word Alignment from Neural Machine Translation), which asks the
model and not its attention.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from regard.data.corpora.links import Link
from regard.data.tokenizer.specials import EOS
from regard.inference.translator import Translator
from regard.observe.measure.alignment import strongest_links
from regard.observe.record.words import group_words


def occlusion_links(translator: Translator, source: str, target: str) -> frozenset[Link]:
    """Each target word with the source word it depends on most."""
    falls = prediction_difference(translator, source, target)
    return strongest_links(falls) if falls.size else frozenset()


def prediction_difference(
    translator: Translator, source: str, target: str
) -> Float[np.ndarray, "target_words source_words"]:
    """How many nats the log-probability of each target word falls as each source word is left out.

    A word's is the sum over its pieces, given the words before it, which stay. Words are those of `group_words`.
    """
    (ids,), _ = translator.encode_sources([source])
    (wanted,), _ = translator.encode_targets([target])
    source_words = group_words(translator.source_tokenizer.pieces(ids))
    target_words = group_words(translator.target_tokenizer.pieces(wanted))
    # Without its last word a source keeps the mark of its end.
    shortened = [[*ids[: word.start], *ids[word.stop :]] or [EOS] for word in source_words]
    whole, *others = translator.log_probabilities([ids, *shortened], [wanted] * (1 + len(shortened)))
    falls = np.array(whole) - np.array(others).reshape(len(shortened), len(wanted))
    by_word = [falls[:, word.start : word.stop].sum(axis=-1) for word in target_words]
    return np.array(by_word).reshape(len(target_words), len(source_words))
