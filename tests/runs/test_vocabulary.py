"""Weights are only used with their own vocabulary, even if the text changes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from regard.errors import UsageError
from regard.launch.resume import prepare_resume
from regard.runs.evaluate import evaluate_split, run_config
from regard.runs.folder import RunFolder
from regard.runs.work import work
from regard.training.checkpoint import read_checkpoint, read_tokenizers

MakeRun = Callable[..., RunFolder]

STILL = ["optimizer.lr=0.0", "trainer.max_steps=1", "callbacks.last.every_n_steps=1"]


@pytest.fixture
def own_text(corpus: Path, tmp_path: Path) -> list[str]:
    """Arguments for a copy of the corpus that a test can change."""
    shutil.copytree(corpus, tmp_path / "text")
    return [f"data.{part}={tmp_path / 'text' / part}.tsv" for part in ("train", "validation", "test")]


def rewrite(own_text: list[str], part: str) -> None:
    """Change words and characters, so that a vocabulary of the same size would have other pieces."""
    (path,) = [Path(argument.partition("=")[2]) for argument in own_text if argument.startswith(f"data.{part}=")]
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("house", "quay").replace("Haus", "Kai").replace("very", "quite"), encoding="utf-8")


def vocabulary(run: RunFolder, name: str = "best.ckpt") -> bytes:
    return read_tokenizers(read_checkpoint(run.checkpoints / name)).target.model


@pytest.mark.filterwarnings("default:callbacks.attention.longest")  # pieces of other text
def test_fine_tuning_starts_with_the_weights_and_the_vocabulary_of_the_checkpoint(
    make_run: MakeRun, finished: RunFolder, own_text: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    rewrite(own_text, "train")
    alone = make_run(*own_text, *STILL, "name=alone")
    run = make_run(f"init_from={finished.path}", "tokenizer.vocab_size=70", *own_text, *STILL, "name=tuned")
    assert work(alone.path) == work(run.path) == 0
    assert vocabulary(alone) != vocabulary(finished), "or the test shows nothing"
    assert vocabulary(run) == vocabulary(finished)
    assert (
        f"starting with the weights and the vocabulary of {finished.checkpoints / 'best.ckpt'}"
        in capsys.readouterr().err
    )
    before, after = (read_checkpoint(r.checkpoints / "best.ckpt")["state_dict"] for r in (finished, run))
    assert all(torch.equal(before[name], after[name]) for name in before)
    losses = [
        evaluate_split(r, run_config(r, None, None), "validation", None, "cpu", print)[0] for r in (finished, run)
    ]
    assert losses[0]["validation/loss"] == losses[1]["validation/loss"], "the validation text is the same"


def test_a_resumed_fine_tuning_has_the_same_vocabulary(
    make_run: MakeRun, finished: RunFolder, own_text: list[str]
) -> None:
    rewrite(own_text, "train")
    run = make_run(f"init_from={finished.path}", *own_text, *STILL, "name=tuned_twice")
    assert work(run.path) == 0
    prepare_resume([run], ["trainer.max_steps=2"])
    assert work(run.path) == 0
    assert read_checkpoint(run.checkpoints / "last.ckpt")["global_step"] == 2
    assert vocabulary(run, "last.ckpt") == vocabulary(finished)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("tokenizer.vocab_size=60", "tokenizer.vocab_size: .* tokenizer.vocab_size=70"),
        ("tokenizer=char", 'tokenizer: .* tokenizer.kind="bpe"'),
        ("tokenizer.normalization=nfkc", "tokenizer.normalization: .* tokenizer.normalization="),
        ("tokenizer.joint=false", "tokenizer.joint: .* tokenizer.joint=true"),
        ("model.ffn_dim=48", "model.ffn_dim=48: .* has model.ffn_dim=32"),
        ("model.num_heads=4", "model.num_heads=4: .* has model.num_heads=2"),  # the same shapes, another meaning
        ("feed_forward=gelu", "model.feed_forward._target_"),
        ("residual=post_norm", "model.residual._target_"),
        ("model.mixer.rotation.base=5000.0", "model.mixer.rotation.base"),
    ],
)
def test_what_contradicts_the_checkpoint_is_refused(
    make_run: MakeRun, finished: RunFolder, override: str, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        make_run(f"init_from={finished.path}", override, "name=contradicts")


def test_a_resume_on_changed_text_is_refused(
    make_run: MakeRun, own_text: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(*own_text, "trainer.max_steps=2", "name=changed")
    assert work(run.path) == 0
    rewrite(own_text, "train")
    prepare_resume([run], ["trainer.max_steps=4"])
    assert work(run.path) == 1
    assert "text has changed since" in run.status()["why"]
    assert "init_from=" in capsys.readouterr().err


def test_a_resume_on_the_same_text_with_another_date_continues(make_run: MakeRun, own_text: list[str]) -> None:
    run = make_run(*own_text, "trainer.max_steps=2", "name=touched")
    assert work(run.path) == 0
    for argument in own_text:
        Path(argument.partition("=")[2]).touch()
    prepare_resume([run], ["trainer.max_steps=4"])
    assert work(run.path) == 0
    assert read_checkpoint(run.checkpoints / "last.ckpt")["global_step"] == 4


def test_evaluating_after_the_text_changed_uses_the_vocabulary_of_the_checkpoint(
    make_run: MakeRun, own_text: list[str]
) -> None:
    run = make_run(*own_text, "name=evaluated")
    assert work(run.path) == 0
    config = run_config(run, None, None)
    before, _ = evaluate_split(run, config, "validation", None, "cpu", print)
    rewrite(own_text, "train")
    after, task = evaluate_split(run, config, "validation", None, "cpu", print)
    assert after["validation/loss"] == before["validation/loss"]
    assert task.tokenizers.target.model == vocabulary(run)
