"""What Hydra and OmegaConf say of a wrong command line, in one line that names the key."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException, MissingConfigException
from omegaconf import OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from regard.errors import UsageError
from regard.places import conf_folder
from regard.runs.keys import unknown_key


@contextmanager
def in_one_line(arguments: list[str]) -> Iterator[None]:
    """Raises UsageError for what Hydra and OmegaConf raise within; ``arguments`` are the command line's."""
    try:
        yield
    except MissingMandatoryValue as error:
        key = getattr(error, "full_key", None) or _between(r"key: (\S+)", error)
        raise UsageError(f"{key} has no value yet: give {key}=...") from error
    except MissingConfigException as error:
        raise UsageError(_no_such_option(error)) from error
    except (HydraException, OmegaConfBaseException) as error:
        text = str(error)
        if found := re.search(r"Could not override '([^']+)'", text):
            raise UsageError(unknown_key(found[1], _keys(arguments, found[1]))) from error
        if found := re.search(r"Could not (?:override|find match for) '?([^'\s]+)'?", text):
            raise UsageError(f"{found[1]}: {_one_line(text)}") from error
        raise UsageError(_one_line(text)) from error


def _no_such_option(error: MissingConfigException) -> str:
    wanted = error.missing_cfg_file or ""
    group, _, option = wanted.rpartition("/")
    options = sorted(error.options or [])
    near = difflib.get_close_matches(option, options, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return f"{group}={option}: no such option; {hint}there are {', '.join(options)}"


def _keys(arguments: list[str], wrong: str) -> list[str]:
    """All the keys of the configuration without the overrides of ``wrong``, nor what is swept over."""
    given = [a for a in arguments if "=" in a and not a.startswith("--") and "," not in a]
    kept = [a for a in given if not a.lstrip("+~").startswith(f"{wrong}=")]
    of_hydra = wrong.startswith("hydra.")
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        try:
            config = compose("train", kept, return_hydra_config=of_hydra)
        except (HydraException, OmegaConfBaseException):  # it has other faults too
            return []
    return list(_dotted(OmegaConf.to_container(config, resolve=False)))


def _dotted(node: Any, path: str = "") -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            name = f"{path}.{key}" if path else str(key)
            yield name
            yield from _dotted(value, name)


def _between(pattern: str, error: BaseException) -> str:
    found = re.search(pattern, str(error))
    return found[1] if found else "a key"


def _one_line(text: str) -> str:
    return " ".join(text.split())[:400]
