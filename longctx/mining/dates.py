"""Days: "March 4, 2031", "4. März 2031", "2031年3月4日", "2031-03-04", "03/04/2031", "04/Mar/31 10:15"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from random import Random

from longctx.mining._data import table
from longctx.mining._pattern import Kind, Span, spans

_MONTHS: dict[str, list[str]] = {style: names.split() for style, names in table("words")["months"].items()}


def _month(*styles: str) -> str:
    return "(?P<m>" + "|".join(name for style in styles for name in _MONTHS[style]) + ")"


_DAY, _YEAR = r"(?P<d>0?[1-9]|[12]\d|3[01])", r"(?P<y>(?:19|20)\d\d)"
_FREE, _END = r"(?<![\w./-])", r"(?![\w/]|[.-]\d)"
# A weekday before a date would give away the one that replaces it, or contradict it.
_NO_WEEKDAY = r"(?<!day, )(?<!day )(?<!tag, )(?<!tag )(?<!day,\n)"
_PATTERNS = tuple(
    re.compile(_NO_WEEKDAY + _FREE + form + _END)
    for form in (
        _month("en", "en-short") + rf"\.?\s+{_DAY}(?P<th>st|nd|rd|th)?,?\s+{_YEAR}",
        rf"{_DAY}\s+" + _month("en", "en-short") + rf",?\s+{_YEAR}",
        rf"{_DAY}\.\s?" + _month("de") + rf"\s+{_YEAR}",
        rf"{_DAY}(?:er)?\s+" + _month("fr") + rf"\s+{_YEAR}",
        rf"{_DAY}\s+de\s+" + _month("es") + rf"\s+(?:de|del)\s+{_YEAR}",
        rf"{_YEAR}-(?P<m>0[1-9]|1[0-2])-{_DAY}",
        rf"(?P<m>0?[1-9]|1[0-2])/{_DAY}/{_YEAR}",
        rf"(?P<d>1[3-9]|2\d|3[01])/(?P<m>0?[1-9]|1[0-2])/{_YEAR}",
        rf"{_DAY}\.(?P<m>0?[1-9]|1[0-2])\.{_YEAR}",
        rf"{_DAY}/" + _month("en-short") + r"/(?P<y>\d\d) (?P<t>[0-2]\d:[0-5]\d)",
    )
) + (re.compile(rf"(?<!\d){_YEAR}\s?年\s?(?P<m>1[0-2]|0?[1-9])\s?月\s?{_DAY}\s?日"),)


def find(text: str) -> Iterator[Span]:
    """Where days are named."""
    return spans(_PATTERNS, text)


def change(value: str, rng: Random, language: str) -> str | None:
    """The same way of writing, with another day between three weeks and three years away."""
    for pattern in _PATTERNS:
        if match := pattern.fullmatch(value):
            break
    else:
        return None
    groups = match.groupdict()
    style, number = _read_month(groups["m"])
    year = int(groups["y"]) + (2000 if len(groups["y"]) == 2 else 0)
    try:
        old = date(year, number, int(groups["d"]))
    except ValueError:
        return None  # 31 April
    new = old + timedelta(days=rng.choice((-1, 1)) * rng.randint(21, 1100))
    written = {
        "d": f"{new.day:0{len(groups['d'])}d}" if groups["d"][0] == "0" or not style else str(new.day),
        "m": _MONTHS[style][new.month - 1] if style else f"{new.month:0{len(groups['m'])}d}",
        "y": str(new.year)[-len(groups["y"]) :],
        "th": _ordinal(new.day),
        "t": f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}",
    }
    if not style and groups["d"][0] != "0" and groups["m"][0] != "0":
        written["d"], written["m"] = str(new.day), str(new.month)  # written without zeros, or nothing says that it is
        if "-" in value:
            written["d"], written["m"] = f"{new.day:02}", f"{new.month:02}"
    result = value
    for name in sorted((n for n, found in groups.items() if found), key=match.start, reverse=True):
        result = result[: match.start(name)] + written[name] + result[match.end(name) :]
    return result


def _read_month(word: str) -> tuple[str, int]:
    """Style and number of a month; no style where it is a number."""
    if word.isdigit():
        return "", int(word)
    style = next(style for style, names in _MONTHS.items() if word in names)
    return style, _MONTHS[style].index(word) + 1


def _ordinal(day: int) -> str:
    return "th" if 10 < day < 20 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


KIND = Kind("date", find, change)
