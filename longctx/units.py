"""Numbers as people type them: 4096, 4K, 1M."""

from __future__ import annotations

import re

from longctx.errors import UsageError

_FACTORS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


def parse_count(text: str | int, least: int = 0) -> int:
    """Whole number of tokens or bytes; K = 1,024, M = 1,048,576.

    >>> parse_count("4K"), parse_count("1M"), parse_count("0.5M"), parse_count("32,768")
    (4096, 1048576, 524288, 32768)

    Raises:
        UsageError: not such a number, not whole, or less than `least`.
    """
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
