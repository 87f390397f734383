"""Evaluate a trained model on a split of its corpus, or on other texts."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from hydra.utils import get_object

from regard.data.corpora.corpus import SPLITS
from regard.data.corpora.reading.lines import read_lines, read_pairs
from regard.errors import RegardError, UsageError
from regard.inference.answer_model import AnswerModel
from regard.inference.encoder_decoder import EncoderDecoder
from regard.inference.generator import Generator, TextGenerator
from regard.inference.perplexity import perplexity
from regard.runs.corpus import load_corpus
from regard.runs.folder import RunFolder, find_checkpoint
from regard.runs.work import make_task
from regard.training.checkpoint import average_snapshots, load_model, load_weights, read_checkpoint
from regard.training.scorers.translation import TranslationScorer
from regard.training.task import Task
from regard.training.trainer import make_trainer, without_srun_hint


def run_config(run: RunFolder, beam_size: int | None, length_penalty: float | None) -> dict[str, Any]:
    """Return the configuration of a run, with these decoding settings if they are given.

    Raises UsageError if the task does not decode.
    """
    config: dict[str, Any] = run.config()
    scorer = config["task"]["scorer"]
    if "beam_size" in scorer:
        scorer["beam_size"] = scorer["validation_beam_size"] = beam_size or scorer["beam_size"]
        scorer["length_penalty"] = scorer["length_penalty"] if length_penalty is None else length_penalty
    elif beam_size is not None or length_penalty is not None:
        noun = get_object(config["task"]["generator"]["_target_"]).noun
        raise UsageError(f"--beam-size, --length-penalty: the evaluation of {noun} has no beam search; leave them out")
    return config


def weights_of(run: RunFolder, average: int | None) -> tuple[dict[str, Any], Path]:
    """Return the best checkpoint, or the mean of the ``average`` latest snapshots, and the path of the checkpoint."""
    path = find_checkpoint(run.path)
    return (read_checkpoint(path), path) if average is None else (average_snapshots(run.checkpoints, average), path)


def evaluate_split(
    run: RunFolder,
    config: dict[str, Any],
    split: str,
    average: int | None,
    device: str,
    say: Callable[[str], None],
) -> tuple[dict[str, float], Task]:
    """Return the metrics on a split of the run's corpus, and the task, which has the outputs (``samples``).

    ``say`` receives messages about the preparation of the corpus. Raises UsageError for an unknown split.
    """
    if split not in SPLITS[1:]:
        raise UsageError(f"--split {split}: expected validation or test")
    batches = load_corpus(run, say)
    task = make_task(config, batches)
    load_weights(task.model, *weights_of(run, average))
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)  # hides its messages about devices and packages
    where = torch.device(device)
    trainer = make_trainer(
        {
            "_target_": "pytorch_lightning.Trainer",
            "accelerator": {"cuda": "gpu"}.get(where.type, where.type),
            "devices": 1 if where.type == "cpu" else [where.index or 0],
        },
        logger=False,
        enable_checkpointing=False,
    )
    score = trainer.test if split == "test" else trainer.validate
    with warnings.catch_warnings(), without_srun_hint():
        warnings.filterwarnings("ignore", category=FutureWarning, module="pytorch_lightning")
        score(task, datamodule=batches, verbose=False)
    return {name: float(value) for name, value in trainer.callback_metrics.items()}, task


def evaluate_pairs(
    run: RunFolder,
    scorer: TranslationScorer,
    source: Path,
    target: Path,
    average: int | None,
    device: str,
    warn: Callable[[str], None],
) -> tuple[dict[str, float], list[str]]:
    """Return the metrics of a model with an encoder on two aligned files, and its outputs.

    ``warn`` is called for cut lines.
    Raises RegardError for files of different lengths and for empty files.
    """
    pairs = list(read_pairs(source, target))
    if not pairs:
        raise RegardError(f"{source} and {target} are empty; expected at least one pair of lines")
    generator = _load_generator(run, average, device)
    if not isinstance(generator, EncoderDecoder):
        raise TypeError("pairs are evaluated with an encoder")
    sources, sources_cut = generator.source.encode([generator.source.read(pair[0]) for pair in pairs])
    targets, targets_cut = generator.encode_targets([pair[1] for pair in pairs])
    for file, cut in ((source, sources_cut), (target, targets_cut)):
        if cut:
            limit = generator.model.max_length
            warn(f"{file}: {len(cut)} lines cut to the model's limit of {limit} tokens, the first is line {cut[0] + 1}")
    outputs = [""] * len(pairs)
    for row, hypothesis in generator.generate(sources, scorer.beam_size, scorer.length_penalty):
        outputs[row] = generator.text(hypothesis)
    values = [value for row in generator.log_probabilities(sources, targets) for value in row]
    metrics = per_token(-sum(values), len(values)) | scorer.compare(outputs, [pair[1] for pair in pairs])
    return {f"test/{name}": value for name, value in metrics.items()}, outputs


def evaluate_text(run: RunFolder, text: Path, average: int | None, device: str) -> dict[str, float]:
    """Return the metrics of a language model on a file, read as one document.

    Raises RegardError for an empty file, and UsageError for a model that predicts only answers.
    """
    document = "\n".join(read_lines(text))
    if not document:
        raise RegardError(f"{text} is empty; expected some text")
    generator = _load_generator(run, average, device)
    if isinstance(generator, AnswerModel):
        raise UsageError(f"--target-file: {generator.noun} is evaluated on its own data; regard score takes any text")
    if not isinstance(generator, TextGenerator):
        raise UsageError(f"--target-file: {generator.noun} is evaluated on the data of its run; omit it")
    (scored,) = generator.score([document], 1)
    loss = -sum(value for _, value in scored)
    metrics = per_token(loss, len(scored)) | {"bits_per_byte": loss / math.log(2) / len(document.encode())}
    return {f"test/{name}": value for name, value in metrics.items()}


def _load_generator(run: RunFolder, average: int | None, device: str) -> Generator:
    content, path = weights_of(run, average)
    loaded = load_model(path, device)
    load_weights(loaded.model, content, path)
    return loaded.generator


def per_token(loss: float, tokens: int) -> dict[str, float]:
    """Return loss and perplexity from a sum of nats over ``tokens``."""
    return {"loss": loss / tokens, "perplexity": perplexity(loss / tokens)}
