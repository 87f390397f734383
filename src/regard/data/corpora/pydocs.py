"""The embedded corpus for language models: the Python reference, as Python ships it for ``help()``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from regard.data.corpora.corpus import TEXT, Split
from regard.data.corpora.filters import hash_record
from regard.errors import RegardError


class Pydocs:
    """The topics of the language reference (``pydoc_data.topics``), one document each; English.

    A topic's name decides its part, so that a topic is in the same one whatever the version of Python: 5 % are for
    validation, 5 % for the test. The texts differ between versions, and so do the results.
    """

    columns = TEXT

    def check(self) -> None:
        """Raise a RegardError if this Python comes without its documentation."""
        _topics()

    def fingerprint(self) -> dict[str, object]:
        """The digest of all topics: it changes with the version of Python."""
        text = repr(sorted(_topics().items()))
        return {"corpus": "pydocs", "digest": hashlib.sha256(text.encode()).hexdigest()}

    def records(self, split: Split) -> Iterator[tuple[str]]:
        """The topics of one part by name; see ``Corpus.records``."""
        for name, text in sorted(_topics().items()):
            if _part(name) == split:
                yield (text,)


def _topics() -> dict[str, str]:
    try:
        from pydoc_data.topics import topics
    except ImportError as error:
        raise RegardError(
            "this Python comes without its documentation (pydoc_data.topics); choose data=tinyshakespeare or data=text"
        ) from error
    return topics


def _part(name: str) -> Split:
    place = hash_record((name,)) % 100
    return "test" if place < 5 else "validation" if place < 10 else "train"
