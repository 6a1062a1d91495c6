"""Finding what a pattern describes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of value that stands in prose.

    Attributes:
        name: of the kind.
        find: text → where values stand, in characters.
        change: (value, draws, language) → another of the same form; None where there is none.
        rest: (sentence, begin, end) → what the question quotes where it needs no blank; None where it does.
    """

    name: str
    find: Callable[[str], Iterator[Span]]
    change: Callable[[str, Random, str], str | None]
    rest: Callable[[str, int, int], str | None] = lambda sentence, begin, end: None


def spans(patterns: tuple[re.Pattern[str], ...], text: str) -> Iterator[Span]:
    """Where any of the patterns stands, from left to right; of two that overlap, the one that begins first."""
    found = sorted(
        (match.start(), -match.end()) for pattern in patterns for match in pattern.finditer(text) if match[0].strip()
    )
    behind = 0
    for begin, end in found:
        if begin >= behind:
            yield begin, -end
            behind = -end


_BEFORE = re.compile(
    r"(?:\d\)?(?:\s?[%€]|\s[a-zA-Z]+)?|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve|eighteen)(?:\s[a-z]+)?)"
    r",?\s?(?:to|or|bis|oder|–|-)\s?$"
)
_BEHIND = re.compile(r"\s?(?:to|or|bis|oder|–|-)\s?[$€£]?\d")


def in_a_range(text: str, begin: int, end: int) -> bool:
    """True for one end of "3 to 4 months": changed alone, it would no longer fit the other."""
    return bool(_BEFORE.search(text[max(0, begin - 40) : begin]) or _BEHIND.match(text, end))
