"""Configuration keys that distinguish runs, and runs that differ in the seed only."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from regard.compare.flat_config import canonical_text
from regard.compare.run import ComparedRun

LOCATION = re.compile(r"(paths|launcher|logger)\..*|batches\.cache|name")
"""Keys of places, launchers and loggers, which do not change the experiment."""
RECORDING = re.compile(r"callbacks\.(attention|samples|snapshots|last)\..*|trainer\.log_every_n_steps")
"""Keys of what is recorded and stored, which do not change what is learned."""

COPIES_OF_SEED = ("batches.seed",)
MISSING = object()


def differing_keys(runs: Sequence[ComparedRun]) -> list[str]:
    """Return the keys whose value is not the same in all runs, in the order of the configuration."""
    keys = dict.fromkeys(key for run in runs for key in run.config)
    return [key for key in keys if not _same(runs, key) and len(set(_values(runs, key))) > 1]


def distinguishing_keys(runs: Sequence[ComparedRun], differing: Sequence[str]) -> list[str]:
    """Return the ``differing`` keys that distinguish the runs.

    LOCATION is left out. Some values are copied within the configuration (data.size, batches.corpus.size): of keys with
    the same last name and the same value in every run, the one that the user set is returned, or the shortest.

    Keys that the user set come first; keys that some runs lack (they have another version), and RECORDING, come last.
    """
    set_by_user = {key for run in runs for key in run.overrides}
    missing = {key for key in differing if any(key not in run.config for run in runs)}

    def rank(key: str) -> tuple[bool, bool, bool, int]:
        return key not in set_by_user, key in missing, RECORDING.fullmatch(key) is not None, key.count(".")

    kept: dict[tuple[str, ...], str] = {}
    for key in sorted(differing, key=rank):
        if not LOCATION.fullmatch(key):
            kept.setdefault((key.rpartition(".")[2], *_values(runs, key)), key)
    return list(kept.values())


def parameter_keys(columns: Sequence[str]) -> list[str]:
    """Return the ``columns`` that may affect the score: neither the seed nor RECORDING."""
    return [key for key in columns if key != "seed" and not RECORDING.fullmatch(key)]


def without_seed(config: Mapping[str, Any]) -> str:
    """Return a text of the configuration that is the same for runs that differ in the seed only."""
    seed = config.get("seed", MISSING)
    own = {
        key: value
        for key, value in config.items()
        if key != "seed" and not LOCATION.fullmatch(key) and not (key in COPIES_OF_SEED and value == seed)
    }
    return canonical_text(own)


def _same(runs: Sequence[ComparedRun], key: str) -> bool:
    """Return whether all runs have the same value: a fast check for most keys."""
    first = runs[0].config.get(key, MISSING)
    kind = type(first)
    if kind is list:
        return all(run.config.get(key) is first for run in runs)
    return all(type(value := run.config.get(key, MISSING)) is kind and value == first for run in runs)


def _values(runs: Sequence[ComparedRun], key: str) -> tuple[str, ...]:
    return tuple("" if key not in run.config else canonical_text(run.config[key]) for run in runs)
