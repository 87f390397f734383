"""Preparing a corpus: once, completely or not at all, with a vocabulary of the training part only."""

from __future__ import annotations

import errno
import itertools
import os
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import pytest
from filelock import FileLock

from regard.data.corpora.corpus import PAIR, SPLITS, MissingSplit, Split
from regard.data.corpora.multi30k import Multi30k
from regard.data.corpora.parallel import ParallelFiles
from regard.data.prepare import shards
from regard.data.prepare.prepare import Prepared, prepare
from regard.data.prepare.store import TokenWriter
from regard.data.tokenizer.tokenizer import TokenizerSettings
from regard.errors import RegardError, UsageError

MULTI30K = Path(__file__).parents[4] / "shared/data/multi30k"
SETTINGS = TokenizerSettings(vocab_size=70, byte_fallback=False, character_coverage=1.0)

Pairs = list[tuple[str, str]]
COLOURS = {"red": "rot", "green": "grün", "blue": "blau", "white": "weiß", "black": "schwarz"}
THINGS = {"house": "Haus", "roof": "Dach", "boat": "Boot", "book": "Buch", "horse": "Pferd", "sheet": "Blatt"}
TRAIN: Pairs = [
    (f"the {thing} is {colour} ({number})", f"das {ding} ist {farbe} ({number})")
    for number in (1, 2, 3)
    for thing, ding in THINGS.items()
    for colour, farbe in COLOURS.items()
]
HELD_OUT: Pairs = [("the boat\n is\u2028black", "das Boot\x85 ist schwarz\r"), ("", "leer"), (" a b ", "")]


@dataclass
class InMemory:
    """A corpus of given pairs that records how often it is read."""

    columns: ClassVar = PAIR
    train: Pairs = field(default_factory=lambda: list(TRAIN))
    validation: Pairs = field(default_factory=lambda: list(HELD_OUT))
    test: Pairs | None = field(default_factory=lambda: list(HELD_OUT[:1]))
    reads: list[str] = field(default_factory=list)

    def check(self) -> None:
        pass

    def fingerprint(self) -> dict[str, object]:
        return {"pairs": [list(part or ()) for part in (self.train, self.validation, self.test)]}

    def records(self, split: Split) -> Iterator[tuple[str, str]]:
        self.reads.append(split)
        pairs: Pairs | None = getattr(self, split)
        if pairs is None:
            raise MissingSplit("set data.test")
        yield from pairs


def names(folder: Path) -> list[str]:
    """The names in a folder, without locks."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
@pytest.mark.parametrize("joint", [True, False])
def test_tokens_are_the_encoded_text(tmp_path: Path, joint: bool, kind: str) -> None:
    prepared = prepare(InMemory(), replace(SETTINGS, kind=kind, joint=joint, vocab_size=36), tmp_path, print)
    assert (prepared.source_tokenizer is prepared.target_tokenizer) == joint
    assert (prepared.source_tokenizer == prepared.target_tokenizer) == joint
    sides = zip((prepared.source_tokenizer, prepared.target_tokenizer), (0, 1), strict=True)
    for tokenizer, side in sides:
        for split, pairs in zip(SPLITS, (TRAIN, HELD_OUT, HELD_OUT[:1]), strict=True):
            tokens = prepared.tokens(split)[side]
            rows = [tokens[row].tolist() for row in range(len(tokens))]
            assert rows == [tokenizer.encode(pair[side]) for pair in pairs]


def test_separate_vocabularies_contain_their_own_language(tmp_path: Path) -> None:
    prepared = prepare(InMemory(), replace(SETTINGS, joint=False, vocab_size=50), tmp_path, print)
    assert 3 in prepared.source_tokenizer.encode("grün")  # <unk>
    assert 3 not in prepared.target_tokenizer.encode("grün")


def test_texts_of_evaluation_parts_are_stored_unchanged(tmp_path: Path) -> None:
    prepared = prepare(InMemory(), SETTINGS, tmp_path, print)
    source, target = prepared.texts("validation")
    assert list(zip(source, target, strict=True)) == HELD_OUT
    with pytest.raises(ValueError, match="only the tokens of the training part are stored"):
        prepared.texts("train")


def test_empty_sides_are_dropped_from_training_only_and_counted(tmp_path: Path) -> None:
    corpus = InMemory(train=[("", "x"), *TRAIN, ("y", " \t"), ("\u3000", "z")])
    messages: list[str] = []
    prepared = prepare(corpus, SETTINGS, tmp_path, messages.append)
    train, validation = prepared.report["train"], prepared.report["validation"]
    assert (train["records"], train["dropped"]) == (len(TRAIN), {"empty": 3})
    assert (validation["records"], validation["dropped"]) == (3, {})
    assert len(prepared.tokens("train")[0]) == len(prepared.tokens("train")[1]) == len(TRAIN)
    assert "dropped from the training pairs: 3 empty" in messages
    assert f"training a BPE vocabulary of 70 pieces on {len(TRAIN)} pairs" in messages


def test_the_report_counts_tokens_and_bytes(tmp_path: Path) -> None:
    prepared = prepare(InMemory(), SETTINGS, tmp_path, print)
    for split, pairs in zip(SPLITS, (TRAIN, HELD_OUT, HELD_OUT[:1]), strict=True):
        report = prepared.report[split]
        for side, (tokens, texts) in enumerate(zip(prepared.tokens(split), zip(*pairs, strict=True), strict=True)):
            assert report["columns"][PAIR[side]] == {
                "tokens": tokens.lengths.sum(),
                "longest": tokens.lengths.max(),
                "bytes": sum(len(text.encode()) for text in texts),
            }


def test_the_vocabulary_is_learned_from_the_training_part_only(tmp_path: Path) -> None:
    other = InMemory(validation=[("жук", "жук")] * 50, test=[("жук", "жук")] * 50)
    one, two = (prepare(corpus, SETTINGS, tmp_path, print) for corpus in (InMemory(), other))
    assert one.folder != two.folder
    assert one.source_tokenizer == two.source_tokenizer


class Long(InMemory):
    """A corpus with ``size`` training pairs, generated while they are read."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def fingerprint(self) -> dict[str, object]:
        return {"size": self.size}

    def records(self, split: Split) -> Iterator[tuple[str, str]]:
        return super().records(split) if split != "train" else itertools.islice(itertools.cycle(TRAIN), self.size)


def test_memory_does_not_grow_with_the_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "SHARD_CHARACTERS", 1 << 18)
    settings = replace(SETTINGS, input_sentence_size=100)
    peaks = []
    for size in (10_000, 40_000):
        tracemalloc.start()
        prepare(Long(size), settings, tmp_path, print)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def test_a_corpus_is_prepared_once_per_fingerprint(tmp_path: Path) -> None:
    corpus = InMemory()
    first = prepare(corpus, SETTINGS, tmp_path, print)
    assert corpus.reads == ["test", "validation", "train"]
    again = prepare(corpus, SETTINGS, tmp_path, pytest.fail)  # and without a message
    assert (again.folder, len(corpus.reads)) == (first.folder, 3)
    assert prepare(corpus, replace(SETTINGS, split_digits=False), tmp_path, print).folder != first.folder
    assert prepare(InMemory(train=TRAIN[1:]), SETTINGS, tmp_path, print).folder != first.folder
    assert len(names(tmp_path)) == 3


def test_a_prepared_folder_can_be_moved(tmp_path: Path) -> None:
    prepared = prepare(InMemory(), SETTINGS, tmp_path / "cache", print)
    before = prepared.tokens("train")[0][5].tolist()
    moved = prepared.folder.rename(tmp_path / "moved")
    assert Prepared(moved).tokens("train")[0][5].tolist() == before


def test_a_corpus_without_a_test_part_has_none(tmp_path: Path) -> None:
    prepared = prepare(InMemory(test=None), SETTINGS, tmp_path, print)
    assert "test" not in prepared.report
    for ask in (prepared.tokens, prepared.texts):
        with pytest.raises(UsageError, match=r"set data\.test"):
            ask("test")


@pytest.mark.parametrize(
    ("corpus", "message"),
    [
        (InMemory(train=[]), r"data\.train: no usable pair, it is empty"),
        (
            InMemory(train=[("", "x"), ("y", "")]),
            r"data\.train: no usable pair, all 2 pairs were dropped \(2 empty\); give text",
        ),
        (InMemory(validation=[]), r"data\.validation: no usable pair"),
        (InMemory(train=[("ab", "cd")]), r"tokenizer\.vocab_size=70 is more than .*at most \d+"),
    ],
)
def test_an_error_leaves_no_files(tmp_path: Path, corpus: InMemory, message: str) -> None:
    with pytest.raises(RegardError, match=message) as failure:
        prepare(corpus, SETTINGS, tmp_path, print)
    assert "\n" not in str(failure.value)
    assert names(tmp_path) == []


def test_files_of_different_length_are_an_error_before_anything_is_learned(tmp_path: Path) -> None:
    for name, lines in (("t.en", 3), ("t.de", 4), ("v.en", 1), ("v.de", 1)):
        (tmp_path / name).write_text("text\n" * lines)
    corpus = ParallelFiles("en", "de", train=str(tmp_path / "t"), validation=str(tmp_path / "v"))
    messages: list[str] = []
    with pytest.raises(RegardError, match=r"t\.en has 3 lines but .*t\.de has 4"):
        prepare(corpus, SETTINGS, tmp_path / "cache", messages.append)
    assert messages == []


def test_text_that_changes_during_preparation_is_an_error(tmp_path: Path) -> None:
    corpus = InMemory()
    with pytest.raises(RegardError, match="changed while"):
        prepare(corpus, SETTINGS, tmp_path, lambda line: corpus.train.append(("new", "neu")))
    assert names(tmp_path) == []


def test_the_error_of_a_full_disk_names_the_cache_and_leaves_no_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(writer: TokenWriter, rows: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(TokenWriter, "append", full)
    with pytest.raises(RegardError, match=f"no space left to write in {tmp_path}"):
        prepare(InMemory(), SETTINGS, tmp_path, print)
    assert names(tmp_path) == []


def test_the_error_of_a_damaged_folder_names_what_to_remove(tmp_path: Path) -> None:
    prepared = prepare(InMemory(), SETTINGS, tmp_path, print)
    (prepared.folder / "report.json").write_text("{")
    with pytest.raises(RegardError, match=f"{prepared.folder} is damaged.*remove that folder"):
        prepare(InMemory(), SETTINGS, tmp_path, print)


class Slow(InMemory):
    """A corpus that records each reading in a file and then waits, so that processes run at the same time."""

    def __init__(self, reads: str) -> None:
        super().__init__()
        self.record = Path(reads)

    def records(self, split: Split) -> Iterator[tuple[str, str]]:
        if split == "train":
            with self.record.open("a") as file:
                file.write("read\n")
            time.sleep(0.5)
        return super().records(split)


def start_preparing(reads: Path, cache: Path) -> subprocess.Popen[str]:
    """Start a process that prepares the slow corpus and prints the messages, then the folder."""
    script = f"""
import sys
sys.path[:0] = {sys.path!r}
from test_prepare import *
print(prepare(Slow({str(reads)!r}), SETTINGS, Path({str(cache)!r}), print).folder)
"""
    command = [sys.executable, "-c", script]
    return subprocess.Popen(command, cwd=Path(__file__).parent, stdout=subprocess.PIPE, text=True)


def test_concurrent_processes_prepare_once(tmp_path: Path) -> None:
    reads, cache = tmp_path / "reads", tmp_path / "cache"
    processes = [start_preparing(reads, cache) for _ in range(2)]
    output = [process.communicate()[0].splitlines() for process in processes]
    (folder,) = names(cache)
    assert [lines[-1] for lines in output] == [str(cache / folder)] * 2
    assert reads.read_text() == "read\n"
    assert sum(line.startswith("training a BPE") for lines in output for line in lines) == 1


def test_the_files_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    reads, cache = tmp_path / "reads", tmp_path / "cache"
    with start_preparing(reads, cache) as killed:
        deadline = time.monotonic() + 30
        while not reads.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        killed.kill()
    assert [name[0] for name in names(cache)] == ["."]  # the partial folder
    prepared = prepare(Slow(str(reads)), SETTINGS, cache, print)
    assert names(cache) == [prepared.folder.name]


def test_a_wait_for_another_process_is_reported(tmp_path: Path) -> None:
    folder = prepare(InMemory(), SETTINGS, tmp_path, print).folder
    lock = FileLock(tmp_path / f"{folder.name}.lock")
    lock.acquire()
    folder.rename(tmp_path / "aside")
    messages: list[str] = []

    def say(line: str) -> None:
        messages.append(line)
        if "waiting" in line:  # the other process finishes now
            (tmp_path / "aside").rename(folder)
            lock.release()

    prepare(InMemory(), SETTINGS, tmp_path, say)
    assert messages == ["another process is preparing this text: waiting for it"]


@pytest.mark.skipif(not MULTI30K.is_dir(), reason=f"needs the Multi30k files in {MULTI30K}")
def test_multi30k(tmp_path: Path) -> None:
    settings = TokenizerSettings(vocab_size=4000)
    prepared = prepare(Multi30k("en", "de", str(MULTI30K)), settings, tmp_path, print)
    assert [prepared.report[split]["records"] for split in SPLITS] == [29_000, 1014, 1000]
    _, target = prepared.texts("test")
    tokens = prepared.tokens("test")[1]
    decoded = [prepared.target_tokenizer.decode(tokens[row].tolist()) for row in range(len(tokens))]
    assert decoded == [" ".join(line.split(" ")).strip() for line in target]
    assert prepared.report["train"]["columns"]["target"]["tokens"] < 20 * 29_000
