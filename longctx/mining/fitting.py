"""Whether a changed value still fits what stands around it: no term ends before it begins, no least is above a most."""

from __future__ import annotations

import re
from collections.abc import Iterator

from longctx.mining import dates
from longctx.mining._numbers import FIGURE, figure, word_figures

_YEAR = re.compile(r"(?<![\d.,/$€£-])(?:19|20)\d\d(?![\d/-]|[.,]\d)")
_SIGN = re.compile(r"(?:US|U\.S\.|CA|C|A|HK|NZ|S)?\s?[$€£¥]|USD|EUR|GBP|CHF|Euro|euro|€|元")
_DURATION = re.compile(r"\s(?:\w+ )?(\w{3})\w*$")


def fits(kind: str, passage: str, old: str, new: str) -> bool:
    """True where `new` is before and behind, above and below, the same others in the passage as `old` is."""
    rest = passage.replace(old, " ")
    if kind == "date":
        return _dates_fit(rest, old, new)
    if kind in ("amount", "percentage", "duration"):
        before, behind = figure(old), figure(new)
        if before is None or behind is None:
            return True
        return all((other < before) == (other < behind) for other in _alike(kind, old, rest) if other != before)
    return True


def _dates_fit(rest: str, old: str, new: str) -> bool:
    before, behind = dates.parse(old), dates.parse(new)
    if before is None or behind is None:
        return False
    for begin, end in dates.find(rest):
        other = dates.parse(rest[begin:end])
        if other and ((other < before) != (other < behind) or other == behind):
            return False
        rest = rest[:begin] + " " * (end - begin) + rest[end:]
    years = [int(year) for year in _YEAR.findall(rest)]
    return all((year > before.year, year < before.year) == (year > behind.year, year < behind.year) for year in years)


def _alike(kind: str, value: str, rest: str) -> Iterator[float]:
    """Figures of the rest that have the value's unit."""
    if kind == "duration":
        unit = _DURATION.search(value)
        if unit is None:
            return
        again = rf"[\s)-]{{1,2}}(?:\w+ )?{unit[1]}"
        for match in re.finditer(rf"({FIGURE}){again}", rest, re.IGNORECASE):
            yield figure(match[1]) or 0
        yield from word_figures(rest, again)
    elif kind == "percentage":
        for match in re.finditer(rf"({FIGURE})\s?(?:%|％|percent|per\s?cent|Prozent|pour cent|por ciento)", rest):
            yield figure(match[1]) or 0
    else:
        signs = _SIGN.findall(value)
        for sign in signs[:1]:
            for match in re.finditer(rf"{re.escape(sign)}\s?({FIGURE})|({FIGURE})\s?{re.escape(sign)}", rest):
                yield figure(match[1] or match[2]) or 0
