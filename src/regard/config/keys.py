"""Check the keys and values of a composed configuration against the documented ones, without importing torch."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from regard.config.kinds import Kind, shown
from regard.config.ranges import OTHER_KEYS, REQUIRED, SECTIONS, arguments_of
from regard.errors import UsageError

NAME = re.compile(r"[\w+-][\w .+=,@-]*")
LONGEST_NAME = 200
"""Bytes in the name of a folder, on any file system."""


def check_values(config: dict[str, Any]) -> None:
    """Check that ``config`` has the required keys, no unknown key, and valid values of all documented keys.

    Raises UsageError that names the key and the expected value.
    """
    for path, kinds in SECTIONS.items():
        section = config[path] if path else config
        known = {*kinds, *OTHER_KEYS.get(path, ())}
        for key in section:
            if key not in known:
                raise UsageError(unknown_key(join(path, key), [join(path, each) for each in known]))
        _check_present(path, section, [*REQUIRED.get(path, ()), *kinds])
        _check_kinds(path, section, kinds)
    for path, node in objects(config):
        _check_present(path, node, REQUIRED.get(path, ()))
        check_arguments(path, node)
    name = str(config["name"])
    if not NAME.fullmatch(name) or len(name.encode()) > LONGEST_NAME:
        raise UsageError(
            f"name={name}: expected letters, digits and . + - _ = only, at most {LONGEST_NAME} bytes: it names a folder"
        )


def check_arguments(path: str, node: dict[str, Any]) -> None:
    """Raise UsageError if a documented argument of the object ``node`` at ``path`` has an invalid value."""
    _check_kinds(path, node, arguments_of(node.get("_target_")))


def check_value(key: str, value: Any, kind: Kind) -> None:
    """Raise UsageError, naming ``key``, if ``value`` is not valid for it."""
    if not kind.accepts(value):
        quote = f"; if it is text, quote it: {key}=\"'{shown(value)}'\"" if _may_be_text(value, kind) else ""
        raise UsageError(f"{key}={shown(value)}: expected {kind.expected}{quote}")


def unknown_key(key: str, known: Iterable[str]) -> str:
    """Return the error message for an unknown key, with similar keys."""
    near = difflib.get_close_matches(key, sorted(known), n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}?" if near else "regard train --cfg job lists the keys"
    return f"{key}: unknown key; {hint}"


def objects(config: dict[str, Any], path: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Return every part of ``config`` that has a ``_target_``, with its dotted path below ``path``.

    Outer parts come first, and the trainer before other parts of its level. An error in a value that other parts copy
    then names the key that the user gave.
    """
    return sorted(_objects(config, path), key=lambda found: (found[0].count("."), found[0] != "trainer"))


def join(path: str, key: str) -> str:
    """Return the dotted path of ``key`` in the part at ``path``."""
    return f"{path}.{key}" if path else key


def _objects(config: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(config, dict):
        if "_target_" in config:
            yield path, config
        for key, value in config.items():
            yield from _objects(value, "hydra.launcher" if (path, key) == ("", "launcher") else join(path, str(key)))
    elif isinstance(config, list):
        for number, value in enumerate(config):
            yield from _objects(value, f"{path}[{number}]")


def _check_present(path: str, section: dict[str, Any], keys: Iterable[str]) -> None:
    for key in keys:
        if key not in section:
            raise UsageError(f"{join(path, key)} is missing: give it a value, or leave out what removes it")


def _check_kinds(path: str, section: dict[str, Any], kinds: Mapping[str, Kind]) -> None:
    for key, kind in kinds.items():
        if key in section:
            check_value(join(path, key), section[key], kind)


def _may_be_text(value: Any, kind: Kind) -> bool:
    """Return whether ``value``, which YAML reads as a number or a truth value, would be valid as text."""
    return isinstance(value, bool | int | float) and kind.accepts(str(value))
