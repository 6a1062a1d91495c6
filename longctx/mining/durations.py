"""Durations: "90 days", "thirty (30) business days", "6 Monate", "15个工作日"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random

from longctx.mining._numbers import BEFORE
from longctx.mining._pattern import Kind, Span, in_a_range, spans

_ENGLISH = (
    r"(?:business |calendar |working |consecutive |trading |full |additional |Business )?"
    r"(?:seconds?|minutes?|hours?|days?|weeks?|months?|years?|Days|Business Days)"
)
_OTHERS = (
    r"Sekunden|Minuten|Stunden?|Tage[n]?|Werktage[n]?|Arbeitstage[n]?|Wochen?|Monate[n]?|Jahre[n]?"
    r"|secondes|heures|jours(?: ouvrables)?|semaines|mois|années|ans"
    r"|horas|días(?: hábiles)?|semanas|meses|años"
)
_WORDS = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred and"
).replace(" ", "|")
_IN_WORDS = re.compile(rf"(?:(?:{_WORDS})[\s-]*)+\(\s?(\d{{1,3}})\s?\)\s+({_ENGLISH})\b", re.IGNORECASE)
_PATTERNS = (
    _IN_WORDS,
    re.compile(rf"{BEFORE}(?<!\()[1-9]\d{{0,2}}\s(?:{_ENGLISH}|{_OTHERS})(?![\w-])"),
    re.compile(r"(?<![\d.,年月第])[1-9]\d{0,2}\s?(?:个月|个工作日|个交易日|天|小时|周)"),
)
_UNIT_LIMITS = {"hour": 96, "stund": 96, "小时": 96, "week": 90, "woche": 90, "周": 90, "year": 99, "jahr": 99}


def find(text: str) -> Iterator[Span]:
    """Where durations in figures stand, but for those that describe something, as in "a 12 month period"."""
    for begin, end in spans(_PATTERNS, text):
        one = re.match(r"\D*1\D*$", text[begin:end])
        describes = not one and re.search(r"(?:second|minute|hour|day|week|month|year)$", text[begin:end])
        if (
            not describes
            and not in_a_range(text, begin, end)
            and not re.match(r" (?:a|per|of age|old)\b", text[end : end + 8])
        ):
            yield begin, end


def is_in_words(value: str) -> bool:
    """True for "thirty (30) days": an answer of "30 days" would be right, and no scorer would know it."""
    return _IN_WORDS.fullmatch(value) is not None


def change(value: str, rng: Random, language: str) -> str | None:
    """Another duration in the same unit, in figures."""
    if match := _IN_WORDS.fullmatch(value):
        number, unit = int(match[1]), f" {match[2]}"
    else:
        digits = re.match(r"\d+", value)
        if digits is None:
            return None
        number, unit = int(digits[0]), value[digits.end() :]
    most = next((limit for word, limit in _UNIT_LIMITS.items() if word in unit.lower()), 400)
    wide = rng.choice((2, 3, 3, 8))  # near the old one where there is room: three months do not become eight years
    low, high = max(2, number // wide), min(most, number * wide + 4)
    new = rng.choice([n for n in range(low, max(high, low + 9) + 1) if n != number])
    if number == 1 and language == "en" and not unit.endswith("s"):
        unit += "s"
    return f"{new}{unit}"


KIND = Kind("duration", find, change)
