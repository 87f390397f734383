"""From the command line to a frozen run folder: Hydra composes, regard checks and freezes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import hydra
from hydra import compose, initialize_config_dir
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from hydra.utils import get_object
from omegaconf import DictConfig, ListConfig, OmegaConf

from regard.config.command_line import config_folders, options_first
from regard.config.errors import in_one_line
from regard.config.keys import check_arguments, check_values, unknown_key
from regard.errors import UsageError
from regard.files import require_writable_folder
from regard.instantiate import build
from regard.observe.wandb.login import decide_mode
from regard.places import conf_folder
from regard.runs.folder import RunFolder, find_checkpoint, unique_path
from regard.runs.sweep import create_sweep, varying_overrides
from regard.training.precision import decide_precision

Point = tuple[dict[str, Any], list[str]]
"""A composed configuration, resolved, and the overrides that are its own."""


def compose_points(arguments: list[str]) -> list[Point]:
    """Compose with Hydra's own command line: one point, or with ``-m`` one for each job of a sweep.

    All are checked before any is returned. None at all if Hydra only showed something (``--cfg``,
    ``--info``, ``--help``). Raises UsageError.
    """
    composed: list[dict[str, Any] | Exception] = []
    points: list[list[str]] = []
    sweeps: list[str] = []

    def take(config: DictConfig) -> None:
        hydra_config = HydraConfig.get()
        if hydra_config.mode != RunMode.MULTIRUN and hydra_config.sweeper.params:
            sweeps.append(config.name)
            return
        # model.dim=${x} as it is written
        given: Any = OmegaConf.to_container(hydra_config.overrides.task, resolve=False)
        points.append([override for override in given if not override.startswith("hydra")])
        try:
            launcher = {"launcher": _plain(hydra_config.launcher)}
            check_values(_plain(config) | launcher)
            composed.append(_resolve(config) | launcher)
        except Exception as error:  # raised below, where it is known which points there are; Hydra would print it
            composed.append(error)

    arguments = options_first(arguments)
    folders = list(config_folders(arguments))
    with in_one_line(arguments, folders), _full_errors(), TemporaryDirectory() as aside:
        _check_hydra_keys(arguments)
        # Hydra's sweeper writes a file of its own, which regard's sweep.json replaces.
        sys.argv = ["regard train", *arguments, f"hydra.sweep.dir={aside}"]
        try:
            hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name="train")(take)()
        except PointFailed as failed:
            with at_point(failed.number, failed.points), in_one_line(failed.points[failed.number], folders):
                raise failed.error from None
    if sweeps:
        raise UsageError(f"{sweeps[0]} is a sweep (it has hydra.sweeper.params): add -m")
    checked: list[Point] = []
    for number, config in enumerate(composed):
        with at_point(number, points):
            if isinstance(config, Exception):
                with in_one_line(points[number], folders):
                    raise config
            checked.append((config, points[number]))
    for number, (config, overrides) in enumerate(checked):
        from regard.config.check import check  # imports torch, which takes longer than to find a wrong key or value

        with at_point(number, points):
            check(config)
            if config["init_from"]:
                from regard.config.fine_tune import take_vocabulary

                config |= take_vocabulary(config, overrides)
            build(config["launcher"]).check(config)
    return checked


class PointFailed(Exception):
    """Point ``number`` of ``points`` could not be composed."""

    def __init__(self, number: int, points: list[list[str]], error: Exception) -> None:
        super().__init__(str(error))
        self.number, self.points, self.error = number, points, error


@contextmanager
def at_point(number: int, points: list[list[str]]) -> Iterator[None]:
    """Errors within say which of the points of a sweep they are of, by the overrides that not all share."""
    try:
        yield
    except UsageError as error:
        if len(points) == 1:
            raise
        own = " ".join(varying_overrides(points)[number])
        raise UsageError(f"point {number + 1} of {len(points)} ({own}): {error}") from error


def change_launcher(current: dict[str, Any], overrides: list[str]) -> dict[str, Any]:
    """``current`` after overrides of ``hydra/launcher`` and ``hydra.launcher.*``.

    Raises UsageError for a launcher or a key that does not exist, and for a value that the key does not take.
    """
    choices = [override for override in overrides if override.startswith("hydra/launcher=")]
    launcher = OmegaConf.create(current)
    with in_one_line(overrides):
        if choices:
            with initialize_config_dir(str(conf_folder()), version_base="1.3"):
                launcher = compose("train", choices, return_hydra_config=True).hydra.launcher
        for override in OverridesParser.create().parse_overrides([o for o in overrides if o not in choices]):
            name = override.key_or_group.removeprefix("hydra.launcher.")
            if name not in launcher:
                raise UsageError(unknown_key(f"hydra.launcher.{name}", [f"hydra.launcher.{key!s}" for key in launcher]))
            launcher[name] = override.value()
    changed = _plain(launcher)
    check_arguments("hydra.launcher", changed)
    build(changed)
    return changed


def freeze(points: list[Point]) -> list[RunFolder]:
    """A new run folder for each point, those of a sweep together in one with a sweep.json.

    Raises UsageError, before any is made, if a corpus cannot be prepared in ``paths.cache``.
    """
    points = [(without_search(config), overrides) for config, overrides in points]
    for cache in {config["paths"]["cache"] for config, _ in points}:
        require_writable_folder("paths.cache", Path(cache))
    config, overrides = points[0]
    home = Path(config["paths"]["runs"]) / config["name"]
    if len(points) == 1:
        return [RunFolder.create(unique_path(home), config, overrides)]
    return create_sweep(home, points)


def without_search(config: dict[str, Any]) -> dict[str, Any]:
    """What a run needs of a configuration: not what a search would vary of it."""
    return {name: value for name, value in config.items() if name != "search"}


def _resolve(config: DictConfig) -> dict[str, Any]:
    """Plain values: absolute paths, and a decision where there was ``auto``."""
    config.name = str(config.name)  # name=3 and name=nan are numbers to YAML
    for name, folder in config.paths.items():
        config.paths[name] = str(Path(folder).expanduser().absolute())
    if config.init_from:
        config.init_from = str(find_checkpoint(Path(config.init_from).expanduser()).absolute())
    if config.tokenizer.get("model"):
        config.tokenizer.model = str(Path(config.tokenizer.model).expanduser().absolute())
    for key in files_of(config.data):
        config.data[key] = absolute(config.data[key])
    config.trainer.precision = decide_precision(config.trainer.precision, config.trainer.accelerator)
    if "mode" in config.logger:
        config.logger.mode = decide_mode(config.logger.mode)
    return _plain(config)


def _plain(config: DictConfig) -> dict[str, Any]:
    container = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    return {str(key): value for key, value in container.items()} if isinstance(container, dict) else {}


def files_of(data: DictConfig) -> list[str]:
    """Those of the corpus's arguments that its class says are files (its attribute ``FILES``)."""
    try:
        names = getattr(get_object(str(data.get("_target_"))), "FILES", ())
    except Exception:  # `check` says what is wrong with it
        return []
    return [name for name in names if not OmegaConf.is_missing(data, name)]


def absolute(files: Any) -> Any:
    """A path, or each of a list of them, from the root; shares and None stay."""
    if isinstance(files, str):
        return str(Path(files).expanduser().absolute())
    return [absolute(file) for file in files] if isinstance(files, ListConfig) else files


@contextmanager
def _full_errors() -> Iterator[None]:
    """Hydra raises its errors instead of printing them and leaving."""
    before = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = before


def _check_hydra_keys(arguments: list[str]) -> None:
    """Hydra lets unknown keys below ``hydra.`` pass."""
    known = [f"hydra.{key}" for key in HydraConf.__dataclass_fields__]
    for argument in arguments:
        key = argument.lstrip("+~").partition("=")[0]
        if key.startswith("hydra.") and ".".join(key.split(".")[:2]) not in known:
            raise UsageError(unknown_key(key, known))
