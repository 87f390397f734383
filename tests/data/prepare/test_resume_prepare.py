"""Preparing in many shards: the result has the same bytes for any number of processes and interruptions."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from regard.data.corpora.corpus import PAIR, TEXT, MissingSplit, Record, Split
from regard.data.corpora.filters import Length, NoDuplicates
from regard.data.prepare import encode, shards, stages, workers
from regard.data.prepare.encode import tokens_folder
from regard.data.prepare.prepare import Prepared, prepare
from regard.data.prepare.progress import ProgressLines
from regard.data.prepare.workers import WorkerFailed
from regard.data.tokenizer.tokenizer import TokenizerSettings
from regard.errors import RegardError, UsageError

SETTINGS = TokenizerSettings(vocab_size=60, byte_fallback=False, character_coverage=1.0)
FILTERS = {"length": Length(max_words=8), "duplicates": NoDuplicates()}
WORDS = "red green blue white black house roof boat book horse sheet is very and the".split()


@dataclass
class Numbered:
    """A corpus of two thousand records, generated as they are read. Kills the process at record ``dies_at``."""

    columns: tuple[str, ...] = PAIR
    dies_at: int | None = None

    def check(self) -> None:
        pass

    def fingerprint(self) -> dict[str, object]:
        return {"numbered": list(self.columns)}

    def records(self, split: Split) -> Iterator[Record]:
        if split == "test":
            raise MissingSplit("none")
        for number in range(2000 if split == "train" else 20):
            if split == "train" and number == self.dies_at:
                die()
            words = [WORDS[number * k % len(WORDS)] for k in range(1, 3 + number % 6)]
            yield tuple("\n".join([side, " ".join(words), str(number % 1200)]) for side in self.columns)


def die() -> None:
    """Kill this process and its children, as in a power failure."""
    os.killpg(0, signal.SIGKILL)


def dying(texts: Sequence[Path], models: Mapping[str, Path], workers: int) -> Iterator[Path]:
    """``encode_shards`` that dies after three shards."""
    yield from itertools.islice(encode.encode_shards(texts, models, workers), 3)
    die()


def make(cache: Path, corpus: Numbered, say: Any = print, **options: Any) -> Prepared:
    return prepare(corpus, SETTINGS, cache, say, **({"filters": FILTERS, "workers": 1} | options))


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """About a dozen shards per corpus."""
    monkeypatch.setattr(shards, "SHARD_CHARACTERS", 8192)


@pytest.mark.parametrize("columns", [PAIR, TEXT])
def test_documents_and_pairs_are_stored_and_counted(tmp_path: Path, columns: tuple[str, ...]) -> None:
    prepared = make(tmp_path, Numbered(columns), filters=None)
    records = list(Numbered(columns).records("validation"))
    assert [list(texts) for texts in zip(*records, strict=True)] == list(prepared.texts("validation"))
    for split, size in (("train", 2000), ("validation", 20)):
        tokens, report = prepared.tokens(split), prepared.report[split]
        assert prepared.columns == columns
        assert [len(of) for of in tokens] == [report["records"]] * len(columns) == [size] * len(columns)
        for number, (column, of) in enumerate(zip(columns, tokens, strict=True)):
            texts = [record[number] for record in Numbered(columns).records(split)]
            assert [of[row].tolist() for row in range(size)] == [
                prepared.source_tokenizer.encode(text) for text in texts
            ]
            assert report["columns"][column]["bytes"] == sum(len(text.encode()) for text in texts)
            assert report["columns"][column]["longest"] == of.lengths.max()
    assert prepared.source_tokenizer is prepared.target_tokenizer


def test_a_language_model_has_one_tokenizer_joint_or_not(tmp_path: Path) -> None:
    settings = TokenizerSettings(vocab_size=60, byte_fallback=False, joint=False)
    prepared = prepare(Numbered(TEXT), settings, tmp_path, print)
    assert prepared.source_tokenizer is prepared.target_tokenizer


@pytest.mark.parametrize("columns", [PAIR, TEXT])
def test_any_number_of_processes_gives_the_same_bytes(tmp_path: Path, columns: tuple[str, ...]) -> None:
    one = make(tmp_path / "1", Numbered(columns), workers=1)
    three = make(tmp_path / "3", Numbered(columns), workers=3)
    assert content(one.folder) == content(three.folder)
    assert len(one.tokens("train")[0]) == one.report["train"]["records"]


def test_shards_of_any_size_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = make(tmp_path / "many", Numbered())
    monkeypatch.setattr(shards, "SHARD_CHARACTERS", 1 << 24)
    assert content(make(tmp_path / "one", Numbered()).folder) == content(many.folder)


@pytest.mark.parametrize(
    ("how", "read", "done"),
    [("make(cache, Numbered(dies_at=1000))", 4, 0), ("make(cache, Numbered(), workers=WORKERS)", 7, 3)],
    ids=["reading", "encoding"],
)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_resumed_preparation_equals_one_that_never_stopped(
    tmp_path: Path, how: str, read: int, done: int, workers: int
) -> None:
    script = f"""
import sys
sys.path[:0] = {sys.path!r}
from test_resume_prepare import *
shards.SHARD_CHARACTERS = 8192
stages.encode_shards = dying
cache = Path({str(tmp_path / "killed")!r})
{how.replace("WORKERS", str(workers))}
"""
    command = [sys.executable, "-c", script]
    killed = subprocess.run(command, cwd=Path(__file__).parent, start_new_session=True, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr

    (partial,) = (path for path in (tmp_path / "killed").iterdir() if path.is_dir())
    there = {path: path.stat().st_mtime_ns for path in partial.glob("*.*.jsonl")}
    messages: list[str] = []
    written: list[Path] = []
    with pytest.MonkeyPatch.context() as patch:
        whole = shards._write
        patch.setattr(shards, "_write", lambda path, lines: (written.append(path), whole(path, lines)))
        resumed = make(tmp_path / "killed", Numbered(), messages.append, workers=workers)
    found = re.fullmatch(r"resuming the preparation of this text: (\d+) shards were read, (\d+) encoded", messages[0])
    assert found
    assert int(found[1]) == len(there) >= read
    assert int(found[2]) >= done  # other processes may have encoded more
    assert not set(written) & set(there)
    assert content(resumed.folder) == content(make(tmp_path / "never", Numbered()).folder)
    assert [path.name for path in (tmp_path / "killed").iterdir() if path.is_dir()] == [resumed.folder.name]


def test_only_missing_shards_are_encoded_when_resuming(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(texts: Sequence[Path], models: Mapping[str, Path], workers: int) -> Iterator[Path]:
        yield from itertools.islice(encode.encode_shards(texts, models, workers), 3)
        raise KeyboardInterrupt

    asked: list[int] = []

    def counting(texts: Sequence[Path], models: Mapping[str, Path], workers: int) -> Iterator[Path]:
        asked.append(len(texts))
        return encode.encode_shards(texts, models, workers)

    monkeypatch.setattr(stages, "encode_shards", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, Numbered())
    (partial,) = (path for path in tmp_path.iterdir() if path.is_dir())
    texts = list(partial.glob("*.*.jsonl"))
    assert sum(tokens_folder(text).is_dir() for text in texts) == 3
    monkeypatch.setattr(stages, "encode_shards", counting)
    make(tmp_path, Numbered(dies_at=0))  # the text is not read again
    assert asked == [len(texts) - 3]


def test_dropped_records_are_reported_and_counted(tmp_path: Path) -> None:
    messages: list[str] = []
    prepared = make(tmp_path, Numbered(), messages.append)
    train = prepared.report["train"]
    assert train["dropped"]["empty"] == 0
    assert train["dropped"]["length"] > 100
    assert train["dropped"]["duplicates"] > 10
    assert train["records"] + sum(train["dropped"].values()) == 2000
    assert prepared.report["validation"]["dropped"] == {}
    dropped = train["dropped"]
    assert messages[0] == (
        f"dropped from the training pairs: {dropped['length']} length, {dropped['duplicates']} duplicates"
    )
    assert make(tmp_path, Numbered(), filters={}).folder != prepared.folder


def test_filters_that_drop_every_record_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(RegardError, match=r"data\.train: no usable pair, all 2,000 pairs were dropped \(2,000 short\)"):
        make(tmp_path, Numbered(), filters={"short": Length(max_words=1)})


def test_progress_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "REPORT_EVERY", 300)
    calls: list[tuple[str, int, int | None]] = []
    make(tmp_path, Numbered(), filters={}, progress=lambda *now: calls.append(now))
    assert calls[:6] == [("reading the train part", number, None) for number in range(300, 2000, 300)]
    assert calls[-1] == ("encoding", 2020, 2020)
    assert [done for activity, done, _ in calls if activity == "encoding"] == sorted({done for _, done, _ in calls[6:]})


def test_progress_lines_are_limited_to_an_interval() -> None:
    messages: list[str] = []
    lines = ProgressLines(messages.append, seconds=0)
    lines("reading", 1000, None)
    lines("encoding", 1000, 2000)
    assert messages == ["reading: 1,000", "encoding: 1,000 of 2,000"]
    ProgressLines(lambda line: pytest.fail(line))("reading", 1, None)


@pytest.mark.parametrize("module", ["regard.data.prepare.encode", "regard.data.prepare.images"])
def test_a_worker_does_not_import_torch(module: str) -> None:
    script = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    assert subprocess.run([sys.executable, "-c", script], env=environment).returncode == 0


def test_a_worker_that_fails_or_is_killed_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "no.model").write_bytes(b"none")
    (tmp_path / "train.00000.jsonl").write_text(json.dumps(["a"]) * 10_000)
    with pytest.raises(RegardError, match=r"a process that prepared .*train\.00000\.jsonl failed: .*a SentencePiece"):
        list(encode.encode_shards([tmp_path / "train.00000.jsonl"], {"text": tmp_path / "no.model"}, 2))
    monkeypatch.setattr(
        workers.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], -signal.SIGKILL, "", "")
    )
    with pytest.raises(RegardError, match=r"killed by signal 9, .*; lower batches\.preparation_workers"):
        list(encode.encode_shards([tmp_path / "train.00000.jsonl"], {"text": tmp_path / "no.model"}, 2))


def test_shards_are_kept_when_a_worker_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any) -> Iterator[Path]:
        raise WorkerFailed("killed")

    with monkeypatch.context() as patch:
        patch.setattr(stages, "encode_shards", failing)
        with pytest.raises(RegardError, match="killed"):
            make(tmp_path, Numbered())
    make(tmp_path, Numbered(dies_at=0))  # the text is not read again


def test_the_number_of_workers_is_checked(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"batches\.preparation_workers=0: expected an integer >= 1"):
        make(tmp_path, Numbered(), workers=0)
