"""Checkpoints: complete, loadable without running code, never half-written.

Everything in one is tensors and plain values, so it loads with ``weights_only=True``. Beside
Lightning's own keys stands ``regard``, which is enough to use the model without its run.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from hydra.utils import get_object
from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor

from regard import __version__
from regard.compatibility import with_present_names
from regard.data.tokenizer.tokenizer import Tokenizer, Tokenizers
from regard.errors import RegardError, UsageError
from regard.instantiate import build
from regard.model.transformer import Transformer

FORMAT = 1
TRUSTED = ("regard.model.", "torchvision.models.")
PREFIX = "model."  # of the model's weights in the state of the LightningModule


class LoadedModel(NamedTuple):
    """A model as its checkpoint describes it; the tokenizers are the same object when joint."""

    task: str
    model: Transformer
    config: dict[str, Any]
    source_tokenizer: Tokenizer
    target_tokenizer: Tokenizer
    step: int


def describe_model(
    task: str, config: dict[str, Any], tokenizer_config: dict[str, Any], tokenizers: Tokenizers
) -> dict[str, Any]:
    """The key ``regard`` of a checkpoint: the configurations of the model and of its vocabularies as plain values."""
    return {
        "regard": {
            "format": FORMAT,
            "version": __version__,
            "task": task,
            "model": config,
            "tokenizer": tokenizer_config,
            "source_tokenizer": None if tokenizers.joint else _as_tensor(tokenizers.source.model),
            "target_tokenizer": _as_tensor(tokenizers.target.model),
        }
    }


def read_tokenizers(content: dict[str, Any]) -> Tokenizers:
    """The vocabularies that the weights of a checkpoint were trained with."""
    about = content["regard"]
    target = Tokenizer(_as_bytes(about["target_tokenizer"]))
    source = target if about["source_tokenizer"] is None else Tokenizer(_as_bytes(about["source_tokenizer"]))
    return Tokenizers(source, target)


def build_model(config: dict[str, Any], trust: bool = False) -> Transformer:
    """Make a model from plain values; what is not defined in ``TRUSTED`` only if told to trust it.

    Raises RegardError naming a target that is not trusted.
    """
    for target in _targets(config):
        if not trust and not _is_trusted(target):
            raise RegardError(
                f"the checkpoint wants to run {target}, which is no part of a model of regard's; "
                "if you trust where it comes from, say --trust"
            )
    model: Transformer = build(config)
    return model


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The content of a checkpoint of regard's, on the CPU.

    Raises RegardError if there is none, or it cannot be read, or it is something else.
    """
    if not path.is_file():
        raise RegardError(f"{path}: no such checkpoint")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # in a damaged file the unpickler stumbles over anything
        raise RegardError(f"{path}: not a readable checkpoint ({_first_line(error)})") from error
    about = content.get("regard") if isinstance(content, dict) else None
    if not isinstance(about, dict) or "state_dict" not in content:
        raise RegardError(f"{path}: a PyTorch file, but not a checkpoint written by regard")
    if about.get("format") != FORMAT:
        raise RegardError(
            f"{path}: written in format {about.get('format')}, this regard reads {FORMAT}; use the regard that wrote it"
        )
    return content | {"regard": about | {"model": with_present_names(about.get("model"))}}


def load_model(path: Path, device: str | torch.device = "cpu", trust: bool = False) -> LoadedModel:
    """The model of a checkpoint, ready for use.

    Raises RegardError as ``read_checkpoint`` and ``build_model`` do.
    """
    content = read_checkpoint(path)
    about = content["regard"]
    model = build_model(about["model"], trust)
    load_weights(model, content, path)
    model = model.to(device).eval()
    step = content.get("global_step", 0)
    return LoadedModel(about["task"], model, about["model"], *read_tokenizers(content), step)


def load_weights(model: Transformer, content: dict[str, Any], path: Path) -> None:
    """Put a checkpoint's weights into ``model``.

    Raises RegardError naming the first weights that do not fit.
    """
    check_weights_fit(model, content, path)
    wanted = model.state_dict()
    model.load_state_dict({name: _share(weight, wanted[name]) for name, weight in _weights(content).items()})


def check_weights_fit(model: Transformer, content: dict[str, Any], path: Path) -> None:
    """Check that a checkpoint's weights have the names and shapes of those of ``model``, which may be on any device.

    Raises RegardError naming the first weights that do not fit.
    """
    weights, wanted = _weights(content), model.state_dict()
    for name in sorted(wanted.keys() | weights.keys()):
        there, here = weights.get(name), wanted.get(name)
        if there is None or here is None or there.shape != here.shape:
            shapes = [("none" if w is None else str(list(w.shape))) for w in (there, here)]
            raise RegardError(
                f"{path}: its weights do not fit this model: {name} is {shapes[0]} there and {shapes[1]} here; "
                "use the same model= and tokenizer options as the run it comes from"
            )


def rename_optimizer_state(state: dict[str, Any], names: list[list[str]]) -> dict[str, Any]:
    """An optimizer's state by the names of its parameters, which are given group by group.

    A strategy that shards counts parameters in the model's order, any other in the optimizer's; names are the same.
    """
    groups = [group | {"params": own} for group, own in zip(state["param_groups"], names, strict=True)]
    renamed = {
        key: name
        for group, own in zip(state["param_groups"], names, strict=True)
        for key, name in zip(group["params"], own, strict=True)
    }
    return {"state": {renamed[key]: values for key, values in state["state"].items()}, "param_groups": groups}


def average_snapshots(folder: Path, count: int) -> dict[str, Any]:
    """A checkpoint's content whose weights are the mean of the ``count`` latest snapshots in ``folder``.

    (Vaswani et al. 2017, section 6.1.) Raises UsageError if there are fewer.
    """
    paths = sorted(folder.glob("snapshot-*.ckpt"))
    if len(paths) < count:
        raise UsageError(
            f"--average {count}: {folder} has {len(paths)} snapshots, one for each of the latest "
            "callbacks.snapshots.count validations; average fewer"
        )
    content = read_checkpoint(paths[-1])
    total = {name: weight.double() for name, weight in content["state_dict"].items()}
    for path in paths[-count:-1]:
        for name, weight in read_checkpoint(path)["state_dict"].items():
            total[name] += weight
    mean = {name: (total[name] / count).to(weight.dtype) for name, weight in content["state_dict"].items()}
    return content | {"state_dict": mean}


def find_last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint of a run that can be read; each that cannot is warned of. None if there is none yet.

    Raises RegardError if there are some and none can be read: starting over is for the user to decide.
    """
    there = [path for name in ("last.ckpt", "last.previous.ckpt") if (path := folder / name).exists()]
    for path in there:
        try:
            read_checkpoint(path)
        except RegardError as error:
            warnings.warn(f"{error}; trying the one before", stacklevel=2)
            continue
        return path
    if there:
        raise RegardError(f"{folder}: no checkpoint in it can be read; remove {there[0].name} to start this run over")
    return None


def _weights(content: dict[str, Any]) -> dict[str, Tensor]:
    """The model's weights in a checkpoint, by their names in the model."""
    state = content["state_dict"]
    return {name.removeprefix(PREFIX): weight for name, weight in state.items() if name.startswith(PREFIX)}


def _share(weight: Tensor, like: Tensor) -> Tensor:
    """Of a weight that every process has, what ``like`` has of it; all of it if that is not sharded."""
    if not isinstance(like, DTensor):
        return weight
    return distribute_tensor(weight, like.device_mesh, like.placements, src_data_rank=None)


def _targets(config: Any) -> list[str]:
    if isinstance(config, dict):
        own = [str(config["_target_"])] if "_target_" in config else []
        return own + [target for value in config.values() for target in _targets(value)]
    if isinstance(config, list):
        return [target for value in config for target in _targets(value)]
    return []


def _is_trusted(target: str) -> bool:
    """Whether ``target`` is defined in a trusted package: one that is imported there runs anything."""
    if not target.startswith(TRUSTED):
        return False
    try:
        found = get_object(target)
    except (ImportError, ValueError):
        return False
    return f"{getattr(found, '__module__', None)}.".startswith(TRUSTED)


def _as_tensor(content: bytes) -> Tensor:
    return torch.from_numpy(np.frombuffer(content, dtype=np.uint8).copy())


def _as_bytes(content: Tensor) -> bytes:
    return content.numpy().tobytes()


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:120]
