"""Numbers in text: how they are written, and others that are written the same way."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from longctx.mining._data import table

NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?:\.\d{1,4})?|\d{1,3}(?:\.\d{3})+(?:,\d{1,2})?|\d{1,3}(?:[ \u00a0\u202f’']\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d{1,4})?)"  # noqa: E501
"""A number in any of the usual ways of grouping digits."""

BEFORE = r"(?<![\w.,$€£¥/#§-])"
AFTER = r"(?![\w/]|[.,]\d)"


def other_digits(value: str, rng: random.Random, keep_zeros: bool = True) -> str:
    """The same text with other digits: as many, none leading that was not, and no first digit that was.

    Args:
        value: text with digits in it.
        rng: draws.
        keep_zeros: leave the zeros at the end as they are, so that a round number stays round.
    """
    places = [index for index, char in enumerate(value) if char.isdigit()]
    moving = list(places)
    while keep_zeros and len(moving) > 1 and value[moving[-1]] == "0":
        moving.pop()
    if keep_zeros and len(moving) == 1 and len(places) > 2:
        moving += places[1:2] if len(places) < 6 else places[1:3]  # 500,000 becomes 730,000: nine others are too few
    changed = list(value)
    for rank, index in enumerate(moving):
        old = value[index]
        if rank == 0:
            whole = len(places) > 1 and not (old == "0" and not value[index + 1 : index + 2].isdigit())
            changed[index] = rng.choice([d for d in "123456789" if d != old]) if whole or old != "0" else old
        else:
            changed[index] = rng.choice("0123456789" if rank < len(moving) - 1 else "123456789")
    return "".join(changed)


FIGURE = r"\d[\d.,’'\u00a0\u202f]*\d|\d"
"""Any figure, however its digits are grouped."""

_ONES: list[str] = table("words")["numbers"]["ones"].split()
_TENS: list[str] = table("words")["numbers"]["tens"].split()
_WORDS = {word: number for number, word in enumerate(_ONES, 1)}
for _rank, _ten in enumerate(_TENS, 2):
    _WORDS[_ten] = 10 * _rank
    _WORDS |= {f"{_ten}{mark}{one}": 10 * _rank + n for n, one in enumerate(_ONES[:9], 1) for mark in "- "}


def figure(text: str) -> float | None:
    """The first figure in a text; a group of three digits behind a mark is taken for thousands, unless 0 leads."""
    match = re.search(FIGURE, text)
    if match is None:
        return None
    digits = match[0].replace("\u00a0", "").replace("\u202f", "").replace("’", "").replace("'", "")
    if re.fullmatch(r"[1-9]\d{0,2}(?:([.,])\d{3})(?:\1\d{3})*", digits):
        digits = re.sub("[.,]", "", digits)
    elif "." in digits and "," in digits:
        thousands = min(".,", key=digits.rindex)
        digits = digits.replace(thousands, "").replace(",", ".")
    digits = digits.replace(",", ".")
    return float(digits) if digits.count(".") < 2 else None


def figures(text: str) -> list[float]:
    """All figures in a text, from left to right."""
    return [number for match in re.finditer(FIGURE, text) if (number := figure(match[0])) is not None]


def decimals(text: str) -> int:
    """Digits behind the decimal mark of the first figure in a text."""
    number = figure(text)
    if number is None or number == int(number):
        return 0
    match = re.search(r"\d[.,](\d+)(?![\d.,]*\d)", text)
    return len(match[1]) if match else 0


def in_words(number: int) -> str:
    """A pattern of the number in English words, from 1 to 99."""
    return "|".join(word for word, value in _WORDS.items() if value == number)


def word_figures(text: str, behind: str) -> Iterator[float]:
    """Numbers from 1 to 99 in English words that stand before the pattern `behind`."""
    words = "|".join(sorted(_WORDS, key=len, reverse=True))
    for match in re.finditer(rf"\b({words})(?:{behind})", text, re.IGNORECASE):
        yield _WORDS[match[1].lower()]
