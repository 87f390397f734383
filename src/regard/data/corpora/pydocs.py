"""The embedded corpus for language models: the Python language reference that ships with Python for ``help()``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from regard.data.corpora.corpus import TEXT, Split
from regard.data.corpora.filters import hash_record
from regard.errors import RegardError


class Pydocs:
    """The topics of the language reference (``pydoc_data.topics``), one document each; English.

    5 % of the topics are for validation and 5 % for the test, selected by name: a topic is in the same part for every
    version of Python. The texts differ between versions, and so do the results.
    """

    columns = TEXT

    def check(self) -> None:
        """Raise a RegardError if this Python is installed without its documentation."""
        _topics()

    def fingerprint(self) -> dict[str, object]:
        """Return the digest of all topics, which changes with the version of Python."""
        text = repr(sorted(_topics().items()))
        return {"corpus": "pydocs", "digest": hashlib.sha256(text.encode()).hexdigest()}

    def records(self, split: Split) -> Iterator[tuple[str]]:
        """Yield the topics of one part, sorted by name; see ``Corpus.records``."""
        for name, text in sorted(_topics().items()):
            if _part(name) == split:
                yield (text,)


def _topics() -> dict[str, str]:
    try:
        from pydoc_data.topics import topics
    except ImportError as error:
        raise RegardError(
            "this Python is installed without its documentation (pydoc_data.topics); "
            "choose data=tinyshakespeare or data=text"
        ) from error
    return topics


def _part(name: str) -> Split:
    place = hash_record((name,)) % 100
    return "test" if place < 5 else "validation" if place < 10 else "train"
