"""Files that are published with a digest: found in a folder, or downloaded to it."""

from __future__ import annotations

import hashlib
import http.client
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path

from regard.data.prepare.store import disk_errors
from regard.errors import RegardError

TIMEOUT_SECONDS = 30


def published(path: Path, url: str, digest: str, siblings: Iterable[str] = ()) -> Path:
    """``path``, which is the published file; downloaded if it is not there.

    Args:
        digest: ``ALGORITHM:HEX``, of an algorithm that hashlib has.
        siblings: names of the other files that the corpus needs in the same folder, for messages.

    Raises:
        RegardError: it is another file (both digests), or cannot be downloaded.
    """
    if not path.exists():
        _download(path, url, digest, siblings)
        return path
    found = _digest(path.read_bytes(), digest)
    if found != digest:
        raise RegardError(
            f"{path} is not the published file: its digest is {found}, expected {digest}; "
            "remove it, and it will be downloaded"
        )
    return path


def _download(path: Path, url: str, digest: str, siblings: Iterable[str]) -> None:
    folder = path.parent
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response:
            content: bytes = response.read()
    except (OSError, http.client.HTTPException) as error:  # URLError and time-outs are OSErrors
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it holds the connection
        needed = dict.fromkeys([path.name, *siblings])
        missing = [name for name in needed if not (folder / name).exists()]
        raise RegardError(
            f"cannot download {url} ({error}); connect to the network, or place {', '.join(missing)} in {folder}"
        ) from error
    found = _digest(content, digest)
    if found != digest:
        raise RegardError(
            f"{url} gave a file that is not the published one: its digest is {found}, expected {digest}; "
            f"place the right file in {folder}"
        )
    # Written beside its name, then renamed: whoever finds the file finds all of it.
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=f".{path.name}-") as beside:
            whole = Path(beside) / path.name
            whole.write_bytes(content)
            whole.replace(path)


def _digest(content: bytes, like: str) -> str:
    """The digest of ``content``, by the algorithm that ``like`` names."""
    algorithm = like.partition(":")[0]
    return f"{algorithm}:{hashlib.new(algorithm, content, usedforsecurity=False).hexdigest()}"
