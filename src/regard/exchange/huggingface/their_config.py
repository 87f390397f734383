"""config.json of the library transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from regard.errors import UsageError, one_line


class TheirConfig:
    """The values of config.json in a folder.

    Raises UsageError if the file is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "config.json"
        try:
            values = json.loads(self.path.read_text(encoding="utf-8"))
        except OSError as error:
            raise UsageError(f"{self.path}: {error.strerror}; expected a folder of transformers") from error
        except ValueError as error:
            raise UsageError(f"{self.path}: not JSON ({one_line(error)})") from error
        if not isinstance(values, dict) or "model_type" not in values:
            raise UsageError(f"{self.path}: model_type is missing; expected a folder of transformers")
        self.values: dict[str, Any] = values

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value; ``default`` if it is missing or null."""
        found = self.values.get(key)
        return default if found is None else found

    def size(self, *keys: str) -> int:
        """Return a size: the first key with a positive number. Raises UsageError if no key has one."""
        for key in keys:
            if isinstance(found := self.values.get(key), int) and found > 0:
                return found
        raise self.refused(keys[0], self.values.get(keys[0]), "a positive number")

    def token(self, key: str, vocab_size: int) -> int:
        """Return the id of a special token. Raises UsageError if it is not one number below ``vocab_size``."""
        found = self.get(key)
        if not isinstance(found, int) or not 0 <= found < vocab_size:
            raise UsageError(f"{self.path}: {key}={json.dumps(found)}: expected one id below {vocab_size}")
        return found

    def require(self, key: str, *allowed: Any) -> Any:
        """Return a value. Raises UsageError unless it is one of ``allowed``; the first stands for a missing one."""
        found = self.get(key, allowed[0])
        if found not in allowed:
            raise self.refused(key, found, " or ".join(json.dumps(each) for each in allowed))
        return found

    def refused(self, key: str, found: Any, expected: str) -> UsageError:
        """Return the error for a value that no model of regard has."""
        return UsageError(f"{self.path}: {key}={json.dumps(found)}: regard has no such model; expected {expected}")

    def rotary_base(self) -> float:
        """Return the base of the angles of rotary positions. Raises UsageError if the angles are scaled."""
        rope = self.get("rope_parameters", {})
        for values, name in ((rope, "rope_parameters"), (self.get("rope_scaling", {}), "rope_scaling")):
            kind = values.get("rope_type", values.get("type", "default"))
            if kind != "default" or values.get("partial_rotary_factor", 1.0) != 1.0:
                raise self.refused(name, values, 'rope_type "default"')
        self.require("partial_rotary_factor", 1.0)
        return float(rope.get("rope_theta", self.get("rope_theta", 10_000.0)))
