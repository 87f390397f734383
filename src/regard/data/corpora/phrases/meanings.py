"""Meanings of the phrases of the embedded corpus. Each kind of phrase is a function that draws a random meaning.

A meaning is a partial call of a ``render_`` function of `cldr`, with all arguments except the locale. `links` inspects
them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from functools import partial
from random import Random

from babel.numbers import get_currency_precision

from regard.data.corpora.phrases import cldr
from regard.data.corpora.phrases.cldr import Lexicon, Meaning, Number

Kind = Callable[[Random, Lexicon], Meaning]


def draw(random: Random, lexicon: Lexicon, weights: dict[Kind, int]) -> Meaning:
    """Draw a meaning of one of the kinds, with probabilities proportional to the weights."""
    (kind,) = random.choices(list(weights), list(weights.values()))
    return kind(random, lexicon)


def draw_day(random: Random) -> date:
    return date(1980, 1, 1) + timedelta(days=random.randrange(70 * 365))


def draw_time(random: Random) -> time:
    return time(random.randrange(24), random.randrange(60))


def draw_number(random: Random, most_digits: int) -> int:
    """Draw a number >= 1. Numbers with many digits are rare."""
    digits = random.randint(1, random.randint(1, most_digits))
    return random.randrange(10 ** (digits - 1), 10**digits)


def draw_count(random: Random) -> Number:
    """Draw a number, an integer in most cases. The decimal digit is never 0, so that every locale shows it."""
    whole = draw_number(random, 4)
    return Decimal(f"{whole}.{random.randint(1, 9)}") if random.random() < 0.25 else whole


def a_date(random: Random, lexicon: Lexicon) -> Meaning:
    day, style = draw_day(random), random.choice(lexicon.dates)
    return partial(cldr.render_date, day, style)


def a_time(random: Random, lexicon: Lexicon) -> Meaning:
    clock = draw_time(random)
    return partial(cldr.render_time, clock)


def a_moment(random: Random, lexicon: Lexicon) -> Meaning:
    day, clock = draw_day(random), draw_time(random)
    return partial(cldr.render_moment, day, clock)


def some_days(random: Random, lexicon: Lexicon) -> Meaning:
    # In most cases within a month, else across months or years: these are rendered differently.
    start, length = draw_day(random), random.randint(1, random.choice((14, 14, 90, 800)))
    return partial(cldr.render_days, start, start + timedelta(days=length))


def some_hours(random: Random, lexicon: Lexicon) -> Meaning:
    start, end = sorted(random.sample(range(24 * 60), 2))
    times = [time(*divmod(minutes, 60)) for minutes in (start, end)]
    return partial(cldr.render_times, times[0], times[1])


def a_distance(random: Random, lexicon: Lexicon) -> Meaning:
    count, unit = random.choice((-1, 1)) * draw_number(random, 2), random.choice(list(cldr.SECONDS))
    return partial(cldr.render_distance, count, unit)


def a_sum(random: Random, lexicon: Lexicon) -> Meaning:
    code, style = random.choice(lexicon.money)
    places = get_currency_precision(code)
    amount = Decimal(draw_number(random, 5) * 10**places + random.choice((0, random.randrange(10**places))))
    return partial(cldr.render_money, amount.scaleb(-places), code, style)


def a_share(random: Random, lexicon: Lexicon) -> Meaning:
    share = Decimal(random.randint(1, 1000)) / 1000
    return partial(cldr.render_share, share)


def a_quantity(random: Random, lexicon: Lexicon) -> Meaning:
    count, (unit, length) = draw_count(random), random.choice(lexicon.units)
    return partial(cldr.render_quantity, count, unit, length)


def a_country(random: Random, lexicon: Lexicon) -> Meaning:
    code = random.choice(lexicon.territories)
    return partial(cldr.render_name, "territories", code)


def a_language(random: Random, lexicon: Lexicon) -> Meaning:
    code = random.choice(lexicon.languages)
    return partial(cldr.render_name, "languages", code)


def joined(random: Random, lexicon: Lexicon, items: Sequence[Meaning]) -> Meaning:
    style = random.choice(lexicon.lists)
    return partial(cldr.render_all, items, style)


def some_countries(random: Random, lexicon: Lexicon) -> Meaning:
    codes = random.sample(lexicon.territories, random.randint(2, 5))
    return joined(random, lexicon, [partial(cldr.render_name, "territories", code) for code in codes])


def some_languages(random: Random, lexicon: Lexicon) -> Meaning:
    codes = random.sample(lexicon.languages, random.randint(2, 5))
    return joined(random, lexicon, [partial(cldr.render_name, "languages", code) for code in codes])


def several(random: Random, lexicon: Lexicon) -> Meaning:
    """Draw two or three meanings of one kind: "3 hours and 20 minutes", "in 4 days or in 2 weeks"."""
    kind = random.choice((a_distance, a_sum, a_quantity))
    return joined(random, lexicon, [kind(random, lexicon) for _ in range(random.choice((2, 2, 2, 3)))])


def a_fact(random: Random, lexicon: Lexicon) -> Meaning:
    """Draw a name with a fact: "Germany: 3 kilometers" or "Polish (12 hours ago)"."""
    # The CLDR has no pattern for these. The punctuation is the same in all languages.
    pattern = random.choice(("{}: {}", "{} ({})"))
    return partial(cldr.render_fact, pattern, draw(random, lexicon, HEADS), draw(random, lexicon, BODIES))


def some_facts(random: Random, lexicon: Lexicon) -> Meaning:
    """Draw two or three countries with one kind of fact: "Chile: 3.2%, Kenya: 4%, and Japan: 1.1%"."""
    kind = random.choice((a_date, a_distance, a_sum, a_share, a_quantity, a_language))
    codes = random.sample(lexicon.territories, random.choice((2, 2, 2, 3)))
    countries = [partial(cldr.render_name, "territories", code) for code in codes]
    facts = [partial(cldr.render_fact, "{}: {}", country, kind(random, lexicon)) for country in countries]
    return joined(random, lexicon, facts)


HEADS: dict[Kind, int] = {a_country: 3, a_language: 1}
BODIES: dict[Kind, int] = {
    a_date: 2,
    a_moment: 1,
    some_days: 2,
    some_hours: 2,
    a_distance: 2,
    a_sum: 3,
    a_share: 1,
    a_quantity: 3,
    some_languages: 2,
    several: 1,
}
WEIGHTS: dict[Kind, int] = {
    a_date: 16,
    a_time: 3,
    a_moment: 8,
    some_days: 10,
    some_hours: 6,
    a_distance: 5,
    a_sum: 12,
    a_share: 1,
    a_quantity: 12,
    some_countries: 8,
    some_languages: 6,
    several: 5,
    a_fact: 8,
    some_facts: 2,
}
