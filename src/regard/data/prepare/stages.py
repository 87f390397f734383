"""The stages of preparing a corpus: its text is copied as shards, a vocabulary is learned, the shards are encoded.

Each stage leaves whole files only, and begins with those that are there: one that was stopped is gone on with.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from regard.data.corpora.corpus import SPLITS, Corpus, Split, record_noun
from regard.data.corpora.filters import Filter
from regard.data.prepare.encode import Column, encode_shards, read_report, tokens_folder
from regard.data.prepare.progress import Progress
from regard.data.prepare.shards import CopiedPart, copy_part, describe_dropped, read_shard, shard_path
from regard.data.prepare.store import digest, join_tokens
from regard.data.tokenizer.tokenizer import LEARNED, Tokenizers, TokenizerSettings
from regard.data.tokenizer.vocabulary import train_tokenizer
from regard.files import replacing


def run_stages(
    folder: Path,
    corpus: Corpus,
    settings: TokenizerSettings,
    given: Tokenizers | None,
    filters: Mapping[str, Filter],
    workers: int,
    say: Callable[[str], None],
    progress: Progress,
) -> Path:
    """Make the prepared corpus in a folder within ``folder``, from what is there already.

    ``given`` are the vocabularies to use; if None, ``settings`` say how to learn them.
    """
    if folder.is_dir():
        texts = list(folder.glob("*.*.jsonl"))
        done = sum(tokens_folder(text).is_dir() for text in texts)
        say(f"going on where preparing this text was stopped: {len(texts)} shards were read, {done} encoded")
    folder.mkdir(exist_ok=True)
    copied = _copy(folder, corpus, filters, progress)
    if lost := describe_dropped(copied["train"]["dropped"]):
        say(f"left out of the training {record_noun(corpus.columns)}: {lost}")
    texts = [shard_path(folder, split, n) for split, part in copied.items() for n in range(part["shards"])]
    training = [text for text in texts if text.name.startswith("train.")]
    if given is None:
        about = f"{copied['train']['records']:,} {record_noun(corpus.columns)}"
        models = _learn(folder, training, corpus.columns, settings, about, say)
    else:
        models = _write(folder, corpus.columns, given)

    total = sum(part["records"] for part in copied.values())
    say(f"encoding {total:,} {record_noun(corpus.columns)}")
    missing = [text for text in texts if not tokens_folder(text).is_dir()]
    for number, _ in enumerate(encode_shards(missing, models, workers), start=len(texts) - len(missing) + 1):
        progress("encoding", total * number // len(texts), total)
    return _join(folder, copied, models)


def _copy(folder: Path, corpus: Corpus, filters: Mapping[str, Filter], progress: Progress) -> dict[Split, CopiedPart]:
    """The text as shards. It is read once, wholly, before anything is computed: its faults show early."""
    note = folder / "copied.json"
    if not note.exists():
        # The small parts first.
        parts = {split: copy_part(folder, corpus, split, filters, progress) for split in reversed(SPLITS)}
        with replacing(note) as beside:
            beside.write_text(json.dumps(parts), encoding="utf-8")
    copied: dict[Split, CopiedPart | None] = json.loads(note.read_bytes())
    return {split: part for split in SPLITS if (part := copied[split])}


def _learn(
    folder: Path,
    texts: Sequence[Path],
    columns: tuple[str, ...],
    settings: TokenizerSettings,
    about: str,
    say: Callable[[str], None],
) -> dict[str, Path]:
    """The files of the vocabularies of the columns, learned from the training text: one and the same if joint."""
    verb = "training" if settings.kind in LEARNED else "using"
    names = ["joint"] if settings.joint else list(columns)
    paths = {name: folder / f"{name}.model" for name in names}
    if not all(path.exists() for path in paths.values()):
        say(f"{verb} {settings}{' for each side' if len(names) > 1 else ''} on {about}")
        for name, path in paths.items():
            side = f"the {name} side of the training text" if len(names) > 1 else "the training text"
            number = slice(None) if settings.joint else slice(columns.index(name), columns.index(name) + 1)
            with replacing(path) as beside:
                beside.write_bytes(train_tokenizer(_lines(texts, number), settings, side).model)
    return {column: paths["joint" if settings.joint else column] for column in columns}


def _write(folder: Path, columns: tuple[str, ...], given: Tokenizers) -> dict[str, Path]:
    """The files of the vocabularies of the columns: those that are given."""
    models = {"joint": given.target} if given.joint else dict(zip(columns, given, strict=True))
    for name, tokenizer in models.items():
        with replacing(folder / f"{name}.model") as beside:
            beside.write_bytes(tokenizer.model)
    return {column: folder / f"{'joint' if given.joint else column}.model" for column in columns}


def _lines(texts: Iterable[Path], columns: slice) -> Iterator[str]:
    """The lines of the text; of several columns in turn, so that a sample sees all languages alike."""
    for path in texts:
        for record in read_shard(path):
            for text in record[columns]:
                yield from text.split("\n")


def _join(folder: Path, copied: Mapping[Split, CopiedPart], models: Mapping[str, Path]) -> Path:
    """The shards of each part as one file a column, with the models and the report, in a new folder."""
    whole = folder / "whole"
    shutil.rmtree(whole, ignore_errors=True)
    whole.mkdir()
    report: dict[str, object] = {}
    for split, part in copied.items():
        texts = [shard_path(folder, split, number) for number in range(part["shards"])]
        for column in models:
            join_tokens([tokens_folder(text) / column for text in texts], whole / f"{split}.{column}")
        if split != "train":
            with (whole / f"{split}.jsonl").open("wb") as file:
                for text in texts:
                    file.write(text.read_bytes())
        report[split] = {
            "records": part["records"],
            "dropped": part["dropped"],
            "sha256": digest([whole / f"{split}.{column}" for column in models]),
            "columns": _total(texts),
        }
    for path in set(models.values()):
        shutil.copy(path, whole)
    (whole / "report.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    return whole


def _total(texts: Sequence[Path]) -> dict[str, Column]:
    """The columns of encoded shards, together."""
    reports = [read_report(text) for text in texts]
    return {
        column: {
            "tokens": sum(report[column]["tokens"] for report in reports),
            "longest": max(report[column]["longest"] for report in reports),
            "bytes": sum(report[column]["bytes"] for report in reports),
        }
        for column in reports[0]
    }
