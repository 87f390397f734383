"""Checkpoints: complete, and loadable without running code.

A checkpoint contains only tensors and plain values, so that it loads with ``weights_only=True``. In addition to
Lightning's keys it has the key ``regard``, which is sufficient to use the model without its run.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import is_zipfile

import torch
from hydra.utils import get_object
from torch import Tensor

from regard import __version__
from regard.compatibility import model_in_present_form
from regard.data.tokenizer.tokenizer import Tokenizer, Tokenizers
from regard.errors import RegardError, UsageError, one_line
from regard.inference.generator import Generator
from regard.inference.weights import arrange_weights
from regard.instantiate import build
from regard.model.encoders.with_encoder import WithEncoder
from regard.training.distributed.sharding import local_shard
from regard.training.model_folder import PREFIX, as_bytes, as_tensor, is_model_folder, read_model_folder
from regard.training.trust import GENERATORS, MODELS, require_trusted, targets

FORMAT = 1


class LoadedModel(NamedTuple):
    """A model loaded from a checkpoint: the generator that uses it, its configuration, and its vocabularies.

    tokenizer_config: the settings that the vocabularies were learned with; None if an old version wrote the checkpoint
    """

    task: str
    generator: Generator
    config: dict[str, Any]
    tokenizers: Tokenizers
    tokenizer_config: dict[str, Any] | None
    step: int

    @property
    def model(self) -> WithEncoder:
        """The model itself."""
        return self.generator.model


def describe_model(
    task: str,
    generator: type[Generator],
    config: dict[str, Any],
    tokenizer_config: dict[str, Any] | None,
    tokenizers: Tokenizers,
) -> dict[str, Any]:
    """Return the key ``regard`` of a checkpoint: configurations of the model and tokenizers, and the vocabularies."""
    return {
        "regard": {
            "format": FORMAT,
            "version": __version__,
            "task": task,
            "generator": f"{generator.__module__}.{generator.__qualname__}",
            "model": config,
            "tokenizer": tokenizer_config,
            "source_tokenizer": None if tokenizers.joint else as_tensor(tokenizers.source.model),
            "target_tokenizer": as_tensor(tokenizers.target.model),
        }
    }


def read_tokenizers(content: dict[str, Any]) -> Tokenizers:
    """Return the tokenizers that the weights of a checkpoint were trained with."""
    about = content["regard"]
    target = Tokenizer(as_bytes(about["target_tokenizer"]))
    source = target if about["source_tokenizer"] is None else Tokenizer(as_bytes(about["source_tokenizer"]))
    return Tokenizers(source, target)


def build_model(config: dict[str, Any], trust: bool = False) -> WithEncoder:
    """Build a model from its configuration. Targets must be defined in a package of models, unless ``trust`` is true.

    Raises RegardError naming a target that is not trusted.
    """
    for target in targets(config):
        require_trusted(target, trust, MODELS)
    model: WithEncoder = build(config)
    return model


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint, or a folder of `write_model_folder`, with the present names in the configuration of its model.

    Tensors are on the CPU. Raises RegardError if the path does not exist, cannot be read or is not from regard.
    """
    content = read_model_folder(path) if is_model_folder(path) else _read_file(path)
    about = content["regard"]
    if about.get("format") != FORMAT:
        raise RegardError(
            f"{path}: checkpoint format {about.get('format')}, but this version of regard reads format {FORMAT}; "
            "use the version that wrote it"
        )
    return content | {"regard": model_in_present_form(about)}


def _read_file(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise RegardError(f"{path}: no such checkpoint")
    if not is_zipfile(path):  # torch.save writes zip files
        raise RegardError(
            f"{path}: not a checkpoint; expected a file that regard wrote, such as RUN/checkpoints/best.ckpt"
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # a damaged file can make the unpickler raise any exception
        raise RegardError(f"{path}: not a readable checkpoint ({one_line(error)})") from error
    about = content.get("regard") if isinstance(content, dict) else None
    if not isinstance(about, dict) or "state_dict" not in content:
        raise RegardError(f"{path}: a PyTorch file, but not a checkpoint written by regard")
    return content


def load_model(path: Path, device: str | torch.device = "cpu", trust: bool = False) -> LoadedModel:
    """Load the model of a checkpoint to ``device``, in evaluation mode.

    Raises RegardError in the same cases as ``read_checkpoint``, ``build_model`` and ``load_weights``.
    """
    content = read_checkpoint(path)
    about = content["regard"]
    require_trusted(about["generator"], trust, GENERATORS)
    model = build_model(about["model"], trust)
    load_weights(model, content, path)
    model = arrange_weights(model.to(device).eval())
    tokenizers = read_tokenizers(content)
    generator: Generator = get_object(about["generator"])(model, tokenizers)
    step = content.get("global_step", 0)
    return LoadedModel(about["task"], generator, about["model"], tokenizers, about.get("tokenizer"), step)


def load_weights(model: WithEncoder, content: dict[str, Any], path: Path) -> None:
    """Load the weights of a checkpoint into ``model``.

    Raises RegardError naming the first weight that does not fit.
    """
    check_weights_fit(model, content, path)
    present = model.state_dict()
    model.load_state_dict({name: local_shard(weight, present[name]) for name, weight in _weights(content).items()})


def check_weights_fit(model: WithEncoder, content: dict[str, Any], path: Path) -> None:
    """Check that the weights of a checkpoint have the names and shapes of those of ``model``, on any device.

    Raises RegardError naming the first weight that does not fit.
    """
    saved, present = _weights(content), model.state_dict()
    for name in sorted(present.keys() | saved.keys()):
        weights = saved.get(name), present.get(name)
        if weights[0] is None or weights[1] is None or weights[0].shape != weights[1].shape:
            shapes = ["missing" if weight is None else str(list(weight.shape)) for weight in weights]
            raise RegardError(
                f"{path}: the weights do not fit the model: {name} is {shapes[0]} in the checkpoint and {shapes[1]} in "
                "the model; use the model and tokenizer options of the run that wrote the checkpoint"
            )


def rename_optimizer_state(state: dict[str, Any], names: list[list[str]]) -> dict[str, Any]:
    """Return the state of an optimizer with the ``names`` of its parameters, group by group, as keys.

    Sharding strategies number parameters in the order of the model, others in that of the optimizer. Names do not
    depend on the strategy.
    """
    groups = [group | {"params": own} for group, own in zip(state["param_groups"], names, strict=True)]
    renamed = {
        key: name
        for group, own in zip(state["param_groups"], names, strict=True)
        for key, name in zip(group["params"], own, strict=True)
    }
    return {"state": {renamed[key]: values for key, values in state["state"].items()}, "param_groups": groups}


def average_snapshots(folder: Path, count: int) -> dict[str, Any]:
    """Return the latest snapshot in ``folder`` with the mean weights of the ``count`` latest snapshots.

    See Vaswani et al. 2017, section 6.1. Raises UsageError if there are fewer snapshots.
    """
    paths = sorted(folder.glob("snapshot-*.ckpt"))
    if len(paths) < count:
        raise UsageError(
            f"--average {count}: {folder} has {len(paths)} snapshots, one for each of the latest "
            "callbacks.snapshots.count validations; give a smaller number"
        )
    content = read_checkpoint(paths[-1])
    total = {name: weight.double() for name, weight in content["state_dict"].items()}
    for path in paths[-count:-1]:
        for name, weight in read_checkpoint(path)["state_dict"].items():
            total[name] += weight
    mean = {name: (total[name] / count).to(weight.dtype) for name, weight in content["state_dict"].items()}
    return content | {"state_dict": mean}


def find_last_checkpoint(folder: Path) -> Path | None:
    """Return the newest readable checkpoint to resume from; None if there is no checkpoint. Warn of unreadable ones.

    Raises RegardError if no checkpoint is readable: only the user may decide to start the run over.
    """
    paths = [path for name in ("last.ckpt", "last.previous.ckpt") if (path := folder / name).exists()]
    for path in paths:
        try:
            read_checkpoint(path)
        except RegardError as error:
            warnings.warn(f"{error}; trying the previous checkpoint", stacklevel=2)
            continue
        return path
    if paths:
        names = " and ".join(path.name for path in paths)
        raise RegardError(f"{folder}: no checkpoint can be read; remove {names} to start the run over")
    return None


def _weights(content: dict[str, Any]) -> dict[str, Tensor]:
    """Weights of the model in a checkpoint, by their names in the model."""
    state = content["state_dict"]
    return {name.removeprefix(PREFIX): weight for name, weight in state.items() if name.startswith(PREFIX)}
