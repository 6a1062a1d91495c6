"""Whether a value can be told, or reckoned, from the words and figures that stand around it."""

from __future__ import annotations

import itertools
import re

from longctx.mining import dates
from longctx.mining._numbers import decimals, figure, figures, in_words

_STOP = frozenset(["a", "an", "and", "by", "for", "in", "of", "on", "or", "the", "to", "with"])
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_STEM = 5  # letters that words of one family begin with
_SMALL = 20  # numbers from which on the same one again is no chance
_MOST = 14  # figures around a value that are reckoned with
_UNIT = r"[\s)-]{1,2}(?:\w+ )?(?:second|minute|hour|day|week|month|year|Sekunde|Minute|Stunde|Tag|Woche|Monat|Jahr)"
_SMALL_AGAIN = {
    "duration": r"\b(?:{figure}|{words}){unit}",
    "percentage": r"\b(?:{figure}|{words})\s?(?:%|percent|per cent|Prozent)",
    "amount": r"(?:[$€£]|USD|EUR|GBP)\s?{figure}(?![\d.,])",
}


def tells(kind: str, value: str, passage: str, question: str) -> bool:
    """True where nobody needs to read the value: what stands around it says it.

    Args:
        kind: of the fact.
        value: as it stands in the passage.
        passage: that holds it, once.
        question: without it.
    """
    if kind in _SMALL_AGAIN:
        rest = passage.replace(value, " ")
        if kind == "duration":  # "12 weeks from February 8 to May 3, 2018"
            return _again(kind, value, rest) or len(list(dates.find(rest))) > 1
        return _again(kind, value, rest) or _reckoned(kind, value, rest)
    return kind in ("term", "constant", "signature") and _worded(value, question)


def _worded(value: str, question: str) -> bool:
    """All words of the value stand in the question, in whatever form."""
    words = {word.lower() for word in _WORD.findall(value)} - _STOP
    asked = [word.lower() for word in _WORD.findall(question)]
    known = {stem for word in asked for stem in (word, word[:_STEM])}
    return bool(words) and not re.search(r"\d", value) and all(word[:_STEM] in known for word in words)


def _again(kind: str, value: str, rest: str) -> bool:
    number = figure(value)
    if number is None:
        return False
    if number >= _SMALL and number in figures(rest):
        return True
    words = in_words(int(number)) if number == int(number) and 0 < number < 100 else "(?!)"
    pattern = _SMALL_AGAIN[kind].format(figure=re.escape(f"{number:g}"), words=words, unit=_UNIT)
    return bool(re.search(pattern, rest, re.IGNORECASE))


def _reckoned(kind: str, value: str, rest: str) -> bool:
    """The value is a sum, a difference, a share or a rise of figures around it."""
    number, others = figure(value), list(dict.fromkeys(figures(rest)))[:_MOST]
    if number is None or number < _SMALL and not decimals(value):
        return False
    slack = 0.51 * 10.0 ** -decimals(value)
    for one, other in itertools.permutations(others, 2):
        if abs(one - other - number) < 1e-6 or one < other and abs(one + other - number) < 1e-6:
            return True
        if kind == "percentage" and one != other and min(one, other) > 1:
            shares = (100 * one / other, 100 * abs(one / other - 1))
            if any(abs(share - number) <= slack for share in shares):
                return True
        if kind == "amount" and 0 < other < 100:
            rates = (1 + other / 100, 1 / (1 + other / 100), 1 - other / 100, 1 / (1 - other / 100), other / 100)
            if any(abs(one * rate - number) <= max(slack, number * 0.002) for rate in rates):
                return True
    return False
