"""Resolve a composed configuration: plain values, absolute paths, and a decision for each ``auto``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.utils import get_object
from omegaconf import DictConfig, ListConfig, OmegaConf

from regard.observe.wandb.login import decide_mode
from regard.runs.folder import find_checkpoint
from regard.training.precision import decide_precision

TORCHVISION_ENCODER = "regard.model.encoders.torchvision.TorchvisionEncoder"
PLACEHOLDER_IMAGE_SIZE = 224
"""Used to check values if the image size depends on torchvision's weights."""


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
    if (encoder := _torchvision_encoder(config)) is not None:
        _resolve_torchvision(encoder)
    config.trainer.precision = decide_precision(config.trainer.precision, config.trainer.accelerator)
    if "mode" in config.logger:
        config.logger.mode = decide_mode(config.logger.mode)
    return to_plain(config)


def to_plain(config: DictConfig) -> dict[str, Any]:
    """Return the values of ``config`` as dictionaries and lists, interpolations resolved."""
    container = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    return {str(key): value for key, value in container.items()} if isinstance(container, dict) else {}


@contextmanager
def any_image_size(config: DictConfig) -> Iterator[None]:
    """Within the with statement, let ``model.encoder.image_size`` have a value if it is null and `resolve` will set it.

    Other keys copy it. Asking torchvision for it takes seconds, too long before a check of the values.
    """
    encoder = _torchvision_encoder(config)
    unknown = encoder is not None and encoder.get("image_size", 0) is None
    if encoder is not None and unknown:
        encoder.image_size = PLACEHOLDER_IMAGE_SIZE
    try:
        yield
    finally:
        if encoder is not None and unknown:
            encoder.image_size = None


def _resolve_torchvision(encoder: DictConfig) -> None:
    """Make the path of the weights absolute. If the image size is null, use the size of the weights entry."""
    if encoder.get("weights") and Path(encoder.weights).expanduser().is_file():
        encoder.weights = _absolute(encoder.weights)
    if encoder.get("image_size", 0) is None:
        from regard.model.encoders.torchvision import default_image_size

        encoder.image_size = default_image_size(encoder.name, encoder.get("weights"))


def _torchvision_encoder(config: DictConfig) -> DictConfig | None:
    encoder = OmegaConf.select(config, "model.encoder")
    return encoder if encoder is not None and encoder.get("_target_") == TORCHVISION_ENCODER else None


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
