"""Checkpoint files that are whole or not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from regard.files import replacing


class SafeCheckpointIO(TorchCheckpointIO):
    """Writes beside the target, flushes, renames, and keeps the last but one.

    Lightning's own way over ``$TMPDIR`` can leave a truncated file where the good one was.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Replace ``path`` in one step; what stood at ``last.ckpt`` becomes ``last.previous.ckpt``.

        Raises OSError if it cannot be written, and leaves what is there as it is.
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
            # PyTorch hides what the disk said behind a message of its own.
            disk = error if isinstance(error, OSError) else error.__context__
            if not isinstance(disk, OSError):
                raise
            raise OSError(disk.errno, disk.strerror, str(path)) from error
