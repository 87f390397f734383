"""The command line of the composing verbs: options of Hydra, and overrides KEY=VALUE."""

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
"""Options of Hydra with a value."""
ALONE = (
    *("--help", "-h", "--hydra-help", "--version", "--resolve", "--run", "-r", "--multirun", "-m"),
    *("--shell-completion", "-sc", "--info", "-i"),
)
"""Options of Hydra without a value, or with an optional one."""
CFG = ("job", "hydra", "all")
INFO = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
"""Values of ``--cfg`` and ``--info``."""


def options_first(arguments: Sequence[str]) -> list[str]:
    """Return the command line with its options before its overrides: Hydra's parser refuses a mixture.

    Raises UsageError for an unknown option, and for a missing or invalid value of an option.
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
        elif argument in ("--info", "-i"):  # its value is optional, all by default
            options.append(f"--info={rest.popleft() if rest and rest[0] in INFO else 'all'}")
        elif name in ALONE:
            options.append(argument)
        else:
            near = difflib.get_close_matches(name, [*WITH_VALUE, *ALONE], n=1)
            hint = f"did you mean {near[0]}?" if near else "regard train --help lists the options"
            raise UsageError(f"{argument}: no such option; {hint}")
    return [*options, *overrides]


def config_folders(arguments: Sequence[str]) -> Iterator[Path]:
    """Yield the user's conf folders: the values of ``--config-dir``.

    Raises UsageError if one is not a folder.
    """
    for number, argument in enumerate(arguments):
        name, given, value = argument.partition("=")
        if name in ("--config-dir", "-cd"):
            folder = Path(value if given else arguments[number + 1])
            if not folder.is_dir():
                raise UsageError(f"{name} {folder}: no such folder; expected the folder of your own configs")
            yield folder


def explain_syntax(override: str) -> str:
    """Return the error message for an override that Hydra cannot parse, with its correct form."""
    key, given, value = override.partition("=")
    shown = " ".join(override.split())
    if not given or not re.fullmatch(r"[+~]{0,2}[\w.@$:-][\w.@/$:-]*", key):
        return f"{shown or 'an empty argument'}: expected KEY=VALUE"
    if re.search(r"(^|,)\s*(,|$)", value):
        kept = ",".join(part.strip() for part in value.split(",") if part.strip())
        return f"{shown}: a value is missing next to a comma; write {key}={kept}"
    if any(value.count(opening) != value.count(closing) for opening, closing in ("[]", "{}", "()")):
        return f"{shown}: unbalanced brackets; correct them, or quote the value: {_quoted(key, value)}"
    return f"{shown}: the value has characters that must be quoted: {_quoted(key, value)}"


def _quoted(key: str, value: str) -> str:
    """Return the override with its value quoted, for a shell."""
    inside = value.strip("'\"").replace("\\", "\\\\").replace('"', '\\"')
    override = f'{key}="{inside}"'
    try:
        OverridesParser.create().parse_override(override)
    except HydraException:
        return f"{key}='\"...\"'"
    return shlex.quote(override)


def _check_value(option: str, value: str) -> None:
    if not value.strip():
        raise UsageError(f"{option}: expected a value after it")
    if option in ("--cfg", "-c") and value not in CFG:
        raise UsageError(f"{option} {value}: expected {', '.join(CFG[:-1])} or {CFG[-1]}")
