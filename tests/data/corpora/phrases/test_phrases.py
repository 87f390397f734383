"""The embedded corpus: seeded, unambiguous, with disjoint parts, in any locale."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import defaultdict
from datetime import date, time
from decimal import Decimal
from hashlib import blake2b
from random import Random

import pytest
from babel import Locale

from regard.data.corpora.corpus import SPLITS
from regard.data.corpora.phrases import cldr, meanings, phrases
from regard.data.corpora.phrases.cldr import Lexicon
from regard.data.corpora.phrases.phrases import Phrases
from regard.errors import UsageError

LOCALES = "de ar he ja zh zh_Hant th hi sw ru tr fa pl fi pt_BR fr_CA ko cs bn is".split()


def corpus(source: str = "en", target: str = "de", size: int = 2000, **arguments: int) -> Phrases:
    return Phrases(source, target, size, **{"validation_size": 200, "test_size": 200} | arguments)


def digest(some: Phrases) -> str:
    text = repr([list(some.records(split)) for split in SPLITS])
    return blake2b(text.encode()).hexdigest()


def test_every_part_has_the_requested_size() -> None:
    some = corpus(size=123, validation_size=45, test_size=67)
    assert [len(list(some.records(split))) for split in SPLITS] == [123, 45, 67]


def test_another_process_and_hash_seed_give_the_same_phrases() -> None:
    code = "import runpy, sys; print(runpy.run_path(sys.argv[1])['ours']())"
    environment = os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = (sys.executable, "-c", code, __file__)
    other = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert other.stdout.strip() == ours()


def test_another_seed_gives_other_phrases() -> None:
    assert digest(corpus(size=500)) != digest(corpus(size=500, seed=2))


def test_no_side_of_a_held_out_pair_is_in_another_part() -> None:
    some = corpus(size=5000, validation_size=1000, test_size=1000)
    train, validation, test = (list(some.records(split)) for split in SPLITS)
    for side in (0, 1):
        texts = [{pair[side] for pair in part} for part in (train, validation, test)]
        assert [len(texts[1]), len(texts[2])] == [1000, 1000]
        assert texts[0].isdisjoint(texts[1] | texts[2])
        assert texts[1].isdisjoint(texts[2])


def test_held_out_parts_do_not_depend_on_other_parts() -> None:
    test = list(corpus().records("test"))
    assert test == list(corpus(size=5, validation_size=7).records("test"))
    assert test[:100] == list(corpus(test_size=100).records("test"))


@pytest.mark.parametrize(("source", "target"), [("en", "de"), ("ar", "en"), ("ja", "fr")])
def test_a_source_has_one_target(source: str, target: str) -> None:
    targets = defaultdict(set)
    for text, translation in corpus(source, target, size=5000).records("train"):
        targets[text].add(translation)
    assert [text for text, translations in targets.items() if len(translations) > 1] == []


def test_options_that_are_the_same_in_the_source_are_dropped() -> None:
    # "3 days", long and short; the Arabic names of weekdays and months have no short form.
    english = Lexicon.of(Locale("en"), Locale("de"))
    assert ("duration-day", "long") in english.units
    assert ("duration-day", "short") not in english.units
    assert ("duration-day", "short") in Lexicon.of(Locale("de"), Locale("en")).units
    assert "yMMMEd" not in Lexicon.of(Locale("ar"), Locale("en")).dates
    assert cldr.distinguishable("abc", {"a": "xy", "b": "yz", "c": "z"}.__getitem__) == ["a", "c"]


def test_every_kind_occurs() -> None:
    text = "\n".join(source for source, _ in corpus(size=5000).records("train"))
    number = r"[\d,]+(\.\d+)?"
    for kind, pattern in {
        "full date": r"(Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, \w+ \d+, \d{4}",
        "short date": r"\d+/\d+/\d{4}",
        "month": r"(January|May) \d{4}",
        "quarter": r"[1-4](st|nd|rd|th) quarter \d{4}",
        "time": r"\d+:\d\d [AP]M",
        "moment": r"\w+day, \w+ \d+, \d{4}, \d+:\d\d [AP]M",
        "days within a month": r"[A-Z]\w\w \d+ – \d+, \d{4}",
        "days across months": r"[A-Z]\w\w \d+ – [A-Z]\w\w \d+, \d{4}",
        "days across years": r"[A-Z]\w\w \d+, \d{4} – [A-Z]\w\w \d+, \d{4}",
        "hours": r"\d+:\d\d( [AP]M)? – \d+:\d\d [AP]M",
        "ahead": r"in \d+ (weeks|months)",
        "ago": r"\d+ (days|years) ago",
        "symbol": rf"€{number}",
        "name": rf"{number} Swiss francs",
        "share": rf"{number}%",
        "long unit": rf"{number} kilometers per hour",
        "short unit": rf"{number} km²",
        "countries": r"(\w+, )+and (Germany|Japan|Chile|Kenya)",
        "languages": r"(\w+, )+or (German|Japanese|Polish|Thai)",
        "several": rf"{number} \w+ and {number} \w+",
        "fact": r"(Norway|Peru|Spain)(: | \()",
        "facts": r"(\w+: [^,:(]+, )+and \w+: ",
    }.items():
        assert re.search(f"^{pattern}", text, re.MULTILINE), kind


def test_source_and_target_mean_the_same() -> None:
    for source, target in corpus(size=2000).records("train"):
        # Both sides write the digits of a year and of a number in the same order, except times of day.
        if not re.search(r"[AP]M|[A-Z]\w\w \d|/|quarter|\d(st|nd|rd|th)", source):
            assert sorted(re.findall(r"\d+", source)) == sorted(re.findall(r"\d+", target))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (cldr.render_distance(-14, "day", Locale("de")), "vor 14 Tagen"),  # and not 2 weeks
        (cldr.render_days(date(2024, 5, 4), date(2024, 5, 9), Locale("de")), "4.–9. Mai 2024"),
        (cldr.render_times(time(9, 5), time(15, 4), Locale("en")), "9:05\u202fAM\u2009–\u20093:04\u202fPM"),
        (cldr.render_times(time(9, 5), time(15, 4), Locale.parse("zh_Hant")), "09:05 – 15:04"),
        (cldr.render_quantity(Decimal("1.5"), "duration-day", "long", Locale("cs")), "1,5 dne"),
        (cldr.render_quantity(1, "length-kilometer", "short", Locale("de")), "1 km"),  # has only one plural form
        (cldr.render_share(Decimal("0.125"), Locale("de")), "12,5\xa0%"),
        (cldr.render_moment(date(2024, 5, 4), time(15, 4), Locale("fr")), "samedi 4 mai 2024, 15:04"),
    ],
)
def test_phrases_are_those_of_the_cldr(text: str, expected: str) -> None:
    assert text == expected


def test_spaces_are_plain() -> None:
    texts = [text for pair in corpus("en", "fr").records("train") for text in pair]
    assert all(char == " " for text in texts for char in text if char.isspace())
    assert any(re.search(r"\d \d{3},\d\d €", text) for text in texts)
    assert all(text == text.strip() and text for text in texts)


@pytest.mark.parametrize("name", LOCALES)
def test_every_kind_can_be_rendered_in_any_locale(name: str) -> None:
    random, source, target = Random(1), Locale("en"), Locale.parse(name)
    for pair in ((source, target), (target, source)):
        lexicon = Lexicon.of(*pair)
        for kind in meanings.WEIGHTS:
            for _ in range(8):
                meaning = kind(random, lexicon)
                assert all(text and not {"{", "\n", "\t"} & set(text) for text in map(meaning, pair))


@pytest.mark.parametrize("name", ["pt_BR", "pt-BR"])
def test_both_spellings_of_a_locale_are_equal(name: str) -> None:
    some = corpus("en", name)
    some.check()
    assert some.fingerprint()["target"] == "pt_BR"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"source": "gm"}, r"^data\.source=gm .*did you mean g"),
        ({"target": "Greman"}, r"^data\.target=Greman .*did you mean de\b"),
        ({"target": "pt_BT"}, r"^data\.target=pt_BT .*did you mean .*pt_BR"),
        ({"target": ""}, r"^data\.target= "),
        ({"target": False}, r"^data\.target=False .*quotes"),
        ({"source": "pt-BR", "target": "pt_BR"}, r"both pt_BR"),
        ({"target": "aa"}, r"data\.target=aa: .*too few names"),
        ({"size": 0}, r"^data\.size=0"),
        ({"size": 1.5}, r"^data\.size=1\.5"),
        ({"test_size": -1}, r"^data\.test_size=-1"),
    ],
)
def test_the_error_of_an_invalid_argument_names_it(arguments: dict[str, object], message: str) -> None:
    bad = Phrases(**arguments)
    with pytest.raises(UsageError, match=message):
        bad.check()
    with pytest.raises(UsageError, match=message):
        next(bad.records("train"))


def test_too_large_held_out_parts_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phrases, "WEIGHTS", {meanings.a_share: 1})
    with pytest.raises(UsageError, match=r"^data\.test_size=1001: only \d+ distinct"):
        list(corpus(test_size=1001).records("test"))


@pytest.mark.parametrize("change", [{"seed": 2}, {"size": 9}, {"test_size": 9}, {"source": "fr"}, {"target": "fr"}])
def test_the_fingerprint_depends_on_every_argument(change: dict[str, object]) -> None:
    assert corpus().fingerprint() == corpus().fingerprint()
    assert corpus(**change).fingerprint() != corpus().fingerprint()


def ours() -> str:
    """Return the output of another process."""
    return digest(corpus("en", "ar", size=500))
