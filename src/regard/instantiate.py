"""Objects from configuration: the only place that follows ``_target_``."""

from __future__ import annotations

import re
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate

from regard import __version__
from regard.errors import RegardError, UsageError, one_line


def build(config: dict[str, Any], **arguments: Any) -> Any:
    """Call the ``_target_`` of ``config`` with its other keys and ``arguments``, and return the result.

    Raises a RegardError of the called code unchanged; UsageError, naming the key, if the target cannot be called.
    """
    try:
        return instantiate(config, **arguments)
    except InstantiationException as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, RegardError):
            cause = cause.__cause__
        if cause is not None:
            raise cause from error
        if unknown := re.search(r"Error locating target '(regard\.[\w.]+)'", str(error)):
            raise UsageError(
                f"{unknown[1]} is not in regard {__version__}: another version configured this run (config.yaml names "
                "it); use that version, or start a new run with init_from=RUN"
            ) from error
        key = re.search(r"full_key: (\S+)", str(error))
        raise UsageError(
            f"{key[1] if key else config.get('_target_')}: {one_line(error.__cause__ or error)}"
        ) from error
