"""Change the launcher of a frozen configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from regard.config.errors import as_usage_errors
from regard.config.keys import check_arguments, unknown_key
from regard.config.resolve import to_plain
from regard.errors import UsageError
from regard.instantiate import build
from regard.places import conf_folder

CHOICE, KEYS = "hydra/launcher", "hydra.launcher."


def is_of_launcher(override: str) -> bool:
    """Return whether ``override`` chooses the launcher or changes one of its keys."""
    return override.startswith((CHOICE, KEYS))


def change_launcher(current: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return the launcher ``current`` changed by those of ``overrides`` that are of the launcher.

    Raises UsageError for a launcher or a key that does not exist, and for a value that the key does not accept.
    """
    own = [override for override in overrides if is_of_launcher(override)]
    if not own:
        return current
    choices = [override for override in own if override.startswith(f"{CHOICE}=")]
    launcher = OmegaConf.create(current)
    with as_usage_errors(own):
        if choices:
            with initialize_config_dir(str(conf_folder()), version_base="1.3"):
                launcher = compose("train", choices, return_hydra_config=True).hydra.launcher
        for override in OverridesParser.create().parse_overrides([each for each in own if each not in choices]):
            name = override.key_or_group.removeprefix(KEYS)
            if name not in launcher:
                raise UsageError(unknown_key(f"{KEYS}{name}", [f"{KEYS}{key!s}" for key in launcher]))
            launcher[name] = override.value()
    changed = to_plain(launcher)
    check_arguments("hydra.launcher", changed)
    build(changed)
    return changed
