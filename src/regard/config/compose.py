"""From the command line to frozen run folders: compose with Hydra, check, freeze."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import hydra
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from regard.config.command_line import config_folders, options_first
from regard.config.errors import as_usage_errors
from regard.config.keys import check_values, unknown_key
from regard.config.resolve import any_image_size, resolve, to_plain
from regard.errors import UsageError
from regard.files import require_writable_folder
from regard.instantiate import build
from regard.places import conf_folder
from regard.runs.create import unique_path
from regard.runs.folder import RunFolder
from regard.runs.sweep import create_sweep, varying_overrides

Point = tuple[dict[str, Any], list[str]]
"""A resolved configuration and its own overrides: one run, or one point of a sweep."""


def compose_points(arguments: list[str]) -> list[Point]:
    """Compose and check the configurations of a command line: one, or with ``-m`` one for each point of a sweep.

    All are checked before any is returned. The list is empty if Hydra only printed something (``--cfg``, ``--info``,
    ``--help``). Raises UsageError.
    """
    composed: list[dict[str, Any] | Exception] = []
    points: list[list[str]] = []
    sweeps: list[str] = []

    def take(config: DictConfig) -> None:
        hydra_config = HydraConfig.get()
        if hydra_config.mode != RunMode.MULTIRUN and hydra_config.sweeper.params:
            sweeps.append(config.name)
            return
        # Not resolved: model.dim=${x} stays as the user wrote it.
        given: Any = OmegaConf.to_container(hydra_config.overrides.task, resolve=False)
        points.append([override for override in given if not override.startswith("hydra")])
        try:
            launcher = {"launcher": to_plain(hydra_config.launcher)}
            with any_image_size(config):
                check_values(to_plain(config) | launcher)
            composed.append(resolve(config) | launcher)
        except Exception as error:  # raised below, when all points are known; Hydra would print it
            composed.append(error)

    arguments = options_first(arguments)
    folders = list(config_folders(arguments))
    with as_usage_errors(arguments, folders), _full_errors(), TemporaryDirectory() as temporary:
        _check_hydra_keys(arguments)
        try:
            # Hydra's sweeper writes a file that regard does not need: sweep.json has the same content.
            with _command_line([*arguments, f"hydra.sweep.dir={temporary}"]):
                hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name="train")(take)()
        except PointFailed as failed:
            with at_point(failed.number, failed.points), as_usage_errors(failed.points[failed.number], folders):
                raise failed.error from None
    if sweeps:
        raise UsageError(f"{sweeps[0]} is a sweep (it has hydra.sweeper.params): add -m")
    checked: list[Point] = []
    for number, config in enumerate(composed):
        with at_point(number, points):
            if isinstance(config, Exception):
                with as_usage_errors(points[number], folders):
                    raise config
            checked.append((config, points[number]))
    for number, (config, overrides) in enumerate(checked):
        # Imports torch, which takes longer than all checks above.
        from regard.config.check import check

        with at_point(number, points):
            check(config)
            if config["init_from"]:
                from regard.config.fine_tune import take_vocabulary

                config |= take_vocabulary(config, overrides)
            build(config["launcher"]).check(config)
    return checked


class PointFailed(Exception):
    """Point ``number`` of ``points``, the overrides of each point, could not be composed because of ``error``."""

    def __init__(self, number: int, points: list[list[str]], error: Exception) -> None:
        super().__init__(str(error))
        self.number, self.points, self.error = number, points, error


@contextmanager
def at_point(number: int, points: list[list[str]]) -> Iterator[None]:
    """Add to a UsageError which point of a sweep it is about, with the overrides that distinguish the point."""
    try:
        yield
    except UsageError as error:
        if len(points) == 1:
            raise
        own = " ".join(varying_overrides(points)[number])
        raise UsageError(f"point {number + 1} of {len(points)} ({own}): {error}") from error


def freeze(points: list[Point]) -> list[RunFolder]:
    """Create a run folder for each point; several points in one folder with a sweep.json.

    Raises UsageError, before any folder is created, if ``paths.cache`` cannot be written.
    """
    points = [(without_search(config), overrides) for config, overrides in points]
    for cache in {config["paths"]["cache"] for config, _ in points}:
        require_writable_folder("paths.cache", Path(cache))
    config, overrides = points[0]
    parent = Path(config["paths"]["runs"]) / config["name"]
    if len(points) == 1:
        return [RunFolder.create(unique_path(parent), config, overrides)]
    return create_sweep(parent, points)


def without_search(config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration of a run: ``config`` without the section ``search``."""
    return {name: value for name, value in config.items() if name != "search"}


@contextmanager
def _full_errors() -> Iterator[None]:
    """Make Hydra raise its errors inside the with statement; by default it prints them and exits."""
    before = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = before


@contextmanager
def _command_line(arguments: list[str]) -> Iterator[None]:
    """Let Hydra read ``arguments`` from ``sys.argv`` inside the with statement.

    Passing parsed arguments to Hydra is not enough: its help and shell completion read the program name from there.
    """
    before = sys.argv
    sys.argv = ["regard train", *arguments]
    try:
        yield
    finally:
        sys.argv = before


def _check_hydra_keys(arguments: list[str]) -> None:
    """Raise UsageError for an unknown key below ``hydra.``, which Hydra would ignore."""
    known = [f"hydra.{key}" for key in HydraConf.__dataclass_fields__]
    for argument in arguments:
        key = argument.lstrip("+~").partition("=")[0]
        if key.startswith("hydra.") and ".".join(key.split(".")[:2]) not in known:
            raise UsageError(unknown_key(key, known))
