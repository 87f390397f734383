"""The command line of the verbs that compose: Hydra's options, and overrides as KEY=VALUE."""

from __future__ import annotations

import difflib
import re
import shlex
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from regard.errors import UsageError

WITH_VALUE = (
    *("--cfg", "-c", "--package", "-p", "--config-path", "-cp", "--config-name", "-cn", "--config-dir", "-cd"),
    "--experimental-rerun",
)
"""Options of Hydra's that are followed by a value."""
ALONE = (
    *("--help", "-h", "--hydra-help", "--version", "--resolve", "--run", "-r", "--multirun", "-m"),
    *("--shell-completion", "-sc", "--info", "-i"),
)
"""Those that are not, or need not be."""
CFG = ("job", "hydra", "all")
INFO = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
"""The values of ``--cfg`` and ``--info``."""


def options_first(arguments: Sequence[str]) -> list[str]:
    """The same command line with its options before its overrides: Hydra's parser refuses a mixture.

    Raises UsageError for an option that does not exist, or that lacks a value or has a wrong one.
    """
    options: list[str] = []
    overrides: list[str] = []
    rest = deque(arguments)
    while rest:
        argument = rest.popleft()
        name, given, value = argument.partition("=")
        if not argument.startswith("-"):
            overrides.append(argument)
        elif name in WITH_VALUE:
            if not given:
                value = rest.popleft() if rest and not rest[0].startswith("-") else ""
            _check_value(name, value)
            options += [argument] if given else [name, value]
        elif argument in ("--info", "-i"):  # whose value may be left out: all, then
            options.append(f"--info={rest.popleft() if rest and rest[0] in INFO else 'all'}")
        elif name in ALONE:
            options.append(argument)
        else:
            near = difflib.get_close_matches(name, [*WITH_VALUE, *ALONE], n=1)
            hint = f"did you mean {near[0]}?" if near else "regard train --help shows those there are"
            raise UsageError(f"{argument}: no such option; {hint}")
    return [*options, *overrides]


def config_folders(arguments: Sequence[str]) -> Iterator[Path]:
    """The user's own conf folders, which the options of ``arguments`` name.

    Raises UsageError for one that is not a folder.
    """
    for number, argument in enumerate(arguments):
        name, given, value = argument.partition("=")
        if name in ("--config-dir", "-cd"):
            folder = Path(value if given else arguments[number + 1])
            if not folder.is_dir():
                raise UsageError(f"{name} {folder}: no such folder; give the one that your own configs are in")
            yield folder


def unreadable(override: str) -> str:
    """What is wrong with an override that Hydra cannot parse, and how to write it."""
    key, given, value = override.partition("=")
    shown = " ".join(override.split())
    if not given or not re.fullmatch(r"[+~]{0,2}[\w.@$:-][\w.@/$:-]*", key):
        return f"{shown or 'an empty argument'}: expected KEY=VALUE"
    if re.search(r"(^|,)\s*(,|$)", value):
        kept = ",".join(part.strip() for part in value.split(",") if part.strip())
        return f"{shown}: a value is missing at a comma; give {key}={kept}"
    if any(value.count(opening) != value.count(closing) for opening, closing in ("[]", "{}", "()")):
        return f"{shown}: a bracket is opened or closed alone; correct it, or quote the value: {_quoted(key, value)}"
    return f"{shown}: the value has characters that must be quoted; give {_quoted(key, value)}"


def _quoted(key: str, value: str) -> str:
    """The override with its value as a quoted string, as a shell takes it."""
    inside = value.strip("'\"").replace("\\", "\\\\").replace('"', '\\"')
    override = f'{key}="{inside}"'
    try:
        OverridesParser.create().parse_override(override)
    except HydraException:
        return f"{key}='\"...\"'"
    return shlex.quote(override)


def _check_value(option: str, value: str) -> None:
    if not value.strip():
        raise UsageError(f"{option}: give a value behind it")
    if option in ("--cfg", "-c") and value not in CFG:
        raise UsageError(f"{option} {value}: give {', '.join(CFG[:-1])} or {CFG[-1]}")
