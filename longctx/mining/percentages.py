"""Percentages: "4.75%", "12 percent", "3,5 Prozent", "8.15％"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random

from longctx.mining._numbers import BEFORE, other_digits
from longctx.mining._pattern import Kind, Span, in_a_range, spans

_NUMBER = r"\d{1,3}(?:[.,]\d{1,4})?"
_PATTERNS = (
    re.compile(
        rf"{BEFORE}{_NUMBER}\s?(?:%|％|(?:percent|per\s?cent|percentage points?|Prozent|Prozentpunkte"
        r"|pour cent|por ciento)\b)"
    ),
)


def find(text: str) -> Iterator[Span]:
    """Where percentages stand, but for figures in brackets behind the same in words."""
    for begin, end in spans(_PATTERNS, text):
        if not in_a_range(text, begin, end) and not (text[begin - 1 : begin] == "(" and text[end : end + 1] == ")"):
            yield begin, end


def change(value: str, rng: Random, language: str) -> str | None:
    """Another percentage with as many decimals, below 100 where it was; or with one more decimal."""
    match = re.match(_NUMBER, value)
    if match is None:
        return None
    number, unit = match[0], value[match.end() :]
    new = other_digits(number, rng, keep_zeros=False)
    if re.match(r"100\b", number):
        new = str(rng.randint(51, 98)) + number[3:]  # of a whole, no more than the whole
    elif len(re.split("[.,]", number)[0]) == 3:
        new = str(rng.randint(101, 299)) + number[3:]
    elif not re.search("[.,]", number) and rng.random() < 0.5:
        # Whole percentages are few: in large corpora all of them occur.
        new += ("," if language in ("de", "fr", "es") else ".") + rng.choice(["25", "4", "5", "6", "75", "8"])
    return new + (unit + "s" if unit.endswith(" point") else unit)


KIND = Kind("percentage", find, change)
