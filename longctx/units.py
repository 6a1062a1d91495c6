"""Numbers as people type and read them: 4096, 4K, 1M, 22.5 %."""

from __future__ import annotations

import math
import re
from decimal import ROUND_HALF_UP, Decimal

from longctx.errors import UsageError

_FACTORS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


def parse_count(text: str | int, least: int = 0) -> int:
    """Whole number of tokens or bytes; K = 1,024, M = 1,048,576.

    >>> parse_count("4K"), parse_count("1M"), parse_count("0.5M"), parse_count("32,768")
    (4096, 1048576, 524288, 32768)

    Raises:
        UsageError: not such a number, not whole, or less than `least`.
    """
    if re.match(r"\s*-\s*\d", str(text)):
        raise UsageError(f"{text!r} is below 0; possible are numbers from {least}.")
    match = re.fullmatch(r"\s*(\d[\d,_]*(?:\.\d+)?)\s*([kmgKMG]?)\s*", str(text))
    if not match or len(match[1]) > 15:
        raise UsageError(f"{text!r} is not a number; possible are forms such as 4096, 4K or 1M.")
    value = float(re.sub("[,_]", "", match[1])) * _FACTORS[match[2].lower()]
    if value != int(value):
        raise UsageError(f"{text!r} is {value} and not a whole number.")
    if value < least:
        raise UsageError(f"{text!r} is too few; possible are numbers from {least}.")
    return int(value)


def parse_list(text: str) -> list[str]:
    """Items of a comma-separated list, without blanks."""
    return [item.strip() for item in text.split(",") if item.strip()]


def parse_numbers(text: str, low: float, high: float, what: str) -> list[float]:
    """Comma-separated numbers between `low` and `high`.

    Raises:
        UsageError: an item is no number or lies outside.
    """
    numbers = []
    for item in parse_list(text):
        try:
            number = float(item)
        except ValueError:
            raise UsageError(f"{item!r} is not a {what}; possible are numbers from {low:g} to {high:g}.") from None
        if not low <= number <= high:
            raise UsageError(f"{what} {item} is out of range; possible are numbers from {low:g} to {high:g}.")
        numbers.append(number)
    return numbers


def short_count(number: int) -> str:
    """Count as a label: 4096 → 4K, 1048576 → 1M, 8000 → 8,000."""
    for letter, factor in (("M", 1024**2), ("K", 1024)):
        if number >= factor and number % factor == 0:
            return f"{number // factor:,}{letter}"
    return f"{number:,}"


def counted(number: int, noun: str, several: str = "") -> str:
    """So many of something.

    >>> counted(1, "token"), counted(2048, "token"), counted(2, "query", "queries")
    ('1 token', '2,048 tokens', '2 queries')
    """
    return f"{number:,} {noun if number == 1 else several or noun + 's'}"


def rounded(value: float, decimals: int = 0, sign: str = "") -> str:
    """A number with so many decimals, halves rounded away from zero as people do it: formats round them to even.

    Digits behind the ninth are taken to be noise of computing with floats. With ``+`` as the sign every number has one.

    >>> rounded(22.5), rounded(100 * 0.285), rounded(-0.25, 1), rounded(0.05, 1, "+"), rounded(-0.4)
    ('23', '29', '-0.3', '+0.1', '0')
    """
    if not math.isfinite(value):
        return f"{value:{sign}}"
    exact = Decimal(repr(round(float(value), 9))).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    return f"{exact or abs(exact):{sign}f}"


def percent(share: float, decimals: int = 0, sign: str = "") -> str:
    """A share, 0-1, as a number of percent; `rounded`.

    >>> percent(0.225), percent(0.2849), percent(0.1225, 1)
    ('23', '28', '12.3')
    """
    return rounded(100 * share, decimals, sign)


def points(value: float) -> str:
    """A difference in percentage points, with its sign.

    >>> points(2.25), points(-10)
    ('+2.3', '−10.0')
    """
    return rounded(value, 1, "+").replace("-", "−")
