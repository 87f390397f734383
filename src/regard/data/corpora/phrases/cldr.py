"""Phrases in any locale of the Unicode CLDR, rendered with babel.

A `Meaning` is drawn once and rendered in both languages. A `Lexicon` has the names and styles that both locales know
and that differ in the source, so that a source text has one translation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from typing import Any, Literal, TypeVar, cast

from babel import Locale, localedata
from babel.dates import format_date, format_interval, format_skeleton, format_time, format_timedelta
from babel.lists import format_list
from babel.numbers import format_currency, format_decimal, format_percent

Meaning = Callable[[Locale], str]
Number = int | Decimal
Option = TypeVar("Option")
NameKind = Literal["territories", "languages"]
MoneyStyle = Literal["standard", "name"]  # with the symbol of the currency, or with its name
ListStyle = Literal["standard", "or"]
TimeUnit = Literal["second", "minute", "hour", "day", "week", "month", "year"]

# The best-known names only: each must recur often enough in a small corpus to be learned.
TERRITORIES = (
    "AF AL DZ AD AO AR AM AU AT AZ BD BE BJ BO BA BW BR BG KH CM CA CL CN CO CR HR CU CY CZ DK DO EC EG "
    "SV EE ET FI FR GE DE GH GR GT HT HN HU IS IN ID IQ IR IE IL IT JM JP JO KZ KE KR KW LA LV LB LY LT "
    "LU MG MY MX MD MC MN ME MA MZ MM NA NP NL NZ NI NG MK NO OM PK PA PY PE PH PL PT QA RO RU RW SA SN "
    "RS SG SK SI ZA ES LK SD SE CH SY TZ TH TN TR UG UA AE GB US UY UZ VE VN YE ZM ZW"
).split()
LANGUAGES = (
    "af sq am ar hy az eu be bn bs bg my ca zh hr cs da nl en eo et fi fr gl ka de el gu ht ha he hi hu "
    "is id ga it ja kn kk km ko lo la lv lt mk ms mt mn ne no ps fa pl pt pa ro ru sr si sk sl so es sw "
    "sv ta te th tr uk ur uz vi cy yo zu"
).split()
CURRENCIES = (
    "EUR USD GBP JPY CHF CAD AUD CNY INR BRL MXN SEK NOK DKK PLN CZK HUF TRY RUB ZAR KRW THB ILS NZD EGP"
).split()
UNITS = (
    "length-kilometer length-meter length-centimeter length-millimeter length-mile length-foot length- "
    "inch area-square-kilometer area-square-meter area-hectare mass-tonne mass-kilogram mass-gram mass- "
    "pound mass-ounce volume-liter volume-milliliter volume-cubic-meter duration-year duration-month "
    "duration-week duration-day duration-hour duration-minute duration-second digital-terabyte digital- "
    "gigabyte digital-megabyte temperature-celsius temperature-fahrenheit speed-kilometer-per-hour speed- "
    "mile-per-hour power-watt power-kilowatt energy-kilowatt-hour energy-kilocalorie frequency-hertz "
    "frequency-megahertz electric-volt"
).split()
# Two formats of babel, then CLDR skeletons. Unabbreviated ones come first: of two styles that are the same in the
# source, the later one is dropped.
DATE_STYLES = ("full", "long", "yMMMEd", "yMd", "MMMMd", "yMMMM", "yQQQQ")
MONEY_STYLES: tuple[MoneyStyle, ...] = ("standard", "name")
LIST_STYLES: tuple[ListStyle, ...] = ("standard", "or")
# The number of seconds by which format_timedelta of babel divides.
SECONDS: dict[TimeUnit, int] = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
SECONDS |= {"month": 30 * SECONDS["day"], "year": 365 * SECONDS["day"]}


@dataclass(frozen=True)
class Lexicon:
    """The names and styles that both locales know and that differ in the source, as CLDR codes and styles."""

    territories: list[str]
    languages: list[str]
    money: list[tuple[str, MoneyStyle]]  # code, style
    units: list[tuple[str, str]]  # unit, length
    dates: list[str]
    lists: list[ListStyle]

    @classmethod
    def of(cls, source: Locale, target: Locale) -> Lexicon:
        """Make the lexicon of two locales.

        Names that a locale does not have are dropped. So is the second of two options that are the same in the source:
        "3 days" is both the long and the short form in English, but German has "3 Tage" and "3 Tg.".
        """
        both = (source, target)
        names: list[tuple[NameKind, str]] = [("territories", code) for code in TERRITORIES]
        names += [("languages", code) for code in LANGUAGES]
        names = [name for name in names if all(has_name(*name, each) for each in both)]
        names = distinguishable(names, lambda name: [render_name(*name, source)])
        money = [(code, style) for style in MONEY_STYLES for code in CURRENCIES]
        money = [name for name in money if all(has_money(*name, each) for each in both)]
        units = [(unit, length) for length in ("long", "short") for unit in UNITS]
        units = [name for name in units if all(unit_forms(*name, each) for each in both)]
        counts: list[Number] = [1, 2, 3, 5, 11, 21, Decimal("1.5")]
        days = [date(2024, month, day) for month in range(1, 13) for day in range(13, 20)]
        return cls(
            territories=[code for kind, code in names if kind == "territories"],
            languages=[code for kind, code in names if kind == "languages"],
            money=distinguishable(money, lambda name: [render_money(count, *name, source) for count in counts]),
            units=distinguishable(units, lambda name: [render_quantity(count, *name, source) for count in counts]),
            dates=distinguishable(DATE_STYLES, lambda style: [render_date(day, style, source) for day in days]),
            lists=distinguishable(LIST_STYLES, lambda style: [render_list(["A", "B", "C"], style, source)]),
        )


def distinguishable(options: Iterable[Option], renderings: Callable[[Option], Iterable[str]]) -> list[Option]:
    """Return the options whose sample texts differ from those of all previous options."""
    kept: list[Option] = []
    seen: set[str] = set()
    for option in options:
        texts = set(renderings(option))
        if seen.isdisjoint(texts):
            kept.append(option)
            seen |= texts
    return kept


def has_name(kind: NameKind, code: str, locale: Locale) -> bool:
    """Return whether the locale has a name for the territory or language."""
    return code in getattr(locale, kind)


def render_name(kind: NameKind, code: str, locale: Locale) -> str:
    """Return the name of a territory or of a language."""
    return str(getattr(locale, kind)[code])


def render_date(day: date, style: str, locale: Locale) -> str:
    """Return a date in one of `DATE_STYLES`."""
    if style in locale.date_formats:
        return format_date(day, style, locale=locale)
    return format_skeleton(style, day, locale=locale)


def render_time(clock: time, locale: Locale) -> str:
    """Return a time in hours and minutes, with 12 or 24 hours as usual in the locale."""
    return format_time(clock, "short", locale=locale)


def render_moment(day: date, clock: time, locale: Locale) -> str:
    """Return a full date with a time, in the pattern of the CLDR."""
    pattern = str(locale.datetime_formats["full"]).replace("'", "")
    return pattern.replace("{0}", render_time(clock, locale)).replace("{1}", render_date(day, "full", locale))


def render_days(start: date, end: date, locale: Locale) -> str:
    """Return the interval from start to end. Common fields appear once."""
    return format_interval(start, end, "yMMMd", locale=locale)


def render_times(start: time, end: time, locale: Locale) -> str:
    """Return the interval from start to end, with 12 or 24 hours as in `render_time`."""
    # babel does not find the day periods (B) of two times: such locales (zh_Hant) get 24 hours.
    twelve = "H" not in locale.time_formats["short"].pattern and "B" not in locale.interval_formats["hm"]
    skeleton = "hm" if twelve else "Hm"
    return format_interval(start, end, skeleton, locale=locale)


def render_distance(count: int, unit: TimeUnit, locale: Locale) -> str:
    """Return a relative time: "in 3 days" or, if the count is negative, "3 days ago"."""
    # With an infinite threshold, 14 days are not converted to 2 weeks.
    threshold, seconds = float("inf"), count * SECONDS[unit]
    return format_timedelta(seconds, unit, threshold, add_direction=True, locale=locale)


def render_money(amount: Number, code: str, style: MoneyStyle, locale: Locale) -> str:
    """Return an amount of the currency with that code."""
    return format_currency(amount, code, locale=locale, format_type=style)


def render_share(share: Number, locale: Locale) -> str:
    """Return a share of 1 in percent, with all digits."""
    return format_percent(share, locale=locale, decimal_quantization=False)


def has_money(code: str, style: MoneyStyle, locale: Locale) -> bool:
    """Return whether the style shows more than the code, which babel joins to the number ("RUB2.00")."""
    names = locale.currencies if style == "name" else locale.currency_symbols
    return bool(names.get(code, code) != code)


def unit_forms(unit: str, length: str, locale: Locale) -> dict[str, str]:
    """Return the patterns of a unit by plural form; empty if the locale has no pattern of that length.

    babel.units.format_unit ignores the pattern of plural forms that a locale inherits from "other" (Unicode Technical
    Standard 35, part 1, "Lateral inheritance").
    """
    data = cast("dict[str | int | None, Any]", localedata.load(str(locale)))
    forms = localedata.LocaleDataDict(data)["unit_patterns"].get(unit, {}).get(length, {})
    return dict(forms) if "other" in forms else {}


def render_quantity(count: Number, unit: str, length: str, locale: Locale) -> str:
    """Return a number with a unit, in a "long" or "short" form."""
    forms = unit_forms(unit, length, locale)
    form = forms.get(locale.plural_form(count)) or forms["other"]
    return form.format(format_decimal(count, locale=locale))


def render_list(items: list[str], style: ListStyle, locale: Locale) -> str:
    """Return a list: "A, B, and C" ("standard") or "A, B, or C" ("or")."""
    return format_list(items, style, locale=locale)


def render_all(items: Sequence[Meaning], style: ListStyle, locale: Locale) -> str:
    """Return a list of rendered meanings, as in `render_list`."""
    return render_list([item(locale) for item in items], style, locale)


def render_fact(pattern: str, head: Meaning, body: Meaning, locale: Locale) -> str:
    """Return two rendered meanings in a pattern such as "{}: {}"."""
    return pattern.format(head(locale), body(locale))
