"""Which classes a checkpoint may name without ``--trust``."""

from __future__ import annotations

from typing import Any

from hydra.utils import get_object

from regard.errors import RegardError

MODELS = ("regard.model.", "torchvision.models.")
GENERATORS = ("regard.inference.",)


def targets(config: Any) -> list[str]:
    """Return every ``_target_`` in a configuration."""
    if isinstance(config, dict):
        own = [str(config["_target_"])] if "_target_" in config else []
        return own + [target for value in config.values() for target in targets(value)]
    if isinstance(config, list):
        return [target for value in config for target in targets(value)]
    return []


def require_trusted(target: str, trust: bool, packages: tuple[str, ...]) -> None:
    """Raise RegardError, naming ``target``, if it is not defined in one of the packages, unless ``trust`` is true."""
    if not trust and not _is_defined_in(packages, target):
        raise RegardError(
            f"the checkpoint refers to {target}, which is outside {packages[0].removesuffix('.')}; "
            "pass --trust to allow it if you trust the origin of the checkpoint"
        )


def _is_defined_in(packages: tuple[str, ...], target: str) -> bool:
    """Whether ``target`` is defined in one of the packages. An object that is only imported there is not."""
    if not target.startswith(packages):
        return False
    try:
        found = get_object(target)
    except (ImportError, ValueError):
        return False
    return f"{getattr(found, '__module__', None)}.".startswith(packages)
