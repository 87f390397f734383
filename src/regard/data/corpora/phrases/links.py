"""Which words of a phrase translate which, by rule, from what the phrase means.

Both languages say the same concepts: the day, the month, the number, the unit. A concept's words in one are linked
to its words in the other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from functools import partial
from itertools import product
from typing import Any, cast
from unicodedata import category

from babel import Locale
from babel.dates import format_date

from regard.data.corpora.links import Link, Links
from regard.data.corpora.phrases import cldr
from regard.data.corpora.phrases.cldr import Meaning

Concept = tuple[str | int, ...]
"""The path to it: (1, "date", "month") is the month of the date that is the second of a list."""

Positions = set[int]
"""Where a concept is said: places of characters."""

REST = "rest"
# The words of a phrase that are no concept of their own, and AM or Uhr, which need not have a counterpart.
OPTIONAL = (REST, "period")

WEEKDAYS = ("EEEE", "cccc", "EEE", "ccc")
MONTHS = ("MMMM", "LLLL", "MMM", "LLL")


def link(meaning: Meaning, source: Locale, target: Locale) -> Links:
    """The links of what the two locales say.

    Sure: of a concept that one of them says in one word, that word with all the other's. Possible: of others, each
    word with each; and what has no counterpart, such as AM, with each word of the phrase that it is a part of.
    """
    (text, said), (translation, answered) = _render(meaning, source), _render(meaning, target)
    words, others = _words(text), _words(translation)
    sure: set[Link] = set()
    possible: set[Link] = set()
    for concept in said.keys() | answered.keys():
        here, there = _positions_of(concept, said), _positions_of(concept, answered)
        links = set(product(_numbers(words, here), _numbers(others, there)))
        possible |= links
        both = concept in said and concept in answered
        if both and concept[-1] != "period" and 1 in (len({a for a, _ in links}), len({b for _, b in links})):
            sure |= links
    return Links(frozenset(sure), frozenset(possible))


def _positions_of(concept: Concept, said: dict[Concept, Positions]) -> Positions:
    """Where the concept is said; if it is loose and not said, wherever the phrase is that it would be a part of."""
    if concept in said or concept[-1] not in OPTIONAL:
        return said.get(concept, set())
    within = concept[:-1]
    return {place for found, places in said.items() if found[: len(within)] == within for place in places}


def _words(text: str) -> list[range]:
    """The words of a text, split at white space, as ranges of places."""
    return [range(*found.span()) for found in re.finditer(r"\S+", text)]


def _numbers(words: list[range], places: Positions) -> list[int]:
    return [number for number, word in enumerate(words) if not places.isdisjoint(word)]


def _render(meaning: Meaning, locale: Locale) -> tuple[str, dict[Concept, Positions]]:
    """What the locale says, and where in it each concept is."""
    call = cast("partial[str]", meaning)
    text = call(locale)
    arguments: tuple[Any, ...] = call.args
    if call.func is cldr.render_all:
        return text, _parts(text, dict(enumerate(arguments[0])), locale)
    if call.func is cldr.render_fact:
        return text, _parts(text, {"head": arguments[1], "body": arguments[2]}, locale)
    if call.func is cldr.render_moment:
        day, clock = arguments
        parts = {"date": partial(cldr.render_date, day, "full"), "time": partial(cldr.render_time, clock)}
        return text, _parts(text, parts, locale)
    if call.func is cldr.render_name:
        return text, {("name",): set(range(len(text)))}
    concepts = _fields(call, text, locale)
    rest = "period" if call.func in (cldr.render_time, cldr.render_times) else REST
    return text, _with_rest(text, concepts, rest)


def _fields(call: partial[str], text: str, locale: Locale) -> dict[Concept, Positions]:
    """The concepts of a phrase that has no phrases in it."""
    if call.func is cldr.render_date:
        return _date(text, call.args[0], locale, last=False)
    if call.func is cldr.render_days:
        start, end = (_date(text, day, locale, last) for day, last in zip(call.args, (False, True), strict=True))
        concepts = {("start", *name): places for name, places in start.items()}
        concepts |= {("end", *name): places for name, places in end.items()}
        return concepts | _dash(text)
    if call.func is cldr.render_times:
        times = [set(range(*found.span())) for found in re.finditer(r"\d+\D\d+", text)]
        return {("start", "number"): times[0], ("end", "number"): times[-1]} | _dash(text) if times else {}
    digits = re.search(r"\d(.*\d)?", text)
    concepts = {("number",): set(range(*digits.span()))} if digits else {}
    if call.func is cldr.render_distance:
        count, unit = call.args
        opposite = cldr.render_distance(-count, unit, locale).split()
        found = [
            word for word in re.finditer(r"\S+", text) if word[0] not in opposite and not re.search(r"\d", word[0])
        ]
        if found:
            concepts["direction",] = {place for word in found for place in range(*word.span())}
    return concepts


def _date(text: str, day: date, locale: Locale, last: bool) -> dict[Concept, Positions]:
    """The fields of a date, each at its first place in the text, or at its last."""
    names = {
        "year": (str(day.year),),
        "weekday": tuple(format_date(day, pattern, locale=locale) for pattern in WEEKDAYS),
        "month": (*(format_date(day, pattern, locale=locale) for pattern in MONTHS), f"{day.month:02}", f"{day.month}"),
        "day": (f"{day.day:02}", f"{day.day}"),
        "quarter": (str((day.month + 2) // 3),),
    }
    concepts: dict[Concept, Positions] = {}
    for field, forms in names.items():
        taken: Positions = set().union(*concepts.values())
        if field == "quarter" and ({("day",), ("month",)} & concepts.keys()):
            continue
        for form in forms:
            every = re.finditer(_whole(form), text)
            found = [places for one in every if taken.isdisjoint(places := range(*one.span()))]
            if found:
                concepts[field,] = set(found[-1 if last else 0])
                break
    taken = set().union(*concepts.values())
    for said in concepts.values():  # and what hangs on it is a part of it: 4th, 1er, 5月
        while (after := max(said) + 1) < len(text) and text[after].isalpha() and after not in taken:
            said.add(after)
    return concepts


def _whole(form: str) -> str:
    """The pattern of a number or name that is no part of a longer one: mar, Tuesday, is not in marzo."""
    if form.isdecimal():
        return rf"(?<!\d){form}(?!\d)"
    if category(form[0]) == "Lo":  # of a script without capitals, and perhaps without spaces
        return re.escape(form)
    return rf"(?<![^\W\d_]){re.escape(form)}(?![^\W\d_])"


def _dash(text: str) -> dict[Concept, Positions]:
    """The sign between begin and end of an interval."""
    found = re.search("[–—~〜～]| - ", text)
    return {("to",): {place for place in range(*found.span()) if not text[place].isspace()}} if found else {}


def _parts(text: str, parts: Mapping[Any, Meaning], locale: Locale) -> dict[Concept, Positions]:
    """The concepts of phrases within a phrase, and what is around them."""
    concepts: dict[Concept, Positions] = {}
    for name, meaning in parts.items():
        own, inner = _render(meaning, locale)
        taken: Positions = set().union(*concepts.values())
        begins = (one.start() for one in re.finditer(f"(?={re.escape(own)})", text))
        begin = next((b for b in begins if taken.isdisjoint(range(b, b + len(own)))), None)
        if begin is not None:
            concepts |= {(name, *concept): {begin + place for place in places} for concept, places in inner.items()}
    return _with_rest(text, concepts, REST)


def _with_rest(text: str, concepts: dict[Concept, Positions], name: str) -> dict[Concept, Positions]:
    """The concepts, and what else the text says but punctuation."""
    taken: Positions = set().union(*concepts.values())
    rest = {place for place, char in enumerate(text) if place not in taken and _has_meaning(char)}
    return concepts | {(name,): rest} if rest else concepts


def _has_meaning(char: str) -> bool:
    return char in "%‰٪" or category(char)[0] in "LMNS"
