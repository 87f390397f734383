"""Going on with a run: what may change, and what must not."""

from __future__ import annotations

import difflib

import yaml

from regard.errors import UsageError
from regard.runs.folder import RunFolder, write_whole

CHANGEABLE = ("trainer.max_steps", "trainer.devices")


def prepare_resume(run: RunFolder, overrides: list[str]) -> None:
    """Put the changes into the frozen configuration and note them in overrides.yaml.

    Raises UsageError for a key that may not change, or a value that is no whole number above 0.
    """
    config = run.config()
    for override in overrides:
        key, _, value = override.partition("=")
        if key not in CHANGEABLE:
            near = difflib.get_close_matches(key, CHANGEABLE, n=1)
            hint = f"did you mean {near[0]}?" if near else "start a new run for that, with init_from= if you like"
            raise UsageError(f"{key}: only {' and '.join(CHANGEABLE)} may change on resume; {hint}")
        if not value.isdecimal() or int(value) < 1:
            raise UsageError(f"{override}: give a whole number, 1 or more")
        name = key.removeprefix("trainer.")
        if name == "max_steps" and config["schedule"].get("total_steps") == config["trainer"]["max_steps"]:
            config["schedule"]["total_steps"] = config["task"]["schedule"]["total_steps"] = int(value)
        config["trainer"][name] = int(value)
        if name == "devices" and config["trainer"]["strategy"] == "auto" and int(value) > 1:
            config["trainer"]["strategy"] = "ddp"
    if overrides:
        before = yaml.safe_load((run.path / "overrides.yaml").read_text(encoding="utf-8")) or []
        write_whole(run.path / "overrides.yaml", yaml.safe_dump([*before, *overrides], allow_unicode=True))
        write_whole(run.path / "config.yaml", yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
