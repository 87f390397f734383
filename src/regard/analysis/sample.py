"""The text that heads are measured on: a sample of a run's validation part, or of files of one's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from regard.analysis.align import Pairs, evenly_spaced, read_gold, read_split, single_spaced
from regard.data.batching import Batch
from regard.data.corpora.links import Links
from regard.data.corpora.reading.lines import read_lines, read_pairs
from regard.data.language import PackedStream
from regard.data.teacher_forcing import decoder_prefix
from regard.data.tokenizer.specials import EOS
from regard.errors import RegardError, UsageError
from regard.inference.language_model import LanguageModel
from regard.inference.translator import Translator
from regard.observe.measure.occlusion import occlusion_links
from regard.observe.record.forced import block_batches, pair_batches
from regard.runs.corpus import load_corpus
from regard.runs.folder import RunFolder

PAIRS, BLOCKS = 200, 32
"""How much, if nothing else is said: pairs of a translator, blocks of a language model; and no more than TOKENS."""
TOKENS = 8192
"""Target tokens, since all of them are read once more for every head."""


class TextSample(NamedTuple):
    """Batches with what they are, and the links of each pair with whose they are."""

    batches: list[Batch]
    about: str
    links: dict[int, Links]
    whose_links: str


def sample_run(
    run: RunFolder, model: Translator | LanguageModel, count: int | None, gold: Path | None, say: Callable[[str], None]
) -> TextSample:
    """``count`` pairs or blocks of the run's validation part, evenly spaced; ``gold`` has links for each of its pairs.

    Raises UsageError for links of a language model.
    """
    if isinstance(model, Translator):
        part = read_split(run, "validation", say)
        links, whose = part.links, "the corpus's own links"
        if gold is not None:
            links, whose = read_gold(gold, part.pairs), str(gold)
        return _sample_of_pairs(model, part.pairs, links, whose, count, "validation pairs", say)
    _refuse(gold)
    batches = load_corpus(run, say)
    stream, length = PackedStream(batches.prepared.tokens("validation")[0]), model.model.max_length
    rows = _block_rows(len(stream), length, count, say)
    blocks = [stream.read(row * length, min((row + 1) * length, len(stream))) for row in rows]
    isolated = bool(run.config()["batches"].get("isolate_documents"))
    return TextSample(block_batches(blocks, isolated), f"{len(blocks)} blocks of the validation part", {}, "")


def sample_files(
    model: Translator | LanguageModel,
    source: Path | None,
    target: Path | None,
    count: int | None,
    gold: Path | None,
    say: Callable[[str], None],
) -> TextSample:
    """Of texts of one's own: two aligned files, or one for a language model, read as a document.

    Raises UsageError for other files than the model needs, RegardError for such as are empty or do not go together.
    """
    translates = isinstance(model, Translator)
    if target is None or (source is not None) != translates:
        raise UsageError(
            f"RUN is a {'translation' if translates else 'language'} model: "
            f"give {'--source-file and --target-file' if translates else '--target-file alone'}"
        )
    if isinstance(model, Translator) and source is not None:
        pairs = list(read_pairs(source, target))
        links = None if gold is None else read_gold(gold, pairs)
        return _sample_of_pairs(model, pairs, links, str(gold), count, f"pairs of {target}", say)
    assert isinstance(model, LanguageModel)
    _refuse(gold)
    ids, length = model.tokenizer.encode("\n".join(read_lines(target))), model.model.max_length
    if not ids:
        raise RegardError(f"{target} is empty; give some text")
    targets = np.array([*ids, EOS])
    tokens = np.array(decoder_prefix(targets.tolist()))
    parts = [slice(row * length, (row + 1) * length) for row in _block_rows(len(tokens), length, count, say)]
    blocks = [(tokens[part], targets[part], np.zeros_like(tokens[part])) for part in parts]
    return TextSample(block_batches(blocks), f"{len(blocks)} blocks of {target}", {}, "")


def _sample_of_pairs(
    translator: Translator,
    pairs: Pairs,
    links: list[Links] | None,
    whose: str,
    count: int | None,
    name: str,
    say: Callable[[str], None],
) -> TextSample:
    """``count`` of the pairs, evenly spaced; where no links are known, occlusion gives them."""
    rows = evenly_spaced(len(pairs), count or PAIRS)
    if not rows:
        raise RegardError(f"there are no {name}; give at least one")
    pairs = single_spaced([pairs[row] for row in rows])
    places = list(range(len(rows)))
    if count is None:
        targets, _ = translator.encode_targets([target for _, target in pairs])
        places = _within(TOKENS, [len(target) for target in targets])
        _tell_fewer(len(places), len(rows), name, say)
    rows, chosen = [rows[place] for place in places], [pairs[place] for place in places]
    batches, cut = pair_batches(translator, chosen)
    if cut:
        say(f"{len(cut)} of {len(chosen)} {name} are cut to the model's {translator.model.max_length} tokens")
    if links is not None:
        return TextSample(
            batches, f"{len(chosen)} {name}", {place: links[row] for place, row in enumerate(rows)}, whose
        )
    say(f"leaving out each source word of {len(chosen)} {name} in turn, to see which target words depend on it")
    found = (occlusion_links(translator, *pair) for pair in chosen)
    by_place = {place: Links(one, one) for place, one in enumerate(found)}
    return TextSample(batches, f"{len(chosen)} {name}", by_place, "occlusion (the word whose absence hurts most)")


def _block_rows(tokens: int, length: int, count: int | None, say: Callable[[str], None]) -> list[int]:
    """The numbers of the blocks to take, evenly spaced, of those that so many tokens make."""
    there = -(-tokens // length)
    if count is not None:
        return evenly_spaced(there, count)
    most = min(there, BLOCKS, max(1, TOKENS // length))
    _tell_fewer(most, min(there, BLOCKS), "blocks", say)
    return evenly_spaced(there, most)


def _within(tokens: int, lengths: Sequence[int]) -> list[int]:
    """As many places as keep within so many tokens together, evenly spaced; one at least."""
    places = list(range(len(lengths)))
    while len(places) > 1 and (total := sum(lengths[place] for place in places)) > tokens:
        places = evenly_spaced(len(lengths), max(1, min(len(places) - 1, len(places) * tokens // total)))
    return places


def _tell_fewer(taken: int, usual: int, name: str, say: Callable[[str], None]) -> None:
    if taken < usual:
        say(f"{taken} {name} are taken, not {usual}: {TOKENS:,} target tokens at most; --sentences takes more")


def _refuse(gold: Path | None) -> None:
    if gold is not None:
        raise UsageError("--gold: a language model aligns nothing; leave it out")
