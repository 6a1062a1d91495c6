"""Days: "March 4, 2031", "4. März 2031", "2031年3月4日", "2031-03-04", "03/04/2031", "04/Mar/31 10:15"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from random import Random

from longctx.mining._data import table
from longctx.mining._pattern import Kind, Span, spans

_MONTHS: dict[str, list[str]] = {style: names.split() for style, names in table("words")["months"].items()}
_D, _Y = r"(?P<d>0?[1-9]|[12]\d|3[01])", r"(?P<y>(?:19|20)\d\d)"
_NUMBER = r"(?P<m>0?[1-9]|1[0-2])"
_FREE, _END = r"(?<![\w./-])", r"(?![\w/]|[.-]\d)"
# A weekday before a date would give away the one that replaces it, or contradict it.
_NO_WEEKDAY = r"(?<!day, )(?<!day )(?<!tag, )(?<!tag )(?<!day,\n)"


def _form(form: str, *styles: str) -> tuple[tuple[str, ...], re.Pattern[str]]:
    """Styles of its months, of which the first that has a name counts, and its pattern."""
    names = "|".join(name for style in styles for name in _MONTHS[style])
    return styles, re.compile(_NO_WEEKDAY + _FREE + form.replace("MONTH", f"(?P<m>{names})") + _END)


_FORMS = (
    _form(rf"MONTH\.?\s+{_D}(?P<th>st|nd|rd|th)?,?\s+{_Y}", "en", "en-short"),
    _form(rf"{_D}\s+MONTH,?\s+{_Y}", "en", "en-short"),
    _form(rf"{_D}\.\s?MONTH\s+{_Y}", "de"),
    _form(rf"{_D}(?P<th>er)?\s+MONTH\s+{_Y}", "fr"),
    _form(rf"{_D}\s+de\s+MONTH\s+(?:de|del)\s+{_Y}", "es"),
    _form(rf"{_D}/MONTH/(?P<y>\d\d) (?P<t>[0-2]\d:[0-5]\d)", "en-short"),
    _form(rf"{_Y}-(?P<m>0[1-9]|1[0-2])-(?P<d>0[1-9]|[12]\d|3[01])"),
    _form(rf"{_NUMBER}/{_D}/{_Y}"),
    _form(rf"(?P<d>1[3-9]|2\d|3[01])/{_NUMBER}/{_Y}"),
    _form(rf"{_D}\.{_NUMBER}\.{_Y}"),
    ((), re.compile(rf"(?<!\d){_Y}\s?年\s?{_NUMBER}\s?月\s?{_D}\s?日")),
)


def find(text: str) -> Iterator[Span]:
    """Where days are named."""
    return spans(tuple(pattern for _, pattern in _FORMS), text)


def parse(value: str) -> date | None:
    """The day that a value names; None where there is no such day."""
    read = _read(value)
    return read[2] if read else None


def _read(value: str) -> tuple[re.Match[str], str, date] | None:
    """A value's parts, the style of its month's name, if it has one, and its day."""
    found = next(((styles, match) for styles, pattern in _FORMS if (match := pattern.fullmatch(value))), None)
    if found is None:
        return None
    styles, match = found
    groups = match.groupdict()
    style = next((style for style in styles if groups["m"] in _MONTHS[style]), "")
    number = _MONTHS[style].index(groups["m"]) + 1 if style else int(groups["m"])
    year = int(groups["y"]) + (2000 if len(groups["y"]) == 2 else 0)
    try:
        return match, style, date(year, number, int(groups["d"]))
    except ValueError:
        return None  # 31 April


def change(value: str, rng: Random, language: str) -> str | None:
    """The same way of writing, with another day between three weeks and three years away."""
    read = _read(value)
    if read is None:
        return None
    match, style, old = read
    groups = match.groupdict()
    new = old + timedelta(days=rng.choice((-1, 1)) * rng.randint(21, 1100))
    # Two digits where the old date shows that it is written so.
    two = len(groups["d"]) == 2 and (groups["d"][0] == "0" or "t" in groups or not style and len(groups["m"]) == 2)
    written = {
        "d": f"{new.day:02}" if two else str(new.day),
        "m": _MONTHS[style][new.month - 1] if style else f"{new.month:02}" if two else str(new.month),
        "y": str(new.year)[-len(groups["y"]) :],
        "th": ("er" if new.day == 1 else "") if style == "fr" else _ordinal(new.day),
        "t": f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}",
    }
    result = value
    for name in sorted((n for n, found in groups.items() if found), key=match.start, reverse=True):
        result = result[: match.start(name)] + written[name] + result[match.end(name) :]
    return result


def _ordinal(day: int) -> str:
    return "th" if 10 < day < 20 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


KIND = Kind("date", find, change)
