"""The embedded corpus: phrases of the Unicode CLDR in any two of its locales."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from importlib.metadata import version
from random import Random

from babel import Locale, UnknownLocaleError
from babel.core import get_cldr_version
from babel.localedata import locale_identifiers

from regard.data.corpora.corpus import PAIR, Split
from regard.data.corpora.links import Links
from regard.data.corpora.phrases.cldr import Lexicon, Meaning
from regard.data.corpora.phrases.links import link
from regard.data.corpora.phrases.meanings import WEIGHTS, draw
from regard.errors import UsageError

# Part of the fingerprint: raise it when the same arguments result in other phrases.
GENERATOR = 1
# The spaces of the CLDR in numbers and ranges (no-break, narrow no-break, thin) become plain spaces, as users type them
# and as in NFKC, the default of SentencePiece. Everything else is unchanged, including bidi marks.
PLAIN_SPACES = str.maketrans(dict.fromkeys("\u00a0\u202f\u2009", " "))
# Locales with fewer names of territories, languages, currencies or units have too few phrases.
FEWEST_NAMES = 10
# After this number of consecutive phrases that are already in use, no other phrase is expected.
MOST_REFUSALS = 2000


class Phrases:
    """Dates, times, intervals, sums of money, quantities, lists of countries and languages, and combinations.

    Seeded, and the same in every process. The held-out parts do not depend on ``size``. None of their sources and
    targets is in another part, and each occurs once. The training part is a stream without memory: short phrases ("in
    3 days") recur in it, more often in a larger part.

    Args:
        source, target: locales such as ``en``, ``pt_BR`` or ``zh-Hant``.
        size: number of training pairs.
        seed: random seed of the phrases.
        validation_size, test_size: number of held-out pairs, in addition to ``size``.
    """

    columns = PAIR

    def __init__(
        self,
        source: str = "en",
        target: str = "de",
        size: int = 50_000,
        seed: int = 1,
        validation_size: int = 1000,
        test_size: int = 1000,
    ) -> None:
        self.source = source
        self.target = target
        self.size = size
        self.seed = seed
        self.validation_size = validation_size
        self.test_size = test_size

    def check(self) -> None:
        """Check that both locales are known, differ and have enough names, and that sizes are positive integers.

        Raises:
            UsageError: names the key, and similar values.
        """
        for key in ("size", "validation_size", "test_size"):
            number = getattr(self, key)
            if type(number) is not int or number < 1:
                raise UsageError(f"data.{key}={number}: expected an integer >= 1")
        self._locales_and_lexicon()

    def fingerprint(self) -> dict[str, object]:
        """Return everything that the text depends on."""
        source, target = self._locales()
        return {
            "corpus": "phrases",
            "generator": GENERATOR,
            "source": str(source),
            "target": str(target),
            "seed": self.seed,
            "size": self.size,
            "validation_size": self.validation_size,
            "test_size": self.test_size,
            "babel": version("babel"),
            "cldr": get_cldr_version(),
        }

    def records(self, split: Split) -> Iterator[tuple[str, str]]:
        """Stream one part. Only the held-out parts are held in memory.

        Raises:
            UsageError: as `check`; or the locales have too few phrases for the held-out parts.
        """
        for _, source, target in self._phrases(split):
            yield source, target

    def links(self, split: Split) -> Iterator[Links]:
        """Yield the word links of each record, in the order of `records`, by the rules of `phrases.links`."""
        locales = self._locales()
        for meaning, _, _ in self._phrases(split):
            yield link(meaning, *locales)

    def _phrases(self, split: Split) -> Iterator[tuple[Meaning, str, str]]:
        """Yield the meaning and both texts of each record of one part."""
        self.check()
        # The test part comes first, so that it does not depend on the size of the validation part.
        sources: set[str] = set()
        targets: set[str] = set()
        for part, size in (("test", self.test_size), ("validation", self.validation_size)):
            for meaning, source, target in self._draw(part, size, sources, targets):
                sources.add(source)
                targets.add(target)
                if part == split:
                    yield meaning, source, target
            if part == split:
                return
        yield from self._draw("train", self.size, sources, targets)

    def _draw(self, part: str, size: int, sources: set[str], targets: set[str]) -> Iterator[tuple[Meaning, str, str]]:
        """Draw ``size`` phrases with no source in ``sources`` and no target in ``targets``. Both may grow meanwhile."""
        locales, lexicon = self._locales_and_lexicon()
        random = Random(f"regard phrases {self.seed} {part}")  # a string seed is the same in every process
        given = refused = 0
        while given < size:
            meaning = draw(random, lexicon, WEIGHTS)
            source, target = (meaning(locale).translate(PLAIN_SPACES).strip() for locale in locales)
            if source in sources or target in targets:
                refused += 1
                if refused == MOST_REFUSALS:
                    key = "size" if part == "train" else f"{part}_size"
                    raise UsageError(f"data.{key}={size}: only {given} distinct phrases were found; lower the size")
                continue
            given, refused = given + 1, 0
            yield meaning, source, target

    def _locales(self) -> tuple[Locale, Locale]:
        source, target = parse_locale("data.source", self.source), parse_locale("data.target", self.target)
        if source == target:
            raise UsageError(f"data.source and data.target are both {source}; choose two locales")
        return source, target

    def _locales_and_lexicon(self) -> tuple[tuple[Locale, Locale], Lexicon]:
        source, target = self._locales()
        lexicon = Lexicon.of(source, target)
        kinds = (lexicon.territories, lexicon.languages, lexicon.money, lexicon.units)
        if any(len(names) < FEWEST_NAMES for names in kinds):
            raise UsageError(
                f"data.source={source} data.target={target}: one of them has too few names of countries, "
                "languages, currencies or units in the CLDR; choose another locale"
            )
        return (source, target), lexicon


def parse_locale(key: str, name: str) -> Locale:
    """Return the locale of that name.

    Raises:
        UsageError: the locale does not exist; names ``key`` and similar locales.
    """
    if not isinstance(name, str):
        raise UsageError(f"{key}={name} is not text: put the locale in quotes")
    try:
        return Locale.parse(name.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        near = similar_locales(name)
        meant = f"; did you mean {', '.join(near)}?" if near else ""
        raise UsageError(f"{key}={name} is not a locale of the CLDR, such as en, de, ja or pt_BR{meant}") from None


def similar_locales(name: str) -> list[str]:
    """Return locales whose identifier, or English language name, is similar to ``name``."""
    languages = Locale("en").languages
    known = {identifier.lower(): identifier for identifier in sorted(locale_identifiers())}
    known |= {languages[code].lower(): code for code in known if code in languages}
    asked = name.lower().replace("-", "_")
    # Nearly all two-letter codes are similar: the first letter must be equal.
    similar = get_close_matches(asked, [text for text in known if text[:1] == asked[:1]], n=4, cutoff=0.5)
    return list(dict.fromkeys(known[text] for text in similar))
