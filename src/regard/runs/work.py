"""Train the run that a run folder describes, from the start or from its last checkpoint."""

from __future__ import annotations

import functools
import inspect
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from rich.console import Console

from regard.data.datamodule import CorpusData, Limits
from regard.inference.generator import Generator
from regard.instantiate import build
from regard.model.encoders.encoder import Pretrained
from regard.model.encoders.with_encoder import WithEncoder
from regard.observe.wandb.dashboard import finish_loggers
from regard.runs.folder import RunFolder
from regard.runs.progress import ProgressReport, preparing, say
from regard.runs.resources import check_job_tasks, required_resources
from regard.runs.status.heartbeat import Heartbeat
from regard.runs.status.supervise import supervise
from regard.runs.summary import short_path, show_summary, summarise
from regard.runs.sweep import group_and_tags
from regard.training.callbacks.metrics import FinalValidation, MetricsLogger
from regard.training.callbacks.metrics_file import MetricsFile
from regard.training.checkpoint import find_last_checkpoint, load_weights, read_checkpoint, read_tokenizers
from regard.training.distributed.ranks import is_first_process, started_by_srun
from regard.training.precision import choose_kernels, with_computed_precision
from regard.training.task import Task
from regard.training.trainer import make_trainer

LIMITS = ("limit_train_batches", "limit_val_batches", "limit_test_batches")
"""Arguments of the Trainer that `CorpusData` implements: Lightning would always take the first batches."""


def work(folder: Path) -> int:
    """Train and test the run in ``folder``; return the exit code.

    0: finished. 1: failed or cancelled. 75: preempted, can be resumed. The outcome is recorded in status.json, and
    with its traceback in log.txt.
    """
    run, console = RunFolder.open(folder), Console(stderr=True, quiet=not is_first_process())
    code, trained = supervise(run, functools.partial(train, run, console))
    if trained is not None:
        show_summary(run, *trained, console)
    return code


def train(run: RunFolder, console: Console, heartbeat: Heartbeat) -> tuple[dict[str, Any], list[str]]:
    """Train, test the best checkpoint and write summary.json; return the summary and commands to try next."""
    config, started = run.config(), time.monotonic()
    if started_by_srun():
        check_job_tasks(required_resources(config))
    pl.seed_everything(config["seed"], workers=True, verbose=False)
    checkpoint = find_last_checkpoint(run.checkpoints)
    begin = checkpoint or (Path(config["init_from"]) if config["init_from"] else None)
    with preparing(console) as progress:
        batches: CorpusData = build(
            config["batches"],
            tokenizers=None if begin is None else read_tokenizers(read_checkpoint(begin)),
            limits=Limits(*(config["trainer"].get(name) for name in LIMITS)),
            say=functools.partial(say, console),
            progress=progress,
        )
        task = make_task(config, batches)
    choose_kernels(config["trainer"]["precision"], config["trainer"]["accelerator"])
    trainer = training_trainer(run, config, console, heartbeat)
    if begin is not None and checkpoint is None:
        say(console, f"fine-tuning: starting with the weights and the vocabulary of {begin}")
        load_weights(task.model, read_checkpoint(begin), begin)
    if begin is None and isinstance(task.model.encoder, Pretrained):
        task.model.encoder.load_pretrained()
    summary: dict[str, Any] | None = None
    try:
        trainer.fit(task, datamodule=batches, ckpt_path=checkpoint, weights_only=True)
        test(trainer, task, batches, run)
        summary = summarise(run, trainer, task, time.monotonic() - started)
    finally:
        finish_loggers(trainer.loggers, summary)
    return summary, commands_to_try(task.generator, batches, run)


def commands_to_try(generator: Generator, batches: CorpusData, run: RunFolder) -> list[str]:
    """Return commands for the shell that use the model of a run; paths are relative to the working directory."""
    folder = short_path(run.path)
    example = batches.example(Path(folder))
    return generator.try_next(shlex.quote(folder), shlex.quote(example)) if example else []


def test(trainer: pl.Trainer, task: Task, batches: CorpusData, run: RunFolder) -> None:
    """Evaluate the best checkpoint on the test split, or the current weights if there is no best checkpoint."""
    if trainer.limit_test_batches == 0 or "test" not in batches.prepared.report:
        return
    best = run.checkpoints / "best.ckpt"
    if best.exists():
        load_weights(task.model, read_checkpoint(best), best)
    trainer.test(task, datamodule=batches, verbose=False)


def make_task(config: dict[str, Any], batches: CorpusData) -> Task:
    """Build the LightningModule of a frozen configuration, with the vocabulary sizes of its tokenizers."""
    tokenizers = batches.prepared.tokenizers
    model_config = config["model"] | tokenizers.sizes()
    model: WithEncoder = build(model_config)
    make: Callable[..., Task] = build(config["task"])
    return make(
        model=model,
        model_config=model_config,
        optimizer=build(config["optimizer"]),
        schedule=build(config["schedule"]),
        tokenizers=tokenizers,
        tokenizer_config=config["tokenizer"],
        data=batches,
    )


def complete(callback: functools.partial[pl.Callback], run: RunFolder, metrics_logger: MetricsLogger) -> pl.Callback:
    """Call a callback of the configuration with ``folder`` and, if it has such an argument, ``metrics_logger``."""
    if "metrics_logger" in inspect.signature(callback).parameters:
        return callback(folder=run.path, metrics_logger=metrics_logger)
    return callback(folder=run.path)


def training_trainer(run: RunFolder, config: dict[str, Any], console: Console, heartbeat: Heartbeat) -> pl.Trainer:
    """Build the Trainer with the callbacks of the configuration and those of every run."""
    metrics_logger = MetricsLogger(MetricsFile(run.metrics), config["trainer"]["log_every_n_steps"])
    callbacks = [FinalValidation(), metrics_logger, ProgressReport(console, metrics_logger), heartbeat]
    for callback in build(config["callbacks"]).values():
        partial = isinstance(callback, functools.partial)
        callbacks.append(complete(callback, run, metrics_logger) if partial else callback)
    group, tags = group_and_tags(run)
    return make_trainer(
        with_computed_precision(config["trainer"], functools.partial(say, console)),
        logger=build(config["logger"])(
            folder=run.path, config=config, group=group, tags=tags, attempt=run.status()["attempt"]
        ),
        callbacks=callbacks,
        default_root_dir=str(run.path),
        max_epochs=-1,
        check_val_every_n_epoch=None,  # validation is counted in batches: the training stream has no epochs
        **{name: 0 if config["trainer"].get(name) == 0 else None for name in LIMITS},
    )
