"""The text on which heads are measured: a sample of the validation part of a run, or of the user's files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from regard.analysis.align import Pairs, Warn, evenly_spaced, read_gold, read_split, single_spaced
from regard.data.answers import AnswerData
from regard.data.batching import Batch
from regard.data.corpora.captions.judged import JudgedCorpus, Mentioned
from regard.data.corpora.links import Links
from regard.data.corpora.reading.lines import read_lines, read_pairs
from regard.data.datamodule import CorpusData
from regard.data.language import PackedStream
from regard.data.teacher_forcing import decoder_prefix
from regard.data.tokenizer.specials import EOS
from regard.errors import RegardError, UsageError
from regard.inference.encoder_decoder import EncoderDecoder
from regard.inference.generator import TextGenerator
from regard.observe.measure.occlusion import occlusion_links
from regard.observe.record.forced import block_batches, pair_batches
from regard.runs.corpus import load_corpus
from regard.runs.folder import RunFolder

PAIRS, BLOCKS = 200, 32
"""Default size: pairs for a translator, blocks for a language model; limited by TOKENS."""
TOKENS = 8192
"""Maximum number of target tokens: the sample is processed once per head."""


class TextSample(NamedTuple):
    """Batches with a description, the links of each pair with their origin, and the mentions of each caption."""

    batches: list[Batch]
    description: str
    links: dict[int, Links]
    reference: str
    mentions: dict[int, Sequence[Mentioned]] | None = None


def sample_run(
    run: RunFolder,
    generator: TextGenerator,
    count: int | None,
    gold: Path | None,
    warn: Warn,
) -> TextSample:
    """Sample ``count`` evenly spaced pairs or blocks of the validation part; ``gold`` is a file of links for its pairs.

    Raises UsageError if ``gold`` is given for a language model.
    """
    if isinstance(generator, EncoderDecoder) and generator.source.tokenizer is None:
        _reject(generator, gold)
        return _sample_captions(generator, load_corpus(run, warn), count, warn)
    if isinstance(generator, EncoderDecoder):
        part = read_split(run, "validation", warn)
        links, reference = part.links, "the links of the corpus"
        if gold is not None:
            links, reference = read_gold(gold, part.pairs), str(gold)
        return _sample_pairs(generator, part.pairs, links, reference, count, "validation pairs", warn)
    _reject(generator, gold)
    batches = load_corpus(run, warn)
    if isinstance(batches, AnswerData):
        return _sample_answers(batches, count)
    stream, length = PackedStream(batches.prepared.tokens("validation")[0]), generator.model.max_length
    rows = _block_rows(len(stream), length, count, warn)
    blocks = [stream.read(row * length, min((row + 1) * length, len(stream))) for row in rows]
    isolated = bool(run.config()["batches"].get("isolate_documents"))
    return TextSample(block_batches(blocks, isolated), f"{len(blocks)} blocks of the validation part", {}, "")


def sample_files(
    generator: TextGenerator,
    source: Path | None,
    target: Path | None,
    count: int | None,
    gold: Path | None,
    warn: Warn,
) -> TextSample:
    """Sample the user's files: two aligned files, or one for a language model, which is read as one document.

    Raises UsageError if the files are not those that the model needs, and RegardError if they are empty or have
    different numbers of lines.
    """
    if target is None or (source is not None) != (generator.source is not None):
        raise UsageError(f"RUN is {generator.noun}: give {generator.input_files}")
    if isinstance(generator, EncoderDecoder) and source is not None:
        pairs = list(read_pairs(source, target))
        links = None if gold is None else read_gold(gold, pairs)
        return _sample_pairs(generator, pairs, links, str(gold), count, f"pairs of {target}", warn)
    _reject(generator, gold)
    ids, length = generator.target_tokenizer.encode("\n".join(read_lines(target))), generator.model.max_length
    if not ids:
        raise RegardError(f"{target} is empty; expected text")
    targets = np.array([*ids, EOS])
    tokens = np.array(decoder_prefix(targets.tolist()))
    parts = [slice(row * length, (row + 1) * length) for row in _block_rows(len(tokens), length, count, warn)]
    blocks = [(tokens[part], targets[part], np.zeros_like(tokens[part])) for part in parts]
    return TextSample(block_batches(blocks), f"{len(blocks)} blocks of {target}", {}, "")


def _sample_captions(generator: EncoderDecoder, data: CorpusData, count: int | None, warn: Warn) -> TextSample:
    """Sample ``count`` evenly spaced captions of the validation part."""
    records = list(data.records("validation"))
    chosen = [records[row] for row in evenly_spaced(len(records), count or PAIRS)]
    images = data.inputs([reference for reference, _ in chosen])
    batches, _ = pair_batches(generator, list(zip(images, (caption for _, caption in chosen), strict=True)))
    mentions: dict[int, Sequence[Mentioned]] = {}
    if isinstance(data.corpus, JudgedCorpus):
        mentions = {row: data.corpus.mentions(*record) for row, record in enumerate(chosen)}
    return TextSample(batches, f"{len(chosen)} validation captions", {}, "", mentions)


def _sample_answers(data: AnswerData, count: int | None) -> TextSample:
    """Sample ``count`` evenly spaced examples of the validation part."""
    rows = evenly_spaced(sum(1 for _ in data.records("validation")), count or PAIRS)
    return TextSample([data.batch("validation", rows)], f"the answers of {len(rows)} validation examples", {}, "")


def _sample_pairs(
    generator: EncoderDecoder,
    pairs: Pairs,
    links: list[Links] | None,
    reference: str,
    count: int | None,
    name: str,
    warn: Warn,
) -> TextSample:
    """Sample ``count`` evenly spaced pairs; links that are None are computed by occlusion."""
    rows = evenly_spaced(len(pairs), count or PAIRS)
    if not rows:
        raise RegardError(f"no {name} found; expected at least one")
    pairs = single_spaced([pairs[row] for row in rows])
    places = list(range(len(rows)))
    if count is None:
        targets, _ = generator.encode_targets([target for _, target in pairs])
        places = _within(TOKENS, [len(target) for target in targets])
        _report_fewer(len(places), len(rows), name, warn)
    rows, chosen = [rows[place] for place in places], [pairs[place] for place in places]
    batches, cut = pair_batches(generator, chosen)
    if cut:
        warn(f"{len(cut)} of {len(chosen)} {name} are cut to {generator.model.max_length} tokens (model.max_length)")
    if links is not None:
        return TextSample(
            batches, f"{len(chosen)} {name}", {place: links[row] for place, row in enumerate(rows)}, reference
        )
    warn(f"computing links by occlusion: removing each source word of {len(chosen)} {name}")
    found = (occlusion_links(generator, *pair) for pair in chosen)
    by_place = {place: Links(one, one) for place, one in enumerate(found)}
    return TextSample(batches, f"{len(chosen)} {name}", by_place, "occlusion (removal of source words)")


def _block_rows(tokens: int, length: int, count: int | None, warn: Warn) -> list[int]:
    """Return the indices of evenly spaced blocks of a text of ``tokens`` tokens."""
    available = -(-tokens // length)
    if count is not None:
        return evenly_spaced(available, count)
    most = min(available, BLOCKS, max(1, TOKENS // length))
    _report_fewer(most, min(available, BLOCKS), "blocks", warn)
    return evenly_spaced(available, most)


def _within(tokens: int, lengths: Sequence[int]) -> list[int]:
    """Return evenly spaced indices, at least one, reference lengths together do not exceed ``tokens``."""
    places = list(range(len(lengths)))
    while len(places) > 1 and (total := sum(lengths[place] for place in places)) > tokens:
        places = evenly_spaced(len(lengths), max(1, min(len(places) - 1, len(places) * tokens // total)))
    return places


def _report_fewer(taken: int, usual: int, name: str, warn: Warn) -> None:
    if taken < usual:
        warn(f"using {taken} {name} instead of {usual}, at most {TOKENS:,} target tokens; use --sentences for more")


def _reject(generator: TextGenerator, gold: Path | None) -> None:
    if gold is not None:
        raise UsageError(f"--gold: {generator.noun} has no alignments; omit it")
