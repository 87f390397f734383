"""The stages of preparing a corpus: copy its text as shards, learn a vocabulary, encode the shards.

Each stage leaves only whole files and reuses the existing ones, so that preparing resumes after an interruption.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from regard.data.corpora.corpus import IMAGE, SPLITS, Corpus, ImageCorpus, Split, record_noun, text_columns
from regard.data.corpora.filters import Filter
from regard.data.images.store import image_files, join_images
from regard.data.prepare.encode import Column, encode_shards, read_report, tokens_folder
from regard.data.prepare.images import (
    ImageSettings,
    images_folder,
    read_image_report,
    store_shards,
    unreadable_images,
)
from regard.data.prepare.progress import Progress
from regard.data.prepare.shards import CopiedPart, copy_part, describe_dropped, read_shard, shard_path
from regard.data.prepare.store import digest, join_tokens, token_files
from regard.data.tokenizer.tokenizer import LEARNED, Tokenizers, TokenizerSettings
from regard.data.tokenizer.vocabulary import train_tokenizer
from regard.errors import RegardError
from regard.files import replacing


def run_stages(
    folder: Path,
    corpus: Corpus,
    settings: TokenizerSettings,
    given: Tokenizers | None,
    images: ImageSettings | None,
    filters: Mapping[str, Filter],
    workers: int,
    say: Callable[[str], None],
    progress: Progress,
) -> Path:
    """Prepare a corpus in a folder inside ``folder``, and return it. Existing results of a stage are reused.

    ``given`` are the vocabularies to use; None to learn them with ``settings``. ``images``: how images are prepared, if
    the corpus has any.

    Raises:
        RegardError: an error in the text or the images.
    """
    if folder.is_dir():
        texts = list(folder.glob("*.*.jsonl"))
        done = sum(tokens_folder(text).is_dir() for text in texts)
        say(f"resuming the preparation of this text: {len(texts)} shards were read, {done} encoded")
    folder.mkdir(exist_ok=True)
    copied = _copy(folder, corpus, filters, progress)
    if lost := describe_dropped(copied["train"]["dropped"]):
        say(f"dropped from the training {record_noun(corpus.columns)}: {lost}")
    texts = [shard_path(folder, split, n) for split, part in copied.items() for n in range(part["shards"])]
    if images is not None:
        copied = _store_images(copied, texts, corpus, images, workers, say, progress)
    training = [text for text in texts if text.name.startswith("train.")]
    columns = text_columns(corpus.columns)
    if given is None:
        about = f"{copied['train']['records']:,} {record_noun(corpus.columns)}"
        models = _learn(folder, training, columns, settings, about, say)
    else:
        models = _write(folder, columns, given)

    total = sum(part["records"] for part in copied.values())
    say(f"encoding {total:,} {record_noun(corpus.columns)}")
    missing = [text for text in texts if not tokens_folder(text).is_dir()]
    for number, _ in enumerate(encode_shards(missing, models, workers), start=len(texts) - len(missing) + 1):
        progress("encoding", total * number // len(texts), total)
    return _join(folder, copied, models, images)


def _store_images(
    copied: Mapping[Split, CopiedPart],
    texts: Sequence[Path],
    corpus: Corpus,
    settings: ImageSettings,
    workers: int,
    say: Callable[[str], None],
    progress: Progress,
) -> dict[Split, CopiedPart]:
    """Store the images of all shards. Return the parts without the records whose image cannot be read.

    Raises:
        RegardError: more images cannot be read than the settings allow, or no image of a part can be read.
    """
    if not isinstance(corpus, ImageCorpus):
        raise TypeError(f"{type(corpus).__name__} has the column {IMAGE}, but no method read_image")
    total = sum(part["records"] for part in copied.values())
    say(f"preparing the images of {total:,} {record_noun(corpus.columns)}")
    for number, _ in enumerate(store_shards(texts, corpus, settings.size, workers), start=1):
        progress("preparing images", total * number // len(texts), total)
    reports = {text: read_image_report(text) for text in texts}
    unreadable = sum(report["unreadable"] for report in reports.values())
    if unreadable:
        found = unreadable + sum(report["images"] for report in reports.values())
        first, why = next(each for text in texts for each in unreadable_images(text))
        message = f"{unreadable:,} of {found:,} images cannot be read; the first is {first}: {why}"
        if unreadable > settings.max_unreadable * found:
            raise RegardError(
                f"{message}; repair or remove them, or raise batches.max_unreadable={settings.max_unreadable:g}"
            )
        say(f"skipped: {message}")
    parts: dict[Split, CopiedPart] = {}
    for split, part in copied.items():
        dropped = sum(report["dropped"] for text, report in reports.items() if text.name.startswith(f"{split}."))
        parts[split] = {**part, "records": part["records"] - dropped}
        if not parts[split]["records"]:
            raise RegardError(f"data.{split}: no image can be read; give at least one that can")
    return parts


def _copy(folder: Path, corpus: Corpus, filters: Mapping[str, Filter], progress: Progress) -> dict[Split, CopiedPart]:
    """Copy the text as shards. All of it is read before anything is computed, so that errors are found early."""
    note = folder / "copied.json"
    if not note.exists():
        # The small parts come first.
        parts = {split: copy_part(folder, corpus, split, filters, progress) for split in reversed(SPLITS)}
        with replacing(note) as temporary:
            temporary.write_text(json.dumps(parts), encoding="utf-8")
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
    """Learn the vocabularies from the training text. Return the file for each column, the same one if joint."""
    verb = "training" if settings.kind in LEARNED else "using"
    names = ["joint"] if settings.joint else list(columns)
    paths = {name: folder / f"{name}.model" for name in names}
    if not all(path.exists() for path in paths.values()):
        say(f"{verb} {settings}{' for each side' if len(names) > 1 else ''} on {about}")
        for name, path in paths.items():
            side = f"the {name} side of the training text" if len(names) > 1 else "the training text"
            # Counted from the end, because an image column precedes those with text.
            places = [place - len(columns) for place, column in enumerate(columns) if name in ("joint", column)]
            with replacing(path) as temporary:
                temporary.write_bytes(train_tokenizer(_lines(texts, places), settings, side).model)
    return {column: paths["joint" if settings.joint else column] for column in columns}


def _write(folder: Path, columns: tuple[str, ...], given: Tokenizers) -> dict[str, Path]:
    """Write the given vocabularies. Return the file for each column."""
    models = {"joint": given.target} if given.joint else dict(zip(columns, given, strict=True))
    for name, tokenizer in models.items():
        with replacing(folder / f"{name}.model") as temporary:
            temporary.write_bytes(tokenizer.model)
    return {column: folder / f"{'joint' if given.joint else column}.model" for column in columns}


def _lines(texts: Iterable[Path], places: Sequence[int]) -> Iterator[str]:
    """Yield the lines of the text, alternating between columns, so that a sample contains all languages equally."""
    for path in texts:
        for record in read_shard(path):
            for place in places:
                yield from record[place].split("\n")


def _join(
    folder: Path, copied: Mapping[Split, CopiedPart], models: Mapping[str, Path], images: ImageSettings | None
) -> Path:
    """Join the shards of each part into one file per column, in a new folder with the models and the report."""
    whole = folder / "whole"
    shutil.rmtree(whole, ignore_errors=True)
    whole.mkdir()
    report: dict[str, object] = {}
    for split, part in copied.items():
        texts = [shard_path(folder, split, number) for number in range(part["shards"])]
        for column in models:
            join_tokens([tokens_folder(text) / column for text in texts], whole / f"{split}.{column}")
        files = [path for column in models for path in token_files(whole / f"{split}.{column}")]
        if images is not None:
            stored, stem = [images_folder(text) / IMAGE for text in texts], whole / f"{split}.{IMAGE}"
            if images.size is None:  # the digest does not contain references, which may be paths on this machine
                join_tokens(stored, stem)
            else:
                join_images(stored, stem)
                files += image_files(stem)
        if split != "train":
            with (whole / f"{split}.jsonl").open("wb") as file:
                for text in texts:
                    file.write(text.read_bytes())
        report[split] = {
            "records": part["records"],
            "dropped": part["dropped"],
            "sha256": digest(files),
            "columns": _total(texts),
        }
    for path in set(models.values()):
        shutil.copy(path, whole)
    (whole / "report.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    return whole


def _total(texts: Sequence[Path]) -> dict[str, Column]:
    """Sum the reports on the columns of encoded shards."""
    reports = [read_report(text) for text in texts]
    return {
        column: {
            "tokens": sum(report[column]["tokens"] for report in reports),
            "longest": max(report[column]["longest"] for report in reports),
            "bytes": sum(report[column]["bytes"] for report in reports),
        }
        for column in reports[0]
    }
