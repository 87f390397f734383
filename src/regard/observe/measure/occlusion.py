"""Word alignments by occlusion: remove a source word and measure the change in log-probability of target words.

The "prediction difference" of Li et al. 2019 (On the Word Alignment from Neural Machine Translation). It depends on
the outputs of the model only, not on its attention weights.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float

from regard.data.corpora.links import Link
from regard.data.tokenizer.specials import EOS
from regard.inference.encoder_decoder import EncoderDecoder
from regard.observe.measure.alignment import strongest_links
from regard.observe.record.words import group_words


def occlusion_links(generator: EncoderDecoder, source: str, target: str) -> frozenset[Link]:
    """Link each target word to the source word whose removal decreases its probability most."""
    decreases = prediction_difference(generator, source, target)
    return strongest_links(decreases) if decreases.size else frozenset()


def prediction_difference(
    generator: EncoderDecoder, source: str, target: str
) -> Float[np.ndarray, "target_words source_words"]:
    """Return the decrease in log-probability of each target word, in nats, if a source word is removed.

    The log-probability of a word is the sum over its pieces, given the preceding target words. Words are those of
    `group_words`. The source of the generator is text.
    """
    (ids,), _ = generator.source.encode([source])
    (wanted,), _ = generator.encode_targets([target])
    source_words = group_words(generator.source.labels(torch.tensor(ids)))
    target_words = group_words(generator.target_tokenizer.pieces(wanted))
    # An empty source still has its end mark.
    shortened = [[*ids[: word.start], *ids[word.stop :]] or [EOS] for word in source_words]
    whole, *others = generator.log_probabilities([ids, *shortened], [wanted] * (1 + len(shortened)))
    decreases = np.array(whole) - np.array(others).reshape(len(shortened), len(wanted))
    by_word = [decreases[:, word.start : word.stop].sum(axis=-1) for word in target_words]
    return np.array(by_word).reshape(len(target_words), len(source_words))
