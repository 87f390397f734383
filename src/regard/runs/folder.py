"""The run folder: the record of a run, readable without any server."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
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
from regard.errors import RegardError, UsageError
from regard.files import replacing
from regard.runs.parse import damaged_file, load_yaml, parse_file
from regard.runs.status.content import is_alive, is_lost


class RunFolder:
    """``runs/<name>/<date-time>-<id>/`` with config.yaml, status.json, metrics.csv, checkpoints/ and more."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path, config: dict[str, Any], overrides: Sequence[str]) -> RunFolder:
        """Make the folder ``path``, which is nobody else's, and freeze ``config`` in it.

        The folder appears complete or not at all. Raises RegardError if it cannot be written.
        """
        with create_atomically(path) as making:
            cls(making).fill(config, overrides)
        return cls(path)

    def fill(self, config: dict[str, Any], overrides: Sequence[str]) -> None:
        """Freeze ``config``, and the version of regard that it is for, in this folder, which is empty."""
        frozen = {"regard": __version__} | config
        write_atomically(self.path / "config.yaml", yaml.safe_dump(frozen, sort_keys=False, allow_unicode=True))
        write_atomically(self.path / "overrides.yaml", yaml.safe_dump(list(overrides), allow_unicode=True))
        self.checkpoints.mkdir()
        self.set_status("submitted", attempt=0, pid=os.getpid())

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """An existing run folder.

        Raises UsageError if it is none.
        """
        if not path.exists():
            raise UsageError(f"{path}: no such run folder; runs/ holds them by name and time")
        if not (path / "config.yaml").is_file() or not (path / "status.json").is_file():
            raise UsageError(f"{path}: not a run folder: config.yaml and status.json are missing")
        return cls(path)

    @property
    def checkpoints(self) -> Path:
        """Where the checkpoints are."""
        return self.path / "checkpoints"

    @property
    def attention(self) -> Path:
        """Where the attention maps are."""
        return self.path / "attention"

    @property
    def metrics(self) -> Path:
        """The scalars."""
        return self.path / "metrics.csv"

    @property
    def console(self) -> Path:
        """What its processes printed, where no terminal showed it."""
        return self.path / "console.txt"

    def config(self) -> dict[str, Any]:
        """The frozen configuration. Raises RegardError if its file is damaged."""
        return in_present_form(parse_file(self.path / "config.yaml", load_yaml, dict))

    def section(self, name: str) -> dict[str, Any]:
        """A section of the frozen configuration, without reading the others, which takes longer.

        Raises RegardError if its file is damaged.
        """

        def parse(text: str) -> Any:
            if found := re.search(rf"^{name}:.*\n(?:[ #].*\n)*", text, re.MULTILINE):
                with suppress(yaml.YAMLError):  # one that refers to another section
                    return load_yaml(found[0])[name] or {}
            return load_yaml(text)[name] or {}

        return parse_file(self.path / "config.yaml", parse, dict)

    def overrides(self) -> list[str]:
        """What the user asked for. Raises RegardError if its file is damaged."""
        found = parse_file(self.path / "overrides.yaml", lambda text: load_yaml(text) or [], list)
        return [str(override) for override in found]

    def status(self) -> dict[str, Any]:
        """The status; ``lost`` if the run stopped without being able to say so.

        Raises RegardError if its file is damaged.
        """
        status = self._recorded_status()
        if is_lost(status):
            status["status"] = "lost"
        return status

    def set_status(self, status: str, **facts: Any) -> None:
        """Write the status down, with the facts that are new; older facts stay."""
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
        """The other process of this machine that is still to start it, as far as this one can see; else None."""
        status = self.status()
        if (status["status"], status["host"], self.job()) != ("submitted", socket.gethostname(), None):
            return None
        pid: int | None = status.get("pid")
        return pid if pid is not None and pid != os.getpid() and is_alive(pid) else None

    @contextmanager
    def locked(self, timeout_seconds: float = 0) -> Iterator[None]:
        """Within this, no other process works on this run.

        Raises UsageError if one does, and goes on to for ``timeout_seconds``.
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
        """Within this, no other process works on this run or is about to: its configuration may be changed.

        Raises UsageError if one does, on this machine or another.
        """
        with self.locked():
            if self.status()["status"] == "running":
                raise self._is_worked_on()
            if process := self.submitter():
                raise UsageError(f"{self.path}: left to process {process}, which is to start it")
            yield

    def _is_worked_on(self) -> UsageError:
        return UsageError(f"{self.path}: another process is working on this run; stop that one first")

    def set_job(self, job: str) -> None:
        """Note the SLURM job that is to work on this run; not in status.json, which the job may be writing already."""
        write_atomically(self.path / ".job", job)

    def job(self) -> str | None:
        """The SLURM job that works on this run, or is to; None if it is none's."""
        return self._word(".job")

    def cancel(self, reason: str) -> None:
        """Leave word that this run is to end and not to begin again, whoever would start it."""
        write_atomically(self.path / ".cancelled", reason)

    def cancelled(self) -> str | None:
        """Why it shall not go on, if so."""
        return self._word(".cancelled")

    def clear_cancelled(self) -> None:
        """It may go on after all."""
        (self.path / ".cancelled").unlink(missing_ok=True)

    def mark_submitted(self) -> None:
        """It is to be worked on again: this process will start it, or has that done."""
        self.clear_cancelled()
        for name in (".failed", ".job"):
            (self.path / name).unlink(missing_ok=True)
        self.set_status("submitted", pid=os.getpid(), idle=0)

    def _recorded_status(self) -> dict[str, Any]:
        path = self.path / "status.json"
        status = parse_file(path, json.loads, dict)
        if not isinstance(status.get("status"), str):
            raise damaged_file(path, "it says no status")
        return {"attempt": 0, "host": None} | status

    def _word(self, name: str) -> str | None:
        """What was noted in the file ``name``; None if nothing was."""
        try:
            return (self.path / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def write_json(self, name: str, content: Any) -> None:
        """Write ``content`` to the file ``name``, whole or not at all."""
        write_atomically(self.path / name, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def unique_path(parent: Path) -> Path:
    """A name in ``parent`` that nobody else comes upon."""
    return parent / f"{datetime.now().strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"


@contextmanager
def create_atomically(final: Path) -> Iterator[Path]:
    """A new folder to fill, which will appear as ``final`` when that is done."""
    making = final.with_name(f".{final.name}")
    try:
        making.mkdir(parents=True)
        yield making
        making.rename(final)
    except OSError as error:
        shutil.rmtree(making, ignore_errors=True)
        raise RegardError(f"{final}: cannot make the run folder ({error.strerror}); set paths.runs") from error


def write_atomically(path: Path, text: str) -> None:
    """Write a text file, which others may be writing too: readers see the old one or the new one."""
    with replacing(path, f".{secrets.token_hex(4)}") as beside:
        beside.write_text(text, encoding="utf-8")


def find_checkpoint(run: Path) -> Path:
    """The checkpoint that RUN means: a checkpoint itself, or the best one of a run folder, or its last.

    Raises UsageError if there is none.
    """
    if run.is_file():
        return run
    folder = RunFolder.open(run)
    for name in ("best.ckpt", "last.ckpt"):
        if (folder.checkpoints / name).is_file():
            return folder.checkpoints / name
    raise UsageError(f"{run}: has no checkpoint yet (its status is {folder.status()['status']})")
