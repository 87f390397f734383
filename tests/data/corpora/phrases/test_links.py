"""Word links by rule: the words of the same concept in two languages are linked."""

from __future__ import annotations

from datetime import date, time
from decimal import Decimal
from functools import partial
from pathlib import Path
from random import Random

import pytest
from babel import Locale

from regard.data.corpora.corpus import SPLITS
from regard.data.corpora.links import LinkedCorpus, Links, parse_links, read_links
from regard.data.corpora.phrases import cldr, meanings
from regard.data.corpora.phrases.cldr import Lexicon, Meaning
from regard.data.corpora.phrases.links import link
from regard.data.corpora.phrases.phrases import Phrases
from regard.errors import RegardError

MONDAY = date(2038, 8, 2)


def facts() -> Meaning:
    money = partial(cldr.render_money, Decimal("3.50"), "EUR", "standard")
    france, chile = (partial(cldr.render_name, "territories", code) for code in ("FR", "CL"))
    items = [partial(cldr.render_fact, "{}: {}", country, money) for country in (france, chile)]
    return partial(cldr.render_all, items, "or")


@pytest.mark.parametrize(
    ("meaning", "target", "text", "expected"),
    [
        # Monday, August 2, 2038
        (partial(cldr.render_date, MONDAY, "full"), "de", "Montag, 2. August 2038", "0-0 1-2 2-1 3-3"),
        (partial(cldr.render_date, MONDAY, "full"), "ja", "2038年8月2日月曜日", "0-0 1-0 2-0 3-0"),
        # March 2, 2038, a Tuesday: mar does not match in marzo; de has no counterpart
        (
            partial(cldr.render_date, date(2038, 3, 2), "long"), "es", "2 de marzo de 2038",
            "0?1 0-2 0?3 1-0 1?1 1?3 2?1 2?3 2-4",
        ),
        # 3rd quarter 2038: rd in 3rd is not a separate word
        (partial(cldr.render_date, MONDAY, "yQQQQ"), "de", "3. Quartal 2038", "0-0 1-1 2-2"),
        # Monday, August 2, 2038, 8:02 PM: PM is part of 20
        (
            partial(cldr.render_moment, MONDAY, time(20, 2)), "de", "Montag, 2. August 2038, 20:02",
            "0-0 1-2 2-1 3-3 4-4 5?4",
        ),
        # Aug 2 – 4, 2038
        (partial(cldr.render_days, MONDAY, date(2038, 8, 4)), "de", "2.–4. Aug. 2038", "0-1 1-0 2-0 3-0 4-2"),
        # Aug 2, 2038 – Aug 2, 2039: each end has its own year
        (
            partial(cldr.render_days, MONDAY, date(2039, 8, 2)), "de", "2. Aug. 2038 – 2. Aug. 2039",
            "0-1 1-0 2-2 3-3 4-5 5-4 6-6",
        ),
        # 9:05 AM – 3:04 PM
        (
            partial(cldr.render_times, time(9, 5), time(15, 4)), "de", "09:05–15:04 Uhr",
            "0-0 1?1 2-0 3-0 4?1",
        ),
        # 3 days ago
        (partial(cldr.render_distance, -3, "day"), "de", "vor 3 Tagen", "0-1 1-2 2-0"),
        (partial(cldr.render_distance, 3, "day"), "de", "in 3 Tagen", "0-0 1-1 2-2"),
        # 3 kilometers per hour: the links between three and three words are unknown
        (
            partial(cldr.render_quantity, 3, "speed-kilometer-per-hour", "long"), "de", "3 Kilometer pro Stunde",
            "0-0 1?1 1?2 1?3 2?1 2?2 2?3 3?1 3?2 3?3",
        ),
        (partial(cldr.render_quantity, 3, "area-square-kilometer", "long"), "de", "3 Quadratkilometer", "0-0 1-1 2-1"),
        (partial(cldr.render_share, Decimal("0.032")), "de", "3,2 %", "0-0 0-1"),
        # France: €3.50 or Chile: €3.50
        (facts(), "de", "Frankreich: 3,50 € oder Chile: 3,50 €", "0-0 1-1 1-2 2-3 3-4 4-5 4-6"),
    ],
)  # fmt: skip
def test_links_of(meaning: Meaning, target: str, text: str, expected: str) -> None:
    locale = Locale.parse(target)
    assert meaning(locale).translate(str.maketrans("\u00a0\u202f\u2009", "   ")) == text
    assert str(link(meaning, Locale("en"), locale)) == expected


def test_links_are_reversed_with_the_languages() -> None:
    random, locales = Random(3), (Locale("en"), Locale("de"))
    lexicon = Lexicon.of(*locales)
    for _ in range(300):
        meaning = meanings.draw(random, lexicon, meanings.WEIGHTS)
        there, back = link(meaning, *locales), link(meaning, *locales[::-1])
        assert {(b, a) for a, b in back.sure} == there.sure
        assert {(b, a) for a, b in back.possible} == there.possible


def test_every_word_of_a_record_has_a_link() -> None:
    corpus = Phrases("en", "de", size=10)
    assert isinstance(corpus, LinkedCorpus)
    for split in SPLITS:
        pairs, links = list(corpus.records(split)), list(corpus.links(split))
        assert len(pairs) == len(links)
        for (source, target), found in zip(pairs, links, strict=True):
            assert {a for a, _ in found.possible} == set(range(len(source.split())))
            assert {b for _, b in found.possible} == set(range(len(target.split())))
            assert found.sure <= found.possible
    assert 300 < sum(found.reordered() for found in corpus.links("test")) < 600


@pytest.mark.parametrize("name", "de ar ja th hi fi fr ko".split())
def test_any_locale_has_links(name: str) -> None:
    random, source, target = Random(1), Locale("en"), Locale.parse(name)
    lexicon = Lexicon.of(source, target)
    for kind in meanings.WEIGHTS:
        for _ in range(8):
            meaning = kind(random, lexicon)
            links = link(meaning, source, target)
            assert links.possible, meaning(source)
            assert max(a for a, _ in links.possible) < len(meaning(source).split())
            assert max(b for _, b in links.possible) < len(meaning(target).split())


def test_links_are_read_as_they_were_written(tmp_path: Path) -> None:
    links = parse_links("1-0 0-1 2?2 3p2")
    assert links == Links(frozenset({(1, 0), (0, 1)}), frozenset({(1, 0), (0, 1), (2, 2), (3, 2)}))
    assert str(links) == "0-1 1-0 2?2 3?2"
    assert links.reordered()
    assert not parse_links("0-0 0-1 1-1 2?0").reordered(), "possible links are not its order"
    file = tmp_path / "gold.txt"
    file.write_text("0-0\n\n1?2\n")
    assert read_links(file) == [parse_links("0-0"), parse_links(""), parse_links("1?2")]
    file.write_text("0-0\n0-0 1:1\n")
    with pytest.raises(RegardError, match=r"gold\.txt, line 2: '1:1' is not a link: expected SOURCE-TARGET"):
        read_links(file)
