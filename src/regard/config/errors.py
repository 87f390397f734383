"""Convert errors of Hydra and OmegaConf to messages of one line that name what is wrong."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import InterpolationResolutionError, MissingMandatoryValue, OmegaConfBaseException

from regard.config.command_line import explain_syntax
from regard.config.conf_files import explain_yaml, find_fault, line_with, options_of
from regard.config.keys import unknown_key
from regard.errors import RegardError, UsageError, one_line
from regard.places import conf_folder


@contextmanager
def as_usage_errors(arguments: Sequence[str], folders: Sequence[Path] = ()) -> Iterator[None]:
    """Convert every error inside the with statement to a UsageError.

    Args:
        arguments: the command line.
        folders: the user's conf folders.
    """
    try:
        yield
    except RegardError:
        raise
    except Exception as error:
        raise UsageError(_explain(error, arguments, folders)) from error


def _explain(error: Exception, arguments: Sequence[str], folders: Sequence[Path]) -> str:
    text = one_line(error, None)
    if isinstance(error, MissingMandatoryValue):
        key = getattr(error, "full_key", None) or _between(r"key: (\S+)", text)
        return f"{key} has no value: give {key}=..."
    if isinstance(error, MissingConfigException):
        return _no_such_option(error, arguments, folders)
    if isinstance(error, OverrideParseException):
        return explain_syntax(error.override)
    if isinstance(error, yaml.YAMLError):
        return explain_yaml(error)
    if isinstance(error, InterpolationResolutionError):
        return _interpolation(error, arguments, folders)
    if "Config group override must be" in text:
        return _no_name(arguments, folders)
    if found := re.search(r"Could not override '([^']+)'", text):
        place = line_with(f"{found[1].partition('@')[0]}:", folders) if "@" in found[1] else None
        wrong = unknown_key(found[1], _keys(arguments, found[1]))
        return f"{place}: {wrong}" if place else wrong
    if found := re.search(r"Could not find match for '?([^'\s]+)'?", text):
        return f"{found[1]}: {one_line(error)}"
    if found := re.search(r"Multiple values for (\S+)\.", text):
        return f"{found[1]} is chosen twice; to change the choice, give {found[1]}=... without +"
    if found := re.match(r"Ambiguous value for argument '(.+?)' 1\.", text):
        return f"{found[1]}: several values; add -m for a sweep, or write a list as [a,b] or text as '\"a,b\"'"
    if own := find_fault(folders, {argument.partition("=")[2] for argument in arguments}):
        return own
    if isinstance(error, HydraException | OmegaConfBaseException):
        return one_line(error.__cause__ if error.__cause__ and not str(error).strip() else error)
    return f"the configuration cannot be composed ({type(error).__name__}: {one_line(error)})"


def _no_such_option(error: MissingConfigException, arguments: Sequence[str], folders: Sequence[Path]) -> str:
    missing = error.missing_cfg_file or ""
    choices = [argument.lstrip("+").partition("=")[::2] for argument in arguments]
    given = [choice for choice in choices if "/".join(choice) == missing]
    group, _, option = missing.rpartition("/") if not given else (given[0][0], "", given[0][1])
    if not group:
        return f"{option}: no such configuration (regard's is train); leave out --config-name and --config-path"
    options = sorted(error.options or options_of(group, folders))
    near = difflib.get_close_matches(option, options, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    there = f"options: {', '.join(options)}" if options else f"there is no group {group}"
    place = None if given else line_with(option, folders)  # then it comes from the defaults of a file
    return f"{f'{place}: ' if place else ''}{group}={option}: no such option; {hint}{there}"


def _no_name(arguments: Sequence[str], folders: Sequence[Path]) -> str:
    """Return the message for a choice that is not the name of an option: a number, a truth value or null."""
    for argument in arguments:
        group, given, option = argument.lstrip("+").partition("=")
        if given and not group:
            return explain_syntax(argument)
        if given and (options := options_of(group, folders)) and option not in options:
            return f"{argument}: no such option; options: {', '.join(options)}"
    return "a choice on the command line is not the name of an option"


def _interpolation(error: InterpolationResolutionError, arguments: Sequence[str], folders: Sequence[Path]) -> str:
    written = str(getattr(error.child_node, "_value", lambda: "")())
    missing = re.search(r"Interpolation key '([^']+)' not found", str(error))
    if missing is None and "is not a container" in str(error):  # the key is below one that is null
        missing = re.fullmatch(r"\$\{([^{}]+)\}", written)
    reason = f"there is no key {missing[1]}" if missing else str(error).splitlines()[0].rpartition(": ")[2].strip('"')
    text = f"{error.full_key}={written}: {reason}"
    for argument in arguments:
        if missing and argument.startswith("~") and f"{missing[1]}.".startswith(f"{argument[1:].partition('=')[0]}."):
            return f"{text}; leave out {argument}"
    place = line_with(written, folders) if written else None
    if missing and (tasks := _tasks_with(missing[1], arguments, folders)):
        return f"{text}; give task={' or task='.join(tasks)}"
    return f"{place}: {text}; correct it" if place else f"{text}; give {error.full_key} another value"


def _tasks_with(key: str, arguments: Sequence[str], folders: Sequence[Path]) -> list[str]:
    """Return the tasks whose configuration has ``key``. A corpus of images, for example, needs keys of one task."""
    kept = [a for a in arguments if "=" in a and not a.startswith(("-", "task=")) and "," not in a]
    found = []
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        for task in options_of("task", folders):
            with suppress(HydraException, OmegaConfBaseException):
                if OmegaConf.select(compose("train", [*kept, f"task={task}"]), key) is not None:
                    found.append(task)
    return found


def _keys(arguments: Sequence[str], wrong: str) -> list[str]:
    """Return all keys of the configuration, composed without the override of ``wrong`` and without swept overrides."""
    given = [a for a in arguments if "=" in a and not a.startswith("-") and "," not in a]
    kept = [a for a in given if not a.lstrip("+~").startswith(f"{wrong}=")]
    of_hydra = wrong.startswith("hydra.")
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        try:
            config = compose("train", kept, return_hydra_config=of_hydra)
        except (HydraException, OmegaConfBaseException):  # it has further errors
            return []
    return list(_dotted(OmegaConf.to_container(config, resolve=False)))


def _dotted(node: Any, path: str = "") -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            name = f"{path}.{key}" if path else str(key)
            yield name
            yield from _dotted(value, name)


def _between(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found[1] if found else "a key"
