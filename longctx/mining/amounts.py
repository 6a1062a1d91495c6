"""Amounts of money: "US$4,318,250", "$1.2 million", "EUR 5 Mio.", "1.234,56 €", "2,853万元"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random

from longctx.mining._numbers import AFTER, BEFORE, NUMBER, other_digits
from longctx.mining._pattern import Kind, Span, in_a_range, spans

_SCALE = r"(?:\s(?:thousand|million|billion|trillion|Mio\.|Mrd\.|Millionen|Milliarden))?"
_PATTERNS = (
    re.compile(rf"(?<![\w$€£¥])(?:(?:US|U\.S\.) ?|CA|C|A|HK|NZ|S)?[$€£¥]\s?{NUMBER}{_SCALE}{AFTER}"),
    re.compile(rf"\b(?:USD|EUR|GBP|CHF|JPY|RMB|CNY|CAD|AUD|Rs\.?)\s{NUMBER}{_SCALE}{AFTER}"),
    re.compile(
        rf"{BEFORE}{NUMBER}(?:\s(?:Mio\.|Mrd\.|Millionen|Milliarden|millions|milliards|millones|million|billion))?"
        rf"\s?(?:(?:d[’']|de\s)?(?:€|Euro\b|[Ee]uros?\b|EUR\b|USD\b|CHF\b|dollars\b|pounds\b))"
    ),
    re.compile(rf"(?:人民币|港币)?(?<![\d.,]){NUMBER}\s?(?:百万|千万|万|亿)?(?:元|美元|港元|欧元)"),
)


def find(text: str) -> Iterator[Span]:
    """Where amounts stand, but for nothing at all and for those that stand there in words too."""
    for begin, end in spans(_PATTERNS, text):
        in_words = re.match(r"\s?\([A-Z][A-Za-z -]{4,60}\)|\s?/|,? (?:and |or )?\d", text[end:])
        in_brackets = re.search(r"(?i:dollars|euros?|pounds)\s?\((?:USD?|EUR|GBP)?\s?$", text[:begin]) or (
            text[begin - 1 : begin] == "(" and text[end : end + 1] == ")"
        )
        if (
            not in_a_range(text, begin, end)
            and not in_brackets
            and not in_words
            and re.search("[1-9]", text[begin:end])
        ):
            yield begin, end


def change(value: str, rng: Random, language: str) -> str | None:
    """Another amount with the same formatting and as many digits."""
    whole, cents, rest = re.split(r"([.,]00(?!\d)|$)", value, maxsplit=1)
    return other_digits(whole, rng, keep_zeros=rng.random() < 0.9) + cents + rest


KIND = Kind("amount", find, change)
