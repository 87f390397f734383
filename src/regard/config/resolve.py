"""Resolve a composed configuration: plain values, absolute paths, and a decision for each ``auto``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hydra.utils import get_object
from omegaconf import DictConfig, ListConfig, OmegaConf

from regard.observe.wandb.login import decide_mode
from regard.runs.folder import find_checkpoint
from regard.training.precision import decide_precision


def resolve(config: DictConfig) -> dict[str, Any]:
    """Return the resolved values of ``config``, which is changed in place."""
    config.name = str(config.name)  # YAML reads name=3 and name=nan as numbers
    for name, folder in config.paths.items():
        config.paths[name] = str(Path(folder).expanduser().absolute())
    if config.init_from:
        config.init_from = str(find_checkpoint(Path(config.init_from).expanduser()).absolute())
    if config.tokenizer.get("model"):
        config.tokenizer.model = str(Path(config.tokenizer.model).expanduser().absolute())
    for key in _file_arguments(config.data):
        config.data[key] = _absolute(config.data[key])
    config.trainer.precision = decide_precision(config.trainer.precision, config.trainer.accelerator)
    if "mode" in config.logger:
        config.logger.mode = decide_mode(config.logger.mode)
    return to_plain(config)


def to_plain(config: DictConfig) -> dict[str, Any]:
    """Return the values of ``config`` as dictionaries and lists, interpolations resolved."""
    container = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    return {str(key): value for key, value in container.items()} if isinstance(container, dict) else {}


def _file_arguments(data: DictConfig) -> list[str]:
    """Return the names of the arguments of a corpus that are files: the attribute ``FILES`` of its class."""
    try:
        names = getattr(get_object(str(data.get("_target_"))), "FILES", ())
    except Exception:  # reported by `check`
        return []
    return [name for name in names if not OmegaConf.is_missing(data, name)]


def _absolute(files: Any) -> Any:
    """Return a path, or each path of a list, as an absolute path; other values (a share, None) unchanged."""
    if isinstance(files, str):
        return str(Path(files).expanduser().absolute())
    return [_absolute(file) for file in files] if isinstance(files, ListConfig) else files
