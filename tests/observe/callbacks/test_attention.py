"""Attention recorded during training: selection, files, metrics, page."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from regard.errors import UsageError
from regard.observe.callbacks.examples import ExampleSelector
from regard.observe.record.maps import load_maps
from regard.runs.folder import RunFolder
from regard.runs.work import work
from regard.training.callbacks.metrics_file import read_rows
from regard.training.scorers.translation import TranslationScorer

pytestmark = pytest.mark.xdist_group("attention")  # they share a run

MakeRun = Callable[..., RunFolder]
LAST = "step-0000006.npz"


def spelled(pieces: list[str]) -> str:
    return "".join(pieces).replace("</s>", "").replace("▁", " ").strip()


@pytest.fixture(scope="module")
def probed(make_run: MakeRun) -> RunFolder:
    """A run that records one sentence of the user, two of the validation part, and two extremes of each kind."""
    options = ["texts=['the red <script>']", "sentences=2", "extremes=2", "measures=[maximum,first]"]
    run = make_run("logger=none", *(f"callbacks.attention.{option}" for option in options), "name=probed")
    assert work(run.path) == 0
    return run


def test_order_is_given_first_worst_best(probed: RunFolder, corpus: Path) -> None:
    sources = [spelled(sentence.source) for sentence in load_maps(probed.attention / LAST)]
    assert len(sources) == len(set(sources)) == 1 + 2 + 2 + 2
    validation = [line.split("\t")[0] for line in (corpus / "validation.tsv").read_text().splitlines()]
    assert sources[1:3] == validation[:2]
    assert set(sources[3:]) <= set(validation[2:])


def test_the_page_has_the_reason_for_each_sentence(probed: RunFolder) -> None:
    page = (probed.attention / "index.html").read_text()
    notes = json.loads(re.search(r'"notes":(\[.*?\])', page)[1])
    assert [note.split(",")[0] for note in notes] == ["given", "first", "first", "worst", "worst", "best", "best"]


def test_extremes_are_those_of_the_latest_validation(probed: RunFolder) -> None:
    from regard.training.scorers.translation import TranslationScorer
    from regard.training.task import Sample

    scorer = TranslationScorer(1, 1, 1.0)
    rows = [json.loads(line) for line in (probed.path / "samples.jsonl").read_text().splitlines()]
    rows = [row for row in rows if row.pop("step") == 6]
    scores = {row["source"]: scorer.score_sample(Sample(**row)) for row in rows}
    sources = [spelled(sentence.source) for sentence in load_maps(probed.attention / LAST)]
    left = [score for source, score in scores.items() if source not in sources[:3]]
    found = [scores[source] for source in sources[3:]]
    assert sorted(found[:2]) == sorted(left)[:2]
    assert sorted(found[2:]) == sorted(left)[-2:]


def test_every_measure_of_every_head_is_a_metric(probed: RunFolder) -> None:
    names = {name for name in read_rows(probed.metrics)[-1] if name.startswith("attention/")}
    maps = ("encoder.0.self", "decoder.0.self", "decoder.0.cross")
    assert names == {f"attention/{each}/{m}/{head}" for each in maps for m in ("maximum", "first") for head in (0, 1)}


def byte_task(*sources: str) -> Any:
    """The parts of a task that the selection of examples needs; each byte is a token."""
    records = [(source, source.upper()) for source in sources]
    return SimpleNamespace(
        scorer=TranslationScorer(1, 1, 1.0),
        model=SimpleNamespace(max_length=100),
        tokenizers=SimpleNamespace(source=SimpleNamespace(encode=str.encode)),
        data=SimpleNamespace(records=lambda split: iter(records)),
        samples=[],
    )


def test_the_shortest_sentences_are_selected_if_all_are_too_long() -> None:
    task = byte_task("twenty-one characters", "   ", "nineteen characters", "twenty characters...")
    with pytest.warns(UserWarning, match=r"callbacks.attention.longest=10: .* the first has 20 tokens"):
        found = ExampleSelector([], first=2, extremes=1, longest=10).select_fixed(task)
    assert [each.given for each in found] == ["nineteen characters", "twenty characters..."]
    assert [each.reason for each in found] == ["shortest", "shortest"]
    assert found[0].reference == "NINETEEN CHARACTERS"
    with pytest.warns(UserWarning, match=r"callbacks.attention.longest=10"):
        assert len(ExampleSelector([], first=0, extremes=1, longest=10).select_fixed(task)) == 1
    (only,) = ExampleSelector([], first=2, extremes=1, longest=20).select_fixed(task)
    assert (only.reason, only.given, only.reference) == ("first", "nineteen characters", "NINETEEN CHARACTERS")
    assert ExampleSelector([], first=0, extremes=0, longest=10).select_fixed(task) == []


def test_a_validation_part_without_text_is_reported() -> None:
    with pytest.warns(UserWarning, match=r"callbacks.attention: all validation sentences are empty"):
        assert ExampleSelector([], first=1, extremes=1, longest=10).select_fixed(byte_task(" ", "")) == []


def test_an_unknown_measure_is_reported_before_the_run_folder_exists(make_run: MakeRun) -> None:
    with pytest.raises(
        UsageError, match=r"callbacks.attention.measures=\['entrpy'\]: expected a list of values, each one of entropy"
    ):
        make_run("callbacks.attention.measures=[entrpy]", "name=entrpy")


@pytest.mark.filterwarnings("default:callbacks.attention")
def test_a_text_over_the_limit_is_cut_with_a_warning(make_run: MakeRun) -> None:
    long = "the red boat " * 40
    run = make_run("logger=none", "model.max_length=64", f"callbacks.attention.texts=['{long}']", "name=cut")
    assert work(run.path) == 0
    assert "text 1 has" in (run.path / "log.txt").read_text()
    assert len(load_maps(run.attention / LAST)[0].source) == 64


def test_extremes_of_a_language_model_are_beginnings(make_language_run: MakeRun) -> None:
    run = make_language_run("callbacks.attention.sentences=1", "callbacks.attention.extremes=1", "name=extremes")
    assert work(run.path) == 0
    maps = load_maps(sorted(run.attention.glob("*.npz"))[-1])
    assert 1 < len(maps) <= 3
    assert len({spelled(each.target) for each in maps}) == len(maps)


@pytest.mark.filterwarnings("default:not logged to W&B")
def test_media_over_the_budget_are_not_logged_and_one_warning_is_given(make_run: MakeRun) -> None:
    options = ["logger=wandb", "logger.mode=offline", "callbacks.attention.dashboard_megabytes=0.3"]
    run = make_run(*options, "name=small_dashboard")
    assert work(run.path) == 0
    said = (run.path / "log.txt").read_text()
    assert said.count("not logged to W&B") == 1
    assert "dashboard_megabytes" in said
    media = [path for path in (run.path / "wandb").rglob("files/media/**/*") if path.is_file()]
    assert not [path for path in media if path.suffix == ".html"]
    assert 0 < sum(path.stat().st_size for path in media if path.suffix == ".png") < 2 * 0.3 * 2**20


def test_what_is_left_out_of_a_page_is_reported_once(make_run: MakeRun) -> None:
    options = ["page_megabytes=0", "sentences=2", "extremes=0"]
    run = make_run(*(f"callbacks.attention.{option}" for option in options), "logger=none", "name=small_page")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert work(run.path) == 0
    lines = (run.path / "log.txt").read_text().splitlines()
    said = [line for line in lines if "UserWarning" in line and "page_megabytes=0" in line]
    assert len(list(run.attention.glob("step-*.npz"))) == 2
    assert len(said) == 1
    assert "index.html: query, key and value vectors of 1 sentence, and 1 sentence left out" in said[0]
    assert "Left out to keep this page small" in (run.attention / "index.html").read_text()


def test_extremes_of_a_single_document_are_its_passages(make_language_run: MakeRun, tmp_path: Path) -> None:
    passages = ["aaaa aaaa aaaa", "the boat is very red", "zq xj qz jx kw", "the book is very white"]
    text = tmp_path / "validation.txt"
    text.write_text("the house is very blue\n\n" + "\n\n".join(passages) + "\n")
    run = make_language_run(f"data.validation={text}", "data.document=file", "name=passages")
    assert work(run.path) == 0
    notes = json.loads(re.search(r'"notes":(\[.*?\])', (run.attention / "index.html").read_text())[1])
    assert [note.split(",")[0] for note in notes] == ["first", "worst", "best"]


# A mixer without attention: the mean of the preceding tokens.
MEAN = """
import torch
from torch import nn

class Mean(nn.Module):
    def __init__(self, dim, num_heads, causal, num_kv_heads=None, bias=True, rotation=None):
        super().__init__()
        self.value = nn.Linear(dim, dim)

    def forward(self, x, mask, record=None):
        count = torch.arange(1, x.shape[1] + 1, device=x.device)[None, :, None]
        return self.value(x).cumsum(1) / count

    def initial_state(self, batch, like):
        return (like.new_zeros(batch, like.shape[-1]),)

    def extend(self, x, state, past):
        sums = state[0][:, None] + self.value(x).cumsum(1)
        counts = past.length + torch.arange(1, x.shape[1] + 1)
        return sums / counts[:, None], (sums[:, -1],)
"""


def test_a_mixer_that_records_nothing_is_named_and_the_rest_is_shown(
    make_language_run: MakeRun, tmp_path: Path, importable: Callable[[Path], None], regard: Callable[..., Any]
) -> None:
    (tmp_path / "mean_mixer.py").write_text(MEAN)
    importable(tmp_path)
    run = make_language_run("model.mixer._target_=mean_mixer.Mean", "name=mean")
    assert work(run.path) == 0, run.status()
    named = "decoder layer 0: Mean, no attention weights or kernels"
    assert (run.path / "log.txt").read_text().count(f"callbacks.attention: {named}\n") == 1
    assert [path.name for path in run.attention.iterdir()] == ["index.html"]
    said = regard("attend", run.path, "--target", "the boat", "--trust")
    assert (said.code, said.err) == (0, f"regard: {named}\n")
    assert "picture" not in said.out
    assert sorted(path.name for path in run.attention.iterdir()) == ["attend.html", "index.html"]


def test_a_run_without_attention_shows_its_kernels(make_language_run: MakeRun, regard: Callable[..., Any]) -> None:
    run = make_language_run("mixer=s4d", "logger=wandb", "logger.mode=offline", "name=s4d")
    assert work(run.path) == 0, run.status()
    named = "decoder layer 0: S4D, a state-space model, no attention weights; kernels are shown"
    assert (run.path / "log.txt").read_text().count(f"callbacks.attention: {named}\n") == 1
    assert [path.name for path in run.attention.iterdir()] == ["index.html"], "there are no maps to save"
    page = (run.attention / "index.html").read_text()
    assert f"{named}." in page
    assert "<title>Kernels</title>" in page
    media = [path.name for path in (run.path / "wandb").rglob("files/media/**/*") if path.is_file()]
    assert {name.split("_")[0] for name in media} == {"sentences", "kernels", "page", "samples"}
    said = regard("attend", run.path, "--target", "the boat")
    assert (said.code, said.err) == (0, f"regard: {named}\n")
    with Image.open(run.attention / "attend.png") as picture:
        assert min(picture.size) > 200
    said = regard("heads", run.path)
    assert (said.code, said.out) == (2, "")
    assert said.err.splitlines()[-1].startswith("regard: the model has no attention heads to measure")
