"""Trained models as folders of open formats: weights in safetensors, JSON, and the files of the vocabularies.

Such a folder has the content of a checkpoint that is needed to use the model, and is used wherever a checkpoint is.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regard.data.tokenizer.json_processor import is_json
from regard.errors import RegardError, UsageError, one_line

if TYPE_CHECKING:  # torch takes seconds: it is imported where it is used
    from torch import Size, Tensor, dtype

PREFIX = "model."  # of the names of the model's weights in the state of the LightningModule
WEIGHTS, CONFIG = "model.safetensors", "config.json"
VOCABULARIES = {"source_tokenizer": "source", "target_tokenizer": "target"}
JOINT = "tokenizer"


def is_model_folder(path: Path) -> bool:
    """Return whether ``path`` is a folder with files of a model, rather than a checkpoint or a run folder."""
    return (path / CONFIG).is_file() or (path / WEIGHTS).is_file()


def write_model_folder(folder: Path, content: dict[str, Any]) -> None:
    """Write the model of a checkpoint to an existing folder: model.safetensors, config.json and vocabularies.

    ``content`` is the content of the checkpoint. Weights have their names in the model. A tensor under several names is
    written once, and the metadata of model.safetensors has its other names. Needs the package safetensors.
    """
    from safetensors.torch import save_file

    about = dict(content["regard"])
    joint = about["source_tokenizer"] is None
    for key, name in VOCABULARIES.items():
        if (model := about.pop(key)) is not None:
            vocabulary = as_bytes(model)
            ending = "json" if is_json(vocabulary) else "model"
            (folder / f"{JOINT if joint else name}.{ending}").write_bytes(vocabulary)
    written, same = _without_repeated(
        {name.removeprefix(PREFIX): w for name, w in content["state_dict"].items() if name.startswith(PREFIX)}
    )
    save_file(written, folder / WEIGHTS, metadata={"format": "pt", **same})
    about["global_step"] = content.get("global_step", 0)
    (folder / CONFIG).write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_model_folder(folder: Path) -> dict[str, Any]:
    """Return what a checkpoint of the model in ``folder`` would contain, as `write_model_folder` got it.

    Raises:
        RegardError: a file is missing or damaged, or the folder is not from regard.
        UsageError: the package safetensors is not installed.
    """
    if importlib.util.find_spec("safetensors") is None:
        raise UsageError(f"{folder / WEIGHTS} needs the package safetensors: pip install 'regard[export]'")
    about = _read_config(folder / CONFIG)
    step = about.pop("global_step", 0)
    joint = _find_vocabulary(folder, JOINT)
    if joint is not None:
        about |= {"source_tokenizer": None, "target_tokenizer": as_tensor(joint)}
    else:
        for key, name in VOCABULARIES.items():
            vocabulary = _find_vocabulary(folder, name)
            if vocabulary is None:
                raise RegardError(f"{folder}: {JOINT}.model is missing; expected a folder that regard wrote")
            about[key] = as_tensor(vocabulary)
    weights = _read_weights(folder / WEIGHTS)
    return {"state_dict": {PREFIX + n: w for n, w in weights.items()}, "regard": about, "global_step": step}


def as_tensor(content: bytes) -> Tensor:
    """Return bytes as a tensor, which a checkpoint may contain."""
    import numpy as np
    import torch

    return torch.from_numpy(np.frombuffer(content, dtype=np.uint8).copy())


def as_bytes(content: Tensor) -> bytes:
    """Return the bytes of a tensor from `as_tensor`."""
    raw: bytes = content.numpy().tobytes()
    return raw


def _without_repeated(weights: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return each tensor under the first of its names, and for its other names the first one."""
    first: dict[tuple[int, Size, dtype], str] = {}
    written: dict[str, Tensor] = {}
    same: dict[str, str] = {}
    for name, weight in weights.items():
        known = first.setdefault((weight.data_ptr(), weight.shape, weight.dtype), name)
        if known == name or weight.numel() == 0:
            written[name] = weight.detach().cpu().contiguous()
        else:
            same[name] = known
    return written, same


def _find_vocabulary(folder: Path, name: str) -> bytes | None:
    paths = (folder / f"{name}.{ending}" for ending in ("model", "json"))
    return next((path.read_bytes() for path in paths if path.is_file()), None)


def _read_config(path: Path) -> dict[str, Any]:
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RegardError(f"{path}: {error.strerror}; expected a folder that regard wrote") from error
    except ValueError as error:
        raise RegardError(f"{path}: not JSON ({one_line(error)}); export the model again") from error
    if not isinstance(about, dict) or "task" not in about or "format" not in about:
        raise RegardError(
            f"{path}: not a model of regard; a folder of transformers becomes one with regard import huggingface"
        )
    return about


def _read_weights(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is not a dict
            same = file.metadata() or {}
    except OSError as error:
        raise RegardError(f"{path}: {error.strerror or one_line(error)}; export the model again") from error
    except SafetensorError as error:
        raise RegardError(f"{path}: not a readable file of weights ({one_line(error)}); export it again") from error
    return weights | {name: weights[known] for name, known in same.items() if known in weights}
