"""Checking a composed configuration before anything is made: no data read, no device touched."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from hydra.utils import get_object
from pytorch_lightning.strategies import ModelParallelStrategy

from regard.data.vocabulary import known_vocab_size
from regard.errors import UsageError
from regard.runs.geometry import geometry
from regard.training.build import build
from regard.training.moving_average import MovingAverage

INSTANTIATE_KEYS = {"_target_", "_partial_", "_args_", "_convert_", "_recursive_"}
KEYS = {
    "": {"name", "seed", "init_from", "paths", "data", "tokenizer", "model", "optimizer", "schedule"}
    | {"trainer", "logger", "callbacks", "task", "batches", "launcher", "search"},
    "paths": {"data", "cache", "runs"},
}
"""The keys of the parts of a configuration that are no object's arguments."""

GUESSED_VOCAB_SIZE = 1000
"""Of all characters of a text that was not read yet."""
SHARDED_PRECISIONS = ("32-true", "bf16-mixed", "bf16-true")
"""What Lightning computes in with sharded weights, and a checkpoint can be read from."""

PLAIN: dict[str, tuple[type, ...]] = {"int": (int,), "float": (float, int), "bool": (bool,), "str": (str,)}
"""What fits arguments that are annotated so."""


def check(config: dict[str, Any]) -> None:
    """Raises UsageError, naming the key, if ``config`` cannot work.

    Every ``_target_`` can be imported and takes the arguments that stand beside it; the tokenizer's
    settings fit together; the corpus's files exist; the model can be made (on the meta device).
    """
    for path, known in KEYS.items():
        for key in config[path] if path else config:
            if key not in known:
                raise UsageError(unknown_key(f"{path}.{key}" if path else key, [_join(path, k) for k in known]))
    if not re.fullmatch(r"[\w+-][\w .+=,@-]*", config["name"]):
        raise UsageError(f"name={config['name']}: give letters, digits and . + - _ = only: it names a folder")
    if not isinstance(config["seed"], int) or isinstance(config["seed"], bool):
        raise UsageError(f"seed={config['seed']}: give a whole number")
    steps = config["trainer"]["max_steps"]
    if not isinstance(steps, int) or steps < 1:
        raise UsageError(f"trainer.max_steps={steps}: give a whole number of optimizer steps, 1 or more")
    for path, node in objects(config):
        _check_call(path, node)
    geometry(config)
    _check_sharding(config)
    _check_clipping(config)
    _check_limits(config)
    _check_validation_interval(config)
    settings = build(config["tokenizer"])
    build(config["data"]).check()
    build(config["batches"])  # sees that its numbers, and the corpus, suit the task
    with torch.device("meta"):
        try:
            build(config["model"], vocab_size=known_vocab_size(settings) or GUESSED_VOCAB_SIZE)
        except ValueError as error:
            raise UsageError(f"model: {error}") from error


def _check_sharding(config: dict[str, Any]) -> None:
    trainer = config["trainer"]
    strategy, precision = trainer["strategy"], trainer["precision"]
    if isinstance(strategy, str) and strategy.startswith("fsdp"):
        raise UsageError(f"trainer.strategy={strategy}: choose trainer=fsdp, which shards the model layer by layer")
    if not isinstance(strategy, dict) or not _makes(strategy, ModelParallelStrategy):
        return
    if strategy.get("save_distributed_checkpoint", True):
        raise UsageError("trainer.strategy.save_distributed_checkpoint: give false: a checkpoint is one whole file")
    if precision not in SHARDED_PRECISIONS:
        raise UsageError(f"trainer.precision={precision}: with trainer=fsdp choose {', '.join(SHARDED_PRECISIONS)}")
    for path, node in objects(config["callbacks"], "callbacks"):
        if _makes(node, MovingAverage):
            raise UsageError(
                f"{path}: averages a copy of the whole model, which trainer=fsdp shares out; "
                "choose trainer=ddp, or average snapshots afterwards: regard evaluate RUN --average N"
            )


def _check_clipping(config: dict[str, Any]) -> None:
    trainer = config["trainer"]
    if trainer["precision"] == "16-mixed" and trainer["gradient_clip_val"] and config["optimizer"].get("fused"):
        raise UsageError(
            "optimizer.fused=true: in 16-mixed its gradients cannot be clipped; give optimizer.fused=false, "
            "or trainer.precision=bf16-mixed"
        )


def _check_limits(config: dict[str, Any]) -> None:
    """A limit is a number of batches; of an evaluation, whose batches are known, it may be a share."""
    for name in ("limit_train_batches", "limit_val_batches", "limit_test_batches"):
        limit = config["trainer"].get(name)
        share = type(limit) is float and name != "limit_train_batches" and 0 <= limit <= 1
        if limit is not None and not share and (type(limit) is not int or limit < 0):
            wanted = "a number of batches" + (", a share from 0.0 to 1.0," if name != "limit_train_batches" else "")
            raise UsageError(f"trainer.{name}={limit}: give {wanted} or null for all")
    for name, choice in (("overfit_batches", "overfit"), ("fast_dev_run", "debug")):
        if config["trainer"].get(name):  # with which Lightning would take the first batches, and start again
            raise UsageError(f"trainer.{name}: choose trainer={choice}, or give trainer.limit_train_batches=")


def _check_validation_interval(config: dict[str, Any]) -> None:
    """A validation within an accumulated step would not be preceded by a checkpoint from which training can resume."""
    trainer = config["trainer"]
    every, accumulated = trainer["val_check_interval"], trainer["accumulate_grad_batches"]
    if trainer.get("limit_val_batches") == 0 or not all(type(of) is int and of > 0 for of in (every, accumulated)):
        return
    if every % accumulated:
        near = max(accumulated, round(every / accumulated) * accumulated)
        raise UsageError(
            f"trainer.val_check_interval={every}: it counts batches, give a multiple of "
            f"trainer.accumulate_grad_batches={accumulated}, such as {near}"
        )


def _makes(node: dict[str, Any], kind: type) -> bool:
    target = get_object(node["_target_"])
    return isinstance(target, type) and issubclass(target, kind)


def unknown_key(key: str, known: Iterable[str]) -> str:
    """One line for a key that is none, with those that come near."""
    near = difflib.get_close_matches(key, sorted(known), n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}?" if near else "regard train --cfg job shows the keys there are"
    return f"{key}: unknown key; {hint}"


def objects(config: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every part of ``config`` that has a ``_target_``, with its dotted path."""
    if isinstance(config, dict):
        if "_target_" in config:
            yield path, config
        for key, value in config.items():
            yield from objects(value, _join(path, key))
    elif isinstance(config, list):
        for number, value in enumerate(config):
            yield from objects(value, f"{path}[{number}]")


def _check_call(path: str, node: dict[str, Any]) -> None:
    name = node["_target_"]
    try:
        target = get_object(name)
    except Exception as error:
        reason = next(iter(str(error).splitlines()), "")
        raise UsageError(f"{path}._target_={name}: cannot be imported ({reason[:120]})") from error
    if not callable(target):
        raise UsageError(f"{path}._target_={name}: not a class or function")
    parameters = list(inspect.signature(target).parameters.values())
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return
    names = {p.name for p in parameters}
    for key in node.keys() - INSTANTIATE_KEYS:
        if key not in names:
            near = difflib.get_close_matches(key, sorted(names), n=3, cutoff=0.6)
            hint = f"did you mean {' or '.join(near)}?" if near else f"it takes {', '.join(sorted(names))}"
            raise UsageError(f"{_join(path, key)}: {name} has no argument {key}; {hint}")
    for parameter in parameters:
        # Annotations are strings where the module postpones their evaluation. None may be filled in later.
        kind = getattr(parameter.annotation, "__name__", parameter.annotation)
        value = node.get(parameter.name)
        if kind in PLAIN and value is not None and type(value) not in PLAIN[kind]:
            raise UsageError(f"{_join(path, parameter.name)}={value!r}: {name} wants {kind}")
    needed = {p.name for p in parameters if p.default is p.empty and p.kind is not p.VAR_POSITIONAL}
    missing = needed - node.keys()
    if missing and not node.get("_partial_"):
        raise UsageError(f"{path}: {name} needs {', '.join(sorted(missing))}")


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
