"""Configurations written by earlier versions of regard, in run folders and in checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RENAMED = {
    "regard.model.positions.Unmarked": "regard.model.positions.NoPositions",
    "regard.model.positions.Unturned": "regard.model.positions.NoRotation",
    "regard.model.encoder.TextEncoder": "regard.model.encoders.text.TextEncoder",
    "regard.model.image_encoder.PatchEncoder": "regard.model.encoders.patches.PatchEncoder",
    "regard.model.torchvision_encoder.TorchvisionEncoder": "regard.model.encoders.torchvision.TorchvisionEncoder",
}
"""Targets that earlier versions wrote (positions until 0.2, encoders until 0.3) and their present names."""

REPEATED = ("optimizer", "schedule")
"""Sections of a run's configuration that ``task`` repeated until 0.2. Training used the copies in ``task``."""

REPEATED_KEYS = tuple(f"task.{name}." for name in REPEATED)

SMOOTHING = "label_smoothing"
NEXT_TOKEN = "regard.training.objectives.next_token.NextToken"
"""Until 0.3, ``task`` had no objective: it was this one, and its argument was one of ``task``."""


def with_present_names(config: Any) -> Any:
    """Return a copy of ``config`` in which each ``_target_`` has its present name."""
    if isinstance(config, dict):
        return {
            key: RENAMED.get(value, value) if key == "_target_" else with_present_names(value)
            for key, value in config.items()
        }
    if isinstance(config, list):
        return [with_present_names(value) for value in config]
    return config


GENERATORS = {
    "translation": "regard.inference.translator.Translator",
    "language": "regard.inference.language_model.LanguageModel",
}
"""The generators of the tasks until 0.3, which did not name them."""


def model_in_present_form(about: dict[str, Any]) -> dict[str, Any]:
    """Return the description of a model in a checkpoint, as any version wrote it, in the present form."""
    model = with_present_names(about.get("model"))
    translates = isinstance(model, dict) and model.get("encoder") is not None
    return {"generator": GENERATORS["translation" if translates else "language"]} | about | {"model": model}


def in_present_form(config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration of a run, as any version wrote it, in the form that this version writes."""
    config = with_present_names(config)
    task = config.get("task")
    if isinstance(task, dict):
        config |= {name: task.pop(name) for name in REPEATED if name in task}
        if task.get("name") in GENERATORS:
            task.setdefault("generator", {"_target_": GENERATORS[task["name"]], "_partial_": True})
        if SMOOTHING in task:
            task["objective"] = {"_target_": NEXT_TOKEN, SMOOTHING: task.pop(SMOOTHING)}
    return config


def keys_in_present_form(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same as `in_present_form`, of a configuration by dotted keys."""
    present = {
        present_key(key): RENAMED.get(value, value) if key.endswith("_target_") else value
        for key, value in config.items()
    }
    return {"task.objective._target_": NEXT_TOKEN} | present if f"task.{SMOOTHING}" in config else present


def present_key(key: str) -> str:
    """Return the present name of a dotted key."""
    if key == f"task.{SMOOTHING}":
        return f"task.objective.{SMOOTHING}"
    return key.removeprefix("task.") if key.startswith(REPEATED_KEYS) else key
