"""Multi30k, task 1: image captions in four languages (Elliott et al. 2016, Barrault et al. 2018)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from regard.data.corpora.corpus import PAIR, SPLITS, Split
from regard.data.corpora.download import published
from regard.data.corpora.reading.lines import read_pairs
from regard.errors import UsageError

LANGUAGES = ("en", "de", "fr", "cs")
URL = "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw"

_STEMS: dict[Split, str] = {"train": "train", "validation": "val", "test": "test_2016_flickr"}
# The corpus is published without checksums. The SHA-256 digests are those of copies whose MD5 digests are the ones
# that torchtext lists. No such copy of the Czech files was available: the MD5 digests are used for them.
DIGESTS = {
    "train.en.gz": "sha256:d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f",
    "train.de.gz": "sha256:726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6",
    "train.fr.gz": "sha256:622e75069e9f4c577425c4f277116ce66e63a2401c0a2312d90073cb12379a3c",
    "train.cs.gz": "md5:d9a5fc268917725a2b0efce3a0cc8607",
    "val.en.gz": "sha256:14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28",
    "val.de.gz": "sha256:f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a",
    "val.fr.gz": "sha256:ca3106f1a72390591d25f6c45cb4cd39dec4cd3f123e099748a3ce5256c160e9",
    "val.cs.gz": "md5:83cdc082f646b769095615384cf5c0ca",
    "test_2016_flickr.en.gz": "sha256:611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9",
    "test_2016_flickr.de.gz": "sha256:9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8",
    "test_2016_flickr.fr.gz": "sha256:6d326e188d259fb1d04ac19eae3af956559b3a0b93d7635e56c90987c40c8b90",
    "test_2016_flickr.cs.gz": "md5:3104872229daa1bef3b401d44dd2220b",
}


class Multi30k:
    """29,000 training, 1,014 validation and 1,000 test pairs (``test_2016_flickr``), in any direction.

    Args:
        source, target: two of ``LANGUAGES``.
        folder: folder of the files (``train.en.gz``, ...), which are downloaded into it when they are first read.
    """

    columns = PAIR

    def __init__(self, source: str, target: str, folder: str) -> None:
        self.source = source
        self.target = target
        self.folder = Path(folder).expanduser().absolute()

    def check(self) -> None:
        """Raise a UsageError unless source and target are two languages of the corpus. Downloads nothing."""
        for key, language in (("source", self.source), ("target", self.target)):
            if language not in LANGUAGES:
                raise UsageError(f"data.{key}={language}: Multi30k has {', '.join(LANGUAGES)}; choose one of them")
        if self.source == self.target:
            raise UsageError(f"data.source and data.target are both {self.source}; choose two languages")

    def fingerprint(self) -> dict[str, object]:
        """Return the digests of the files: the text does not depend on the folder."""
        self.check()
        names = [name for split in SPLITS for name in self._names(split)]
        return {"corpus": "multi30k", "files": [[name, DIGESTS[name]] for name in names]}

    def records(self, split: Split) -> Iterator[tuple[str, str]]:
        """Return the pairs of one part, downloaded if necessary; see ``Corpus.records``.

        Raises:
            RegardError: a file has another digest than the published one, or cannot be downloaded.
        """
        self.check()
        needed = [name for each in SPLITS for name in self._names(each)]
        source, target = (
            published(self.folder / name, f"{URL}/{name}", DIGESTS[name], needed) for name in self._names(split)
        )
        return read_pairs(source, target)

    def _names(self, split: Split) -> list[str]:
        return [f"{_STEMS[split]}.{language}.gz" for language in (self.source, self.target)]
