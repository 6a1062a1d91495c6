"""Text as answers are compared: one way to write blanks, case, numbers and dates, and what a whole word is."""

from __future__ import annotations

import re
import unicodedata

_GROUPS = re.compile(r"(?<![\d.,])\d{1,3}(?:(?:,\d{3})+|(?:\.\d{3}){2,}|(?:[’'\u00a0\u2009\u202f]\d{3})+)(?![\d])")
_MONTHS = "january|february|march|april|may|june|july|august|september|october|november|december"
_DATE = re.compile(rf"\b({_MONTHS}) (\d{{1,2}})(?:st|nd|rd|th)?,? (\d{{4}})\b")
_BLANKS = re.compile(r"\s+")
_MARKUP = re.compile(r"[*`]")
# What a whole value has around it: a pattern for each value would be compiled for each value.
_BEFORE_DIGIT = re.compile(r"(?<!\d)(?<!\d[.,])")
_BEFORE_WORD = re.compile(r"(?<![a-z0-9_])")
_AFTER_DIGIT = re.compile(r"(?!\d)(?!,\d)(?!\.(?!0+(?!\d))\d)")
_AFTER_WORD = re.compile(r"(?![a-z0-9_])")
_ANY = re.compile("")


class NoForm(str):
    """Explanation of a score of 0: the answer does not have the form that the scorer reads."""

    __slots__ = ()


def normalise(text: str) -> str:
    """Text as answers are compared: NFKC, lower case, single blanks, no bold or code marks, one way to write a number.

    Thousands separators go, and "March 4, 2031" becomes "4 march 2031".

    >>> normalise("It is  **US$4,318,250**.")
    'it is us$4318250.'
    """
    joined = _GROUPS.sub(lambda match: re.sub(r"\D", "", match[0]), text)
    folded = _BLANKS.sub(" ", unicodedata.normalize("NFKC", _MARKUP.sub("", joined)).casefold()).strip()
    return _DATE.sub(r"\2 \1 \3", folded)


def occurrences(value: str, text: str) -> int:
    """How often `value` stands in `text` as a whole: not inside a longer number or word. Both are normalised already.

    An empty value stands nowhere.

    >>> occurrences("37", "37, 37.5 and 1937"), occurrences("4817263", "编号为4817263。")
    (1, 1)
    """
    if not value:
        return 0
    before = _BEFORE_DIGIT if value[:1].isdigit() else _BEFORE_WORD if value[:1].isascii() else _ANY
    after = _AFTER_DIGIT if value[-1:].isdigit() else _AFTER_WORD if value[-1:].isascii() else _ANY
    before = before if value[:1].isalnum() else _ANY
    after = after if value[-1:].isalnum() else _ANY
    count, at = 0, text.find(value)  # plain search, as the pattern's would look behind at every character
    while at >= 0:
        found = before.match(text, at) is not None and after.match(text, at + len(value)) is not None
        count += found
        at = text.find(value, at + (len(value) if found else 1))
    return count


def as_list(target: str | list[str]) -> list[str]:
    """A target as a list, also where it is one text."""
    return [target] if isinstance(target, str) else list(target)
