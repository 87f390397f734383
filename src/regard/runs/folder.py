"""The run folder: the complete record of a run, readable without a server."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from regard import __version__
from regard.compatibility import in_present_form
from regard.errors import UsageError
from regard.runs.create import create_atomically, write_atomically
from regard.runs.parse import damaged_file, load_yaml, parse_file
from regard.runs.status.content import is_alive, is_lost
from regard.training.model_folder import is_model_folder


class RunFolder:
    """``runs/<name>/<date-time>-<id>/`` with config.yaml, status.json, metrics.csv, checkpoints/ and more."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path, config: dict[str, Any], overrides: Sequence[str]) -> RunFolder:
        """Create the folder ``path``, which must not exist, and freeze ``config`` in it.

        The folder appears complete or not at all. Raises RegardError if it cannot be written.
        """
        with create_atomically(path) as temporary:
            cls(temporary).fill(config, overrides)
        return cls(path)

    def fill(self, config: dict[str, Any], overrides: Sequence[str]) -> None:
        """Write ``config``, the version of regard and the first status to this folder, which must be empty."""
        frozen = {"regard": __version__} | config
        write_atomically(self.path / "config.yaml", yaml.safe_dump(frozen, sort_keys=False, allow_unicode=True))
        write_atomically(self.path / "overrides.yaml", yaml.safe_dump(list(overrides), allow_unicode=True))
        self.checkpoints.mkdir()
        self.set_status("submitted", attempt=0, pid=os.getpid())

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Return the run folder ``path``.

        Raises UsageError if it does not exist or is not a run folder.
        """
        if not path.exists():
            raise UsageError(f"{path}: no such run folder; run folders are in runs/NAME/")
        if not (path / "config.yaml").is_file() or not (path / "status.json").is_file():
            raise UsageError(f"{path}: not a run folder: config.yaml and status.json are missing")
        return cls(path)

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def attention(self) -> Path:
        """Folder of the attention pages and maps."""
        return self.path / "attention"

    @property
    def metrics(self) -> Path:
        """The file with all scalars by step."""
        return self.path / "metrics.csv"

    @property
    def console(self) -> Path:
        """The file with the output of its processes, if they ran without a terminal."""
        return self.path / "console.txt"

    def config(self) -> dict[str, Any]:
        """Return the frozen configuration. Raises RegardError if its file is damaged."""
        return in_present_form(parse_file(self.path / "config.yaml", load_yaml, dict))

    def section(self, name: str) -> dict[str, Any]:
        """Return one section of the frozen configuration, faster than all. Raises RegardError if it is damaged."""

        def parse(text: str) -> Any:
            if found := re.search(rf"^{name}:.*\n(?:[ #].*\n)*", text, re.MULTILINE):
                with suppress(yaml.YAMLError):  # a YAML alias of another section
                    return load_yaml(found[0])[name] or {}
            return load_yaml(text)[name] or {}

        return parse_file(self.path / "config.yaml", parse, dict)

    def overrides(self) -> list[str]:
        """Return the overrides that the user gave. Raises RegardError if its file is damaged."""
        found = parse_file(self.path / "overrides.yaml", lambda text: load_yaml(text) or [], list)
        return [str(override) for override in found]

    def status(self) -> dict[str, Any]:
        """Return the content of status.json; its status is ``lost`` if the run ended without recording it.

        Raises RegardError if its file is damaged.
        """
        status = self._recorded_status()
        if is_lost(status):
            status["status"] = "lost"
        return status

    def set_status(self, status: str, **facts: Any) -> None:
        """Write ``status`` and ``facts`` to status.json. Older facts are kept, except the reason ``why``."""
        path = self.path / "status.json"
        old = self._recorded_status() if path.exists() else {}
        old.pop("why", None)
        new = {
            "status": status,
            "host": socket.gethostname(),
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        write_atomically(path, json.dumps(old | new | facts, indent=2, ensure_ascii=False) + "\n")

    def submitter(self) -> int | None:
        """Return the PID of another local process that submitted the run and has not started it yet; else None."""
        pid = self._local_submitter()
        return pid if pid is not None and pid != os.getpid() and is_alive(pid) else None

    def is_abandoned(self) -> bool:
        """Return whether the local process that submitted the run was killed before it started the run."""
        pid = self._local_submitter()
        return pid is not None and not is_alive(pid)

    def _local_submitter(self) -> int | None:
        status = self.status()
        if (status["status"], status["host"], self.job()) != ("submitted", socket.gethostname(), None):
            return None
        pid: int | None = status.get("pid")
        return pid

    @contextmanager
    def locked(self, timeout_seconds: float = 0) -> Iterator[None]:
        """Hold the lock of the run inside the with statement: only one process works on a run.

        Raises UsageError if another process holds it for longer than ``timeout_seconds``.
        """
        lock = FileLock(self.path / ".working")
        try:
            lock.acquire(timeout=timeout_seconds)
        except Timeout:
            raise self._is_worked_on() from None
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def locked_while_idle(self) -> Iterator[None]:
        """Hold the lock of an idle run inside the with statement, so that its configuration can be changed.

        Raises UsageError if a process works on the run or is about to, on this machine or another.
        """
        with self.locked():
            if self.status()["status"] == "running":
                raise self._is_worked_on()
            if process := self.submitter():
                raise UsageError(f"{self.path}: process {process} has submitted this run and will start it")
            yield

    def _is_worked_on(self) -> UsageError:
        return UsageError(f"{self.path}: another process is working on this run; stop that one first")

    def set_job(self, job: str) -> None:
        """Record the SLURM job of this run. Not in status.json, which the job may already be writing."""
        write_atomically(self.path / ".job", job)

    def job(self) -> str | None:
        """Return the SLURM job of this run; None if it has none."""
        return self._read_note(".job")

    def cancel(self, reason: str) -> None:
        """Mark the run as cancelled: whoever works on it stops, and nobody starts it."""
        write_atomically(self.path / ".cancelled", reason)

    def cancelled(self) -> str | None:
        """Return the reason if the run is marked as cancelled, else None."""
        return self._read_note(".cancelled")

    def clear_cancelled(self) -> None:
        """Remove the mark of `cancel`."""
        (self.path / ".cancelled").unlink(missing_ok=True)

    def mark_submitted(self) -> None:
        """Mark the run as submitted by this process, which will start it or submit a job for it."""
        self.clear_cancelled()
        for name in (".failed", ".job"):
            (self.path / name).unlink(missing_ok=True)
        self.set_status("submitted", pid=os.getpid(), idle=0)

    def _recorded_status(self) -> dict[str, Any]:
        path = self.path / "status.json"
        status = parse_file(path, json.loads, dict)
        if not isinstance(status.get("status"), str):
            raise damaged_file(path, "the key status is missing")
        return {"attempt": 0, "host": None} | status

    def _read_note(self, name: str) -> str | None:
        """Return the text of the file ``name``; None if there is no such file."""
        try:
            return (self.path / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def write_json(self, name: str, content: Any) -> None:
        """Write ``content`` to the file ``name`` atomically."""
        write_atomically(self.path / name, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def find_run(run: Path) -> RunFolder | None:
    """Return the run folder RUN; None for a model alone: a checkpoint or a folder of `regard.training.model_folder`.

    Raises UsageError if ``run`` is another folder or does not exist.
    """
    return None if run.is_file() or is_model_folder(run) else RunFolder.open(run)


def find_checkpoint(run: Path) -> Path:
    """Return the checkpoint that RUN means: ``run`` itself, or the best or else the last one of a run folder.

    ``run`` itself may be a file or a folder that `regard.training.model_folder` describes. Raises UsageError if there
    is no checkpoint.
    """
    folder = find_run(run)
    if folder is None:
        return run
    for name in ("best.ckpt", "last.ckpt"):
        if (folder.checkpoints / name).is_file():
            return folder.checkpoints / name
    raise UsageError(f"{run}: no checkpoint yet (its status is {folder.status()['status']})")
