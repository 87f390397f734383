"""A run on sequences with answers: it learns them, its metrics are of the answers only, and the verbs work on it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regard.data.tokenizer.specials import BOS, EOS
from regard.runs.corpus import load_corpus
from regard.runs.folder import RunFolder, find_checkpoint
from regard.runs.work import work
from regard.training.callbacks.metrics_file import read_rows
from regard.training.checkpoint import load_model


@pytest.fixture(scope="module")
def solved(make_answers_run: Callable[..., RunFolder]) -> RunFolder:
    """A run that has learned the task; look, do not touch."""
    options = [
        "trainer.max_steps=250",
        "trainer.val_check_interval=250",
        "model.dim=32",
        "batches.examples_per_batch=32",
    ]
    run = make_answers_run("name=solved", *options)
    assert work(run.path) == 0
    return run


def test_the_task_is_learned_and_loss_and_accuracy_are_of_the_answers(solved: RunFolder) -> None:
    metrics = json.loads((solved.path / "summary.json").read_text())["metrics"]
    assert {name for name in metrics if name.startswith("test/")} == {"test/loss", "test/perplexity", "test/accuracy"}
    loaded = load_model(find_checkpoint(solved.path), "cpu")
    texts = [text for (text,) in load_corpus(solved, print).records("test")]
    scored = loaded.generator.score(texts, 1)
    answers = [row[-2] for row in scored]  # before </s>
    assert [loaded.generator.target_tokenizer.decode([token]) for token, _ in answers] == [text[-1] for text in texts]
    assert metrics["test/loss"] == pytest.approx(-sum(value for _, value in answers) / len(answers), rel=1e-4)
    assert metrics["test/accuracy"] >= 0.9
    everywhere = [value for row in scored for _, value in row]
    assert -sum(everywhere) / len(everywhere) > 10 * metrics["test/loss"], "the other symbols are not learned"
    speeds = [float(row["train/tokens"]) for row in read_rows(solved.metrics) if row.get("train/tokens")]
    assert speeds[-1] <= 250 * 32, "tokens are answers"


def test_samples_are_questions_answers_and_outputs(solved: RunFolder) -> None:
    samples = [json.loads(line) for line in (solved.path / "samples.jsonl").read_text().splitlines()]
    assert len(samples) == 20
    texts = [text for (text,) in load_corpus(solved, print).records("validation")]
    assert [(each["source"], each["reference"]) for each in samples] == [(f"{text[:-1]}?", text[-1]) for text in texts]
    correct = sum(each["output"] == each["reference"] for each in samples) / 20
    (accuracy,) = [
        float(row["validation/accuracy"]) for row in read_rows(solved.metrics) if "validation/accuracy" in row
    ]
    assert correct == pytest.approx(accuracy)


def test_evaluate_reproduces_the_metrics(solved: RunFolder, regard: Callable[..., Any]) -> None:
    metrics = json.loads((solved.path / "summary.json").read_text())["metrics"]
    said = regard("evaluate", solved.path)
    found = dict(line.split("\t") for line in said.out.splitlines())
    assert found == {name: f"{metrics[name]:.4f}" for name in metrics if name.startswith("test/")}
    refused = regard("evaluate", solved.path, "--target-file", __file__)
    assert refused.code == 2
    assert "--target-file: a model of answers is evaluated on its own data; regard score takes any text" in refused.err


def test_a_prompt_is_read_as_in_training(solved: RunFolder) -> None:
    generator: Any = load_model(find_checkpoint(solved.path), "cpu").generator
    ids = generator.target_tokenizer.encode("abc*d")
    assert generator.encode_prompt("abc*d") == ([BOS, *ids], False)
    tokens, cut = generator.encode_prompt("ab" * 100)
    assert cut
    assert len(tokens) == generator.model.max_length
    assert tokens[0] == BOS
    assert EOS not in tokens


def test_verbs_ask_the_model(solved: RunFolder, regard: Callable[..., Any], tmp_path: Path) -> None:
    data: Any = load_corpus(solved, print)
    prompt = data.example(tmp_path)
    (text,) = next(data.records("validation"))
    assert text[:-1] == prompt
    sample = json.loads((solved.path / "samples.jsonl").read_text().splitlines()[0])
    said = regard("generate", solved.path, "--prompt", prompt, "--temperature", 0, "--max-new-tokens", 1)
    assert said.out == f"{prompt}{sample['output']}\n"
    top = regard("generate", solved.path, "--prompt", prompt, "--next", 1).out
    assert top.splitlines()[1].startswith(sample["output"])
    assert regard("attend", solved.path, "--target", prompt, "--output", tmp_path / "page.html").code == 0
    assert regard("score", solved.path, stdin=f"{text}\n").out.splitlines()[1].split("\t")[1] == str(len(text) + 1)
    heads = regard("heads", solved.path, "--json", "--output", tmp_path)
    assert "the answers of 20 validation examples (20 target tokens)" in heads.err
    assert sum(row["head"] != "uniform" for row in map(json.loads, heads.out.splitlines())) == 4
    page = (solved.path / "attention" / "index.html").read_text()
    assert "nats/answer" in page


@pytest.mark.parametrize("data", ["recall", "mqar"])
def test_the_other_tasks_run(make_answers_run: Callable[..., RunFolder], data: str) -> None:
    own = {"recall": ["data.vocab_size=7"], "mqar": ["data.length=16", "data.num_pairs=2", "data.vocab_size=16"]}[data]
    run = make_answers_run(f"data={data}", *own, "data.size=40", f"name={data}")
    assert work(run.path) == 0
    samples = [json.loads(line) for line in (run.path / "samples.jsonl").read_text().splitlines()]
    answers = 2 if data == "mqar" else 1
    assert {(each["source"].count("?"), len(each["reference"]), len(each["output"])) for each in samples} == {
        (answers, answers, answers)
    }
