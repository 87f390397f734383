"""The options that a run chose on the command line, such as mixer=h3."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from regard.places import conf_folder

NOT_PARAMETERS = ("experiment", "logger", "search")
"""Groups whose choice does not change what is learned, or is seen in other keys."""


def chosen_options(overrides: Iterable[str]) -> dict[str, str]:
    """Return the option of each group that ``overrides`` choose, by group."""
    pairs = (override.lstrip("+").partition("=")[::2] for override in overrides)
    return {group: option for group, option in pairs if group in _groups()}


@cache
def _groups() -> frozenset[str]:
    folder = conf_folder()
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_dir()}
    return frozenset(group for group in found if group not in NOT_PARAMETERS and not group.startswith("hydra"))
