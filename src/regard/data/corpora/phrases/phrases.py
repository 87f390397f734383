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

# Part of the fingerprint: raise it whenever the same arguments give other phrases.
GENERATOR = 1
# The spaces that the CLDR puts into numbers and ranges (no-break, narrow no-break, thin) become plain ones:
# so people type them, and so NFKC has them, SentencePiece's default. All else, bidi marks too, stays.
PLAIN_SPACES = str.maketrans(dict.fromkeys("\u00a0\u202f\u2009", " "))
# Locales that name fewer territories, languages, currencies or units than this are not worth translating.
FEWEST_NAMES = 10
# After so many phrases in a row that may not be used, there are no others.
MOST_REFUSALS = 2000


class Phrases:
    """Dates, times, intervals, sums of money, quantities, lists of countries and languages, and combinations.

    Seeded, and alike in every process. The held-out parts do not depend on ``size``; none of their sources
    and targets is in another part, and each occurs once. The training part is a stream without memory:
    short phrases ("in 3 days") recur in it, the more the larger it is.

    Args:
        source, target: locales such as ``en``, ``pt_BR`` or ``zh-Hant``.
        size: training pairs.
        seed: another seed gives other phrases.
        validation_size, test_size: held-out pairs, which come on top of ``size``.
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
        """See that both locales are known, differ and have enough names, and that the sizes are sizes.

        Raises:
            UsageError: names the key, and what was perhaps meant.
        """
        for key in ("size", "validation_size", "test_size"):
            number = getattr(self, key)
            if type(number) is not int or number < 1:
                raise UsageError(f"data.{key}={number}: give a whole number above 0")
        self._locales_and_lexicon()

    def fingerprint(self) -> dict[str, object]:
        """Everything that the text depends on."""
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
        """Stream one part; memory holds what is held out and no more.

        Raises:
            UsageError: as `check` does; or the locales have too few phrases for what is to be held out.
        """
        for _, source, target in self._phrases(split):
            yield source, target

    def links(self, split: Split) -> Iterator[Links]:
        """Which words of each record translate which, in the order of `records`, by the rules of `phrase_links`."""
        locales = self._locales()
        for meaning, _, _ in self._phrases(split):
            yield link(meaning, *locales)

    def _phrases(self, split: Split) -> Iterator[tuple[Meaning, str, str]]:
        """What each record of one part means, and both of its texts."""
        self.check()
        # The test part first, so that it stays the same whatever the size of the validation part.
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
        """``size`` phrases, none with a source in ``sources`` or a target in ``targets`` (which may grow)."""
        locales, lexicon = self._locales_and_lexicon()
        random = Random(f"regard phrases {self.seed} {part}")  # a text seeds alike in every process
        given = refused = 0
        while given < size:
            meaning = draw(random, lexicon, WEIGHTS)
            source, target = (meaning(locale).translate(PLAIN_SPACES).strip() for locale in locales)
            if source in sources or target in targets:
                refused += 1
                if refused == MOST_REFUSALS:
                    key = "size" if part == "train" else f"{part}_size"
                    raise UsageError(f"data.{key}={size}: only {given} distinct phrases were found; lower it")
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
                "languages, currencies or units in the CLDR; choose another"
            )
        return (source, target), lexicon


def parse_locale(key: str, name: str) -> Locale:
    """The locale of that name.

    Raises:
        UsageError: there is none; names ``key`` and what was perhaps meant.
    """
    if not isinstance(name, str):
        raise UsageError(f"{key}={name} is not text; put the locale in quotes")
    try:
        return Locale.parse(name.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        near = similar_locales(name)
        meant = f"; did you mean {', '.join(near)}?" if near else ""
        raise UsageError(f"{key}={name} is not a locale of the CLDR, such as en, de, ja or pt_BR{meant}") from None


def similar_locales(name: str) -> list[str]:
    """A few locales whose identifier, or language in English, begins and looks like ``name``."""
    languages = Locale("en").languages
    known = {identifier.lower(): identifier for identifier in sorted(locale_identifiers())}
    known |= {languages[code].lower(): code for code in known if code in languages}
    asked = name.lower().replace("-", "_")
    # Among two-letter codes nearly everything looks alike: the first letter at least has to be right.
    alike = get_close_matches(asked, [text for text in known if text[:1] == asked[:1]], n=4, cutoff=0.5)
    return list(dict.fromkeys(known[text] for text in alike))
