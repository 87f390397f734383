"""regard align, from runs: the head is chosen on validation and kept, gold links are compared with."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regard.analysis import align
from regard.analysis.align import align_pairs, evenly_spaced, read_gold, read_split
from regard.analysis.aligner import rank_by_links
from regard.config.compose import compose_points, freeze
from regard.data.corpora.links import Links, read_links
from regard.data.corpora.phrases import meanings, phrases
from regard.data.tokenizer.tokenizer import Tokenizer, Tokenizers
from regard.inference.translator import Translator
from regard.model.transformer import Transformer
from regard.observe.measure.alignment import Aligner
from regard.runs.folder import RunFolder
from regard.runs.work import work

pytestmark = pytest.mark.xdist_group("align")  # they share a run

Regard = Callable[..., Any]

# Dates and distances alone, in which nearly every phrase changes its order of words, are learned in seconds.
DATES = {meanings.a_date: 3, meanings.a_distance: 1}
SMALL_PHRASES = [
    "name=dates", "data.size=4000", "+data.validation_size=100", "+data.test_size=150", "tokenizer.vocab_size=180",
    "model.dim=64", "model.ffn_dim=128", "model.num_heads=2", "batches.tokens_per_batch=512",
    "schedule.warmup_steps=40", "optimizer.lr=0.006", "trainer.max_steps=250", "trainer.val_check_interval=250",
    "callbacks.attention.sentences=1", "logger=none",
]  # fmt: skip


@pytest.fixture(scope="module")
def dates(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("dates")
    places = [f"paths.cache={folder / 'cache'}", f"paths.runs={folder / 'runs'}"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(phrases, "WEIGHTS", DATES)
        run = freeze(compose_points([*SMALL_PHRASES, *places]))[0]
        assert work(run.path) == 0
    return run


def rates(said: str) -> dict[str, list[float]]:
    """The error rate and the error rate of the diagonal of each reported group of pairs, in percent."""
    found = re.findall(r"regard: (.*): alignment error rate ([\d.]+)%.* error rate of the diagonal ([\d.]+)%", said)
    return {name: [float(rate), float(baseline)] for name, rate, baseline in found}


def test_reordered_words_are_aligned(dates: RunFolder, regard: Regard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phrases, "WEIGHTS", DATES)
    said = regard("align", dates.path, "--split", "test")
    assert said.code == 0
    assert len(said.out.splitlines()) == 150
    found = rates(said.err)
    (changed,) = (name for name in found if "reorder words" in name)
    rate, baseline = found[changed]
    assert rate < 15
    assert baseline > 55
    # The head is the one with the lowest error rate on the links of the validation part.
    kept = json.loads((dates.path / "alignment.json").read_text(encoding="utf-8"))
    assert "the links of the validation part, 100 pairs" in kept["judge"]
    errors = [one["error_rate"] for one in kept["aligners"]]
    assert errors == sorted(errors)
    assert len(errors) == 2 * 3 * 2, "two layers, two heads and their mean, at both moments"
    assert errors[0] < 0.15
    best = kept["aligners"][0]
    assert f"decoder.{best['layer']}.cross" in said.err
    worst = kept["aligners"][-1]
    head = "mean" if worst["head"] is None else worst["head"]
    other = regard("align", dates.path, "--split", "test", "--layer", worst["layer"], "--head", head)
    assert rates(other.err)[changed][0] > rate


def test_the_ranking_is_stored_until_the_checkpoint_changes(
    dates: RunFolder, regard: Regard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phrases, "WEIGHTS", DATES)
    run = tmp_path / "run"
    shutil.copytree(dates.path, run)
    pair = ["--source", "May 2, 2038", "--target", "2. Mai 2038"]
    first = regard("align", run, *pair)
    kept = json.loads((run / "alignment.json").read_text(encoding="utf-8"))
    shown = {**kept, "aligners": [{"layer": 0, "head": 1, "moment": "read", "error_rate": 0.0}]}
    (run / "alignment.json").write_text(json.dumps(shown))
    assert "decoder.0.cross, head 1, when a word is read" in regard("align", run, *pair).err
    for stale in (json.dumps({**shown, "step": 1}), "{", "[]"):
        (run / "alignment.json").write_text(stale)
        again = regard("align", run, *pair)
        assert again == first
        assert json.loads((run / "alignment.json").read_text(encoding="utf-8")) == kept


def test_without_links_heads_are_ranked_by_occlusion(
    finished: RunFolder, regard: Regard, tmp_path: Path, corpus: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished.path, run)
    said = regard("align", run, "--split", "validation")
    assert said.code == 0
    pairs = [line.split("\t") for line in (corpus / "validation.tsv").read_text(encoding="utf-8").splitlines()]
    for line, (source, target) in zip(said.out.splitlines(), pairs, strict=True):
        links = [tuple(map(int, link.split("-"))) for link in line.split()]
        assert sorted(b for _, b in links) == list(range(len(target.split()))), "one link per target word"
        assert max(a for a, _ in links) < len(source.split())
    assert "occlusion (removal of source words), 10 validation pairs" in said.err
    assert "error rate of the diagonal" not in said.err, "there are no reference links"
    # With its own output as gold, the error rate is 0.
    gold = tmp_path / "gold.txt"
    gold.write_text(said.out)
    again = regard("align", run, "--split", "validation", "--gold", gold)
    assert f"against {gold}, 10 pairs: 0.00%" in again.err
    assert "10 pairs: alignment error rate 0.00%, precision 100.00%, recall 100.00%" in again.err


def test_files_and_a_checkpoint_alone(finished: RunFolder, regard: Regard, tmp_path: Path) -> None:
    source, target, gold = (tmp_path / name for name in ("a.en", "a.de", "gold"))
    source.write_text("the house is red\n\nthe boat\n")
    target.write_text("das Haus ist rot\n\ndas Boot\n")
    gold.write_text("0-0 1-1 2-2 3-3\n\n0-0 1?1\n")
    checkpoint = finished.checkpoints / "best.ckpt"
    said = regard("align", checkpoint, "--source-file", source, "--target-file", target, "--gold", gold)
    lines = said.out.split("\n")
    assert [len(line.split()) for line in lines] == [4, 0, 2, 0]
    assert "2 given pairs" in said.err, "the empty pair is ignored"
    assert "3 pairs: alignment error rate" in said.err
    assert read_links(gold)[2].possible == {(0, 0), (1, 1)}


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ([], 2, "expected --source and --target, or --source-file and --target-file, or --split"),
        (["--source", "the"], 2, "expected --source and --target"),
        (["--split", "test", "--source", "a", "--target", "b"], 2, "expected --source and --target"),
        (["--source", "the", "--target", " "], 2, "--source or --target is empty"),
        (["--split", "train"], 2, "--split train: expected validation or test"),
        (
            ["--source", "the", "--target", "das", "--layer", "1"],
            2,
            "--layer 1: expected a layer with cross-attention: 0",
        ),
        (["--source", "the", "--target", "das", "--head", "2"], 2, "--head 2: expected 0, 1 or mean"),
    ],
)
def test_wrong_options_are_one_line(
    finished: RunFolder, regard: Regard, tmp_path: Path, options: list[str], code: int, message: str
) -> None:
    shutil.copytree(finished.path, tmp_path / "run")
    said = regard("align", tmp_path / "run", *options)
    assert said.code == code
    assert said.out == ""
    assert message in said.err
    assert len(said.err.splitlines()) == 1


def test_a_language_model_has_no_alignments(finished_language: RunFolder, regard: Regard) -> None:
    said = regard("align", finished_language.path, "--source", "a", "--target", "b")
    assert (said.code, said.out) == (2, "")
    assert "needs a translation model" in said.err


def test_gold_links_must_match_the_pairs(tmp_path: Path) -> None:
    pairs = [("a b", "x"), ("c", "y z")]
    gold = tmp_path / "gold"
    gold.write_text("0-0\n0-2\n")
    with pytest.raises(Exception, match=r"gold, line 2: target word 2 does not exist; expected 0 to 1"):
        read_gold(gold, pairs)
    gold.write_text("0-0\n")
    with pytest.raises(Exception, match=r"gold has 1 lines for 2 pairs"):
        read_gold(gold, pairs)


def test_a_sample_is_evenly_spaced() -> None:
    assert evenly_spaced(5, 10) == [0, 1, 2, 3, 4]
    assert evenly_spaced(100, 3) == [0, 49, 99]
    assert evenly_spaced(0, 3) == []


def test_links_of_a_part_are_those_of_its_pairs(dates: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phrases, "WEIGHTS", DATES)
    part = read_split(dates, "test", print)
    assert part.links is not None
    assert len(part.links) == len(part.pairs) == 150
    for (source, target), links in zip(part.pairs, part.links, strict=True):
        words = {(source.split()[a].strip(",."), target.split()[b].strip(",.")) for a, b in links.sure}
        years = [word.strip(",") for word in source.split() if re.fullmatch(r"(19|20)\d\d", word)]
        assert all((year, year) in words for year in years)


def test_words_that_are_cut_have_no_links(finished: RunFolder, regard: Regard, tmp_path: Path) -> None:
    run = shutil.copytree(finished.path, tmp_path / "run")
    said = regard("align", run, "--source", "the house " * 200, "--target", "das Haus")
    assert "pairs 1: cut to 32 tokens (model.max_length); words after that have no links" in said.err
    assert len(said.out.split()) == 2
    # The tokenizer of this run (nmt_nfkc) treats a zero-width space as a space.
    said = regard("align", run, "--source", "the\u200bhouse", "--target", "das Haus")
    assert "pair 1: the tokenizer finds 2 words instead of 1; links refer to its words" in said.err
    # It removes control characters.
    said = regard("align", run, "--source", "the \u0001 house", "--target", "das Haus")
    assert "pair 1: the tokenizer finds 2 words instead of 3; links refer to its words" in said.err


def test_words_are_separated_by_white_space_for_any_tokenizer(
    make_model: Callable[..., Transformer], tokenizer: Tokenizer
) -> None:
    translator = Translator(make_model(vocab_size=70, max_length=64), Tokenizers(tokenizer, tokenizer))
    said: list[str] = []
    spaces = [" ", "\u00a0", "\u202f"]  # the latter two are <unk> to this vocabulary
    pairs = [(f"the{space}house is red", f"das Haus{space}ist rot") for space in spaces]
    found = list(align_pairs(translator, Aligner(0, 0, "written"), pairs, said.append))
    assert sorted(target for _, target in found[0]) == [0, 1, 2, 3]
    assert found == [found[0]] * 3
    judged = [rank_by_links(translator, [pair], [Links(found[0], found[0])], "it", said.append) for pair in pairs]
    assert [one.error_rates[Aligner(0, 0, "written")] for one in judged] == [0.0] * 3
    assert said == []


def test_given_layer_and_head_are_not_ranked(finished: RunFolder, regard: Regard, tmp_path: Path) -> None:
    run = shutil.copytree(finished.path, tmp_path / "run")
    pair = ["--source", "the house", "--target", "das Haus"]
    chosen = ["--layer", "0", "--head", "mean"]
    for where in (run, run / "checkpoints/best.ckpt"):
        said = regard("align", where, *pair, *chosen)
        head = "decoder.0.cross, the mean of the heads, when a word is written"
        assert f"aligned with {head}; chosen with --layer and --head" in said.err
        assert len(said.out.split()) == 2
    assert not (run / "alignment.json").exists()
    wrong = regard("align", run, *pair, "--layer", "0", "--head", "7")
    assert (wrong.code, wrong.out) == (2, "")
    assert "--head 7: expected 0, 1 or mean" in wrong.err
    regard("align", run, *pair)
    assert "ranked by error rate" in regard("align", run, *pair, *chosen).err, "the ranking is stored"


@pytest.mark.parametrize("target", ["", "\n", "\u200b\n"])
def test_heads_are_not_ranked_on_pairs_without_words(
    finished: RunFolder, regard: Regard, tmp_path: Path, target: str
) -> None:
    source, other = tmp_path / "a.en", tmp_path / "a.de"
    source.write_text("the house\n" if target else "")
    other.write_text(target)
    files = ["--source-file", source, "--target-file", other]
    said = regard("align", finished.checkpoints / "best.ckpt", *files)
    assert (said.code, said.out) == (2, "")
    assert said.err.count("\n") == 1
    assert "no pair has words on both sides" in said.err


def test_pairs_that_are_cut_are_counted(finished: RunFolder, regard: Regard, tmp_path: Path) -> None:
    source, target = tmp_path / "a.en", tmp_path / "a.de"
    source.write_text("\nthe house\n" + "the house " * 200 + "\n")
    target.write_text("\ndas Haus\ndas Haus\n")
    said = regard("align", finished.checkpoints / "best.ckpt", "--source-file", source, "--target-file", target)
    assert "1 of the 2 pairs on which heads are ranked: cut to 32 tokens" in said.err
    assert "pairs 3: cut to 32 tokens" in said.err


def test_pairs_are_aligned_in_chunks(
    finished: RunFolder, regard: Regard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = shutil.copytree(finished.path, tmp_path / "run")
    whole = regard("align", run, "--split", "test")
    monkeypatch.setattr(align, "PAIRS_PER_CHUNK", 3)
    assert regard("align", run, "--split", "test") == whole
