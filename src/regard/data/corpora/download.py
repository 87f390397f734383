"""Published files with a known digest: found in a folder, or downloaded into it.

Not pooch: it would overwrite a file of the user that has another digest, create the folder of a download that fails,
and report one digest without naming the files to place by hand.
"""

from __future__ import annotations

import hashlib
import http.client
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path

from regard.errors import RegardError
from regard.files import disk_errors, replacing

TIMEOUT_SECONDS = 30


def published(path: Path, url: str, digest: str, siblings: Iterable[str] = ()) -> Path:
    """Return ``path`` after checking that it is the published file. Download it if it does not exist.

    Args:
        digest: ``ALGORITHM:HEX``, where hashlib knows the algorithm.
        siblings: names of the other files that the corpus needs in the same folder, for messages.

    Raises:
        RegardError: the file has another digest (both are named), or cannot be downloaded.
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
    except (OSError, http.client.HTTPException) as error:  # URLError and timeouts are OSErrors
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
            f"{url} returned a file that is not the published one: its digest is {found}, expected {digest}; "
            f"place the right file in {folder}"
        )
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(path, f".{secrets.token_hex(4)}") as temporary:
            temporary.write_bytes(content)


def _digest(content: bytes, like: str) -> str:
    """Return the digest of ``content``, computed with the algorithm of the digest ``like``."""
    algorithm = like.partition(":")[0]
    return f"{algorithm}:{hashlib.new(algorithm, content, usedforsecurity=False).hexdigest()}"
