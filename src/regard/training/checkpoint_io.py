"""Atomic writing of checkpoint files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from regard.files import replacing


class SafeCheckpointIO(TorchCheckpointIO):
    """Writes a temporary file beside the target, flushes it and renames it. Keeps the previous ``last.ckpt``.

    Lightning writes through ``$TMPDIR``, which can leave a truncated file in place of a good one.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Replace ``path`` atomically. An existing ``last.ckpt`` is renamed to ``last.previous.ckpt``.

        Raises OSError if the file cannot be written; existing files are then unchanged.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with replacing(path) as beside:
                with beside.open("wb") as file:
                    torch.save(checkpoint, file)
                if path.name == "last.ckpt" and path.exists():
                    path.replace(path.with_name("last.previous.ckpt"))
        except (OSError, RuntimeError) as error:
            # PyTorch raises a RuntimeError without the message of the operating system.
            cause = error if isinstance(error, OSError) else error.__context__
            if not isinstance(cause, OSError):
                raise
            raise OSError(cause.errno, cause.strerror, str(path)) from error
