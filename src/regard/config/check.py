"""Check that a composed configuration can work, without reading data or using a device."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from typing import Any

import torch
from hydra.utils import get_object
from pytorch_lightning.strategies import ModelParallelStrategy, StrategyRegistry

from regard.config.keys import join, objects
from regard.config.kinds import shown
from regard.data.datamodule import CorpusData
from regard.data.tokenizer.vocabulary import known_vocab_size
from regard.errors import UsageError, one_line
from regard.inference.drawing.text_to_image import TextToImage
from regard.instantiate import build
from regard.model.encoders.encoder import Pretrained
from regard.training.callbacks.moving_average import MovingAverage

INSTANTIATE_KEYS = {"_target_", "_partial_", "_args_", "_convert_", "_recursive_"}
PLACEHOLDER_VOCAB_SIZE = 1000
"""Used to build the model if the vocabulary size depends on a text that has not been read yet."""
SHARDED_PRECISIONS = ("32-true", "bf16-mixed", "bf16-true")
"""Precisions that Lightning supports with sharded weights and whose checkpoints can be read."""

PLAIN: dict[str, tuple[type, ...]] = {"int": (int,), "float": (float, int), "bool": (bool,), "str": (str,)}
"""Accepted types of a value by the annotation of its argument. null is always accepted: it may be filled in later."""


def check(config: dict[str, Any]) -> None:
    """Raise UsageError, naming the key, if ``config`` cannot work. `check_values` must have accepted its values.

    Checks that every ``_target_`` can be imported and accepts its arguments, that the tokenizer settings are
    consistent, that the files of the corpus exist, that the model can be built (on the meta device), and that its
    pretrained weights fit.
    """
    _check_columns(config)  # first: a corpus of another task may have set keys that this task does not have
    for path, node in objects(config):
        _check_call(path, node)
    _check_strategy(config["trainer"]["strategy"])
    _check_sharding(config)
    _check_observers(config)
    _check_clipping(config)
    _check_shortcuts(config)
    _check_validation_interval(config)
    _check_attention_layers(config)
    settings = build(config["tokenizer"])
    build(config["data"]).check()
    build(config["batches"])  # checks its numbers, and that the corpus suits the task
    with torch.device("meta"):
        try:
            model = build(config["model"], vocab_size=known_vocab_size(settings) or PLACEHOLDER_VOCAB_SIZE)
        except ValueError as error:
            raise UsageError(f"model: {error}") from error
    if not config["init_from"] and isinstance(model.encoder, Pretrained):
        model.encoder.read_pretrained()  # also downloads them, where there may be a network that workers do not have


def _check_columns(config: dict[str, Any]) -> None:
    _check_call("data", config["data"])
    batches = _target("batches", config["batches"])
    if isinstance(batches, type) and issubclass(batches, CorpusData):
        batches.require_columns(build(config["data"]))
        if len(batches.columns) == 1 and config["model"]["encoder"] is not None:
            raise UsageError(
                f"model.encoder: the model of task={config['task']['name']} encodes a source, but this data has none; "
                "choose task=language or another data="
            )


def _check_strategy(strategy: str | dict[str, Any]) -> None:
    known = ["auto", *StrategyRegistry.available_strategies()]
    if isinstance(strategy, str) and strategy not in known:
        near = difflib.get_close_matches(strategy, known, n=3) or ["auto", "ddp"]
        raise UsageError(f"trainer.strategy={strategy}: Lightning has no such strategy; expected {' or '.join(near)}")


def _check_sharding(config: dict[str, Any]) -> None:
    trainer = config["trainer"]
    strategy, precision = trainer["strategy"], trainer["precision"]
    if isinstance(strategy, str) and strategy.startswith("fsdp"):
        raise UsageError(f"trainer.strategy={strategy}: use trainer=fsdp, which shards the model layer by layer")
    if not isinstance(strategy, dict) or not _creates(strategy, ModelParallelStrategy):
        return
    if strategy.get("save_distributed_checkpoint", True):
        raise UsageError("trainer.strategy.save_distributed_checkpoint: expected false: a checkpoint is one file")
    if precision not in SHARDED_PRECISIONS:
        raise UsageError(f"trainer.precision={precision}: expected {', '.join(SHARDED_PRECISIONS)} with trainer=fsdp")
    for path, node in objects(config["callbacks"], "callbacks"):
        if _creates(node, MovingAverage):
            raise UsageError(
                f"{path}: the moving average needs a copy of the whole model, which trainer=fsdp shards; "
                "use trainer=ddp, or average snapshots after training: regard evaluate RUN --average N"
            )


def _check_observers(config: dict[str, Any]) -> None:
    """Refuse callbacks for the outputs of another kind of model: they would fail at the first validation."""
    task = config["task"]
    generator = get_object(task["generator"]["_target_"])
    for path, node in objects(config["callbacks"], "callbacks"):
        callback = get_object(node["_target_"])
        suitable = getattr(callback, "generators", None)
        if suitable and isinstance(generator, type) and not issubclass(generator, suitable):
            choice = "drawings" if issubclass(generator, TextToImage) else "default"
            raise UsageError(
                f"{path}: {callback.__name__} cannot show the outputs of task={task['name']}; use callbacks={choice}"
            )


def _check_clipping(config: dict[str, Any]) -> None:
    trainer = config["trainer"]
    if trainer["precision"] == "16-mixed" and trainer["gradient_clip_val"] and config["optimizer"].get("fused"):
        raise UsageError(
            "optimizer.fused=true: gradients of a fused optimizer cannot be clipped in 16-mixed; give "
            "optimizer.fused=false or trainer.precision=bf16-mixed"
        )


def _check_shortcuts(config: dict[str, Any]) -> None:
    """Refuse Lightning's own shortcuts: they use the first batches, and other batches after a resume."""
    for name, choice in (("overfit_batches", "overfit"), ("fast_dev_run", "debug")):
        if config["trainer"].get(name):
            raise UsageError(f"trainer.{name}: not supported; use trainer={choice}, or trainer.limit_train_batches=")


def _check_validation_interval(config: dict[str, Any]) -> None:
    """Refuse validations inside an accumulated step: training cannot resume from a checkpoint there."""
    trainer = config["trainer"]
    every, accumulated = trainer["val_check_interval"], trainer["accumulate_grad_batches"]
    if trainer.get("limit_val_batches") == 0 or not all(type(of) is int and of > 0 for of in (every, accumulated)):
        return
    if every % accumulated:
        near = max(accumulated, round(every / accumulated) * accumulated)
        raise UsageError(
            f"trainer.val_check_interval={every}: it counts batches; expected a multiple of "
            f"trainer.accumulate_grad_batches={accumulated}, such as {near}"
        )


def _check_attention_layers(config: dict[str, Any]) -> None:
    """Refuse numbers of layers that no stack has: the model would silently be without attention."""
    model = config["model"]
    depths = [stack["depth"] for stack in (model, model.get("encoder") or {}) if isinstance(stack.get("depth"), int)]
    for number in model.get("mixer", {}).get("attention_layers", ()):
        if depths and number >= max(depths):
            raise UsageError(
                f"model.mixer.attention_layers={model['mixer']['attention_layers']}: there is no layer {number}; "
                f"expected numbers from 0 to {max(depths) - 1}"
            )


def _creates(node: dict[str, Any], kind: type) -> bool:
    target = get_object(node["_target_"])
    return isinstance(target, type) and issubclass(target, kind)


def _target(path: str, node: dict[str, Any]) -> Callable[..., Any]:
    name = node["_target_"]
    try:
        target = get_object(name)
    except Exception as error:
        raise UsageError(f"{path}._target_={name}: cannot be imported ({one_line(error)})") from error
    if not callable(target):
        raise UsageError(f"{path}._target_={name}: not a class or function")
    found: Callable[..., Any] = target
    return found


def _check_call(path: str, node: dict[str, Any]) -> None:
    name, target = node["_target_"], _target(path, node)
    parameters = list(inspect.signature(target).parameters.values())
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return
    names = {p.name for p in parameters}
    for key in node.keys() - INSTANTIATE_KEYS:
        if key not in names:
            near = difflib.get_close_matches(key, sorted(names), n=3, cutoff=0.6)
            hint = f"did you mean {' or '.join(near)}?" if near else f"its arguments are {', '.join(sorted(names))}"
            raise UsageError(f"{join(path, key)}: {name} has no argument {key}; {hint}")
    for parameter in parameters:
        # Annotations are strings where the module postpones their evaluation.
        annotation = getattr(parameter.annotation, "__name__", str(parameter.annotation))
        kinds = [kind for kind in annotation.split(" | ") if kind != "None"]
        value = node.get(parameter.name)
        fitting = [each for kind in kinds for each in PLAIN.get(kind, (object,))]
        if value is not None and object not in fitting and type(value) not in fitting:
            raise UsageError(f"{join(path, parameter.name)}={shown(value)}: {name} expects {annotation}")
    needed = {p.name for p in parameters if p.default is p.empty and p.kind is not p.VAR_POSITIONAL}
    missing = needed - node.keys()
    if missing and not node.get("_partial_"):
        raise UsageError(f"{path}: {name} needs {', '.join(sorted(missing))}")
