"""Objects from configuration: the one place where ``_target_`` is followed."""

from __future__ import annotations

from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate

from regard.errors import RegardError, UsageError


def build(config: dict[str, Any], **arguments: Any) -> Any:
    """What ``config`` describes: ``_target_`` called with its other keys and ``arguments``.

    Raises RegardError as the called code does; UsageError, naming the key, if it cannot be called.
    """
    try:
        return instantiate(config, **arguments)
    except InstantiationException as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, RegardError):
            cause = cause.__cause__
        if cause is not None:
            raise cause from error
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        key = next((line.removeprefix("full_key: ") for line in lines if line.startswith("full_key: ")), "")
        raise UsageError(
            f"{key or config.get('_target_')}: {lines[0]} {' '.join(lines[1:-1])[:200]}".strip()
        ) from error
