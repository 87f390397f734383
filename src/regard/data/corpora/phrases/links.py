"""Word alignments of phrases, derived by rules from their meaning.

Both languages express the same concepts: the day, the month, the number, the unit. The words of a concept in one
language are linked to its words in the other.
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
"""The path to a concept: (1, "date", "month") is the month of the date in the second item of a list."""

Positions = set[int]
"""The positions of the characters of a concept in a text."""

REST = "rest"
# Concepts without a counterpart in some languages: other words of a phrase, and day periods such as AM or Uhr.
OPTIONAL = (REST, "period")

WEEKDAYS = ("EEEE", "cccc", "EEE", "ccc")
MONTHS = ("MMMM", "LLLL", "MMM", "LLL")


def link(meaning: Meaning, source: Locale, target: Locale) -> Links:
    """Return the word links of a meaning in two locales.

    Links are sure for a concept that is one word in one of the locales: that word and all words in the other locale.
    Links are possible between all words of any other concept, and between an optional concept without a counterpart,
    such as AM, and all words of the phrase that contains it.
    """
    source_text, in_source = _render(meaning, source)
    target_text, in_target = _render(meaning, target)
    source_words, target_words = _words(source_text), _words(target_text)
    sure: set[Link] = set()
    possible: set[Link] = set()
    for concept in in_source.keys() | in_target.keys():
        here, there = _positions_of(concept, in_source), _positions_of(concept, in_target)
        links = set(product(_word_numbers(source_words, here), _word_numbers(target_words, there)))
        possible |= links
        both = concept in in_source and concept in in_target
        if both and concept[-1] != "period" and 1 in (len({a for a, _ in links}), len({b for _, b in links})):
            sure |= links
    return Links(frozenset(sure), frozenset(possible))


def _positions_of(concept: Concept, found: dict[Concept, Positions]) -> Positions:
    """Return the positions of the concept; of an optional one that is missing, those of the phrase around it."""
    if concept in found or concept[-1] not in OPTIONAL:
        return found.get(concept, set())
    within = concept[:-1]
    return {position for other, positions in found.items() if other[: len(within)] == within for position in positions}


def _words(text: str) -> list[range]:
    """Return the words of a text, separated by white space, as ranges of positions."""
    return [range(*found.span()) for found in re.finditer(r"\S+", text)]


def _word_numbers(words: list[range], positions: Positions) -> list[int]:
    return [number for number, word in enumerate(words) if not positions.isdisjoint(word)]


def _render(meaning: Meaning, locale: Locale) -> tuple[str, dict[Concept, Positions]]:
    """Return the text of a meaning in a locale, and the positions of each concept."""
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
    """Return the concepts of a phrase without nested phrases."""
    if call.func is cldr.render_date:
        return _date(text, call.args[0], locale, last=False)
    if call.func is cldr.render_days:
        start, end = (_date(text, day, locale, last) for day, last in zip(call.args, (False, True), strict=True))
        concepts = {("start", *name): positions for name, positions in start.items()}
        concepts |= {("end", *name): positions for name, positions in end.items()}
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
            concepts["direction",] = {position for word in found for position in range(*word.span())}
    return concepts


def _date(text: str, day: date, locale: Locale, last: bool) -> dict[Concept, Positions]:
    """Return the fields of a date, each at its first position in the text, or at its last one."""
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
            found = [positions for one in every if taken.isdisjoint(positions := range(*one.span()))]
            if found:
                concepts[field,] = set(found[-1 if last else 0])
                break
    taken = set().union(*concepts.values())
    for field_positions in concepts.values():  # letters that follow are part of the field: 4th, 1er, 5月
        while (after := max(field_positions) + 1) < len(text) and text[after].isalpha() and after not in taken:
            field_positions.add(after)
    return concepts


def _whole(form: str) -> str:
    """Return a pattern for a number or name that is not part of a longer one: mar (Tuesday) is not in marzo."""
    if form.isdecimal():
        return rf"(?<!\d){form}(?!\d)"
    if category(form[0]) == "Lo":  # a script without case, and possibly without spaces
        return re.escape(form)
    return rf"(?<![^\W\d_]){re.escape(form)}(?![^\W\d_])"


def _dash(text: str) -> dict[Concept, Positions]:
    """Return the dash of an interval."""
    found = re.search("[–—~〜～]| - ", text)
    return {("to",): {position for position in range(*found.span()) if not text[position].isspace()}} if found else {}


def _parts(text: str, parts: Mapping[Any, Meaning], locale: Locale) -> dict[Concept, Positions]:
    """Return the concepts of nested phrases, and the rest of the phrase."""
    concepts: dict[Concept, Positions] = {}
    for name, meaning in parts.items():
        own, inner = _render(meaning, locale)
        taken: Positions = set().union(*concepts.values())
        begins = (one.start() for one in re.finditer(f"(?={re.escape(own)})", text))
        begin = next((b for b in begins if taken.isdisjoint(range(b, b + len(own)))), None)
        if begin is not None:
            concepts |= {
                (name, *concept): {begin + position for position in positions} for concept, positions in inner.items()
            }
    return _with_rest(text, concepts, REST)


def _with_rest(text: str, concepts: dict[Concept, Positions], name: str) -> dict[Concept, Positions]:
    """Return the concepts, and the rest of the text without punctuation as another concept."""
    taken: Positions = set().union(*concepts.values())
    rest = {position for position, char in enumerate(text) if position not in taken and _has_meaning(char)}
    return concepts | {(name,): rest} if rest else concepts


def _has_meaning(char: str) -> bool:
    return char in "%‰٪" or category(char)[0] in "LMNS"
