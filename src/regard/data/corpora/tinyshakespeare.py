"""Tiny Shakespeare: a million characters of Shakespeare's plays (Karpathy 2015, char-rnn)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from regard.data.corpora.corpus import TEXT, MissingSplit, Split
from regard.data.corpora.download import published

URL = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
# Published without a checksum: this is the digest of a copy of November 2026.
DIGEST = "sha256:86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
TRAINING_SHARE = 0.9


class TinyShakespeare:
    """One document for training, the first 90 % of the characters, and one for validation, the rest.

    nanoGPT splits the text in the same way, so that losses per character are comparable. There is no test part.

    Args:
        folder: folder of ``input.txt``, which is downloaded into it when it is first read.
    """

    columns = TEXT

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder).expanduser().absolute()

    def check(self) -> None:
        """Do nothing: there is nothing to check before the download."""

    def fingerprint(self) -> dict[str, object]:
        """Return the digest of the file: the text does not depend on the folder."""
        return {"corpus": "tinyshakespeare", "file": DIGEST, "training_share": TRAINING_SHARE}

    def records(self, split: Split) -> Iterator[tuple[str]]:
        """Return the document of one part, downloaded if necessary; see ``Corpus.records``.

        Raises:
            RegardError: the file has another digest than the published one, or cannot be downloaded.
        """
        if split == "test":
            raise MissingSplit("Tiny Shakespeare has no test part; use validation")
        text = published(self.folder / "input.txt", URL, DIGEST).read_text(encoding="utf-8")
        end = int(TRAINING_SHARE * len(text))
        return iter([(text[:end] if split == "train" else text[end:],)])
