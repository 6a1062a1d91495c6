"""English numbers and articles, enumerations, Markdown tables: small pieces of text."""

from __future__ import annotations

import re
from collections.abc import Sequence

_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")

_COUNTED = "day|hour|minute|second|week|month|year|user|key|unit|vial|dose"


def in_words(number: int) -> str:
    """A whole number from 0 to 999 in English words."""
    if number < 20:
        return _ONES[number]
    if number < 100:
        return _TENS[number // 10] + (f"-{_ONES[number % 10]}" if number % 10 else "")
    rest = f" and {in_words(number % 100)}" if number % 100 else ""
    return f"{_ONES[number // 100]} hundred{rest}"


_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip


def ordinal(number: int) -> str:
    """``third``, ``twenty-first``: a whole number from 1 to 99 as an ordinal."""
    head, dash, last = in_words(number).rpartition("-")
    return head + dash + _ORDINALS.get(last, f"{last[:-1]}ieth" if last.endswith("ty") else f"{last}th")


def article(word: str) -> str:
    """``a`` or ``an`` as the word asks for."""
    lowered = word.lower()
    vowel = lowered[0] in "aeiou" and not re.match(r"(uni[^nm]|use|us[aeiu]|eu|one\b|ubiq)", lowered)
    return "an" if vowel or re.match(r"(8|11\b|18\b|hour|honest|hono|heir)", lowered) else "a"


def joined(items: Sequence[str], last: str = "and") -> str:
    """``a, b and c``."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}"


def tidy(text: str) -> str:
    """The text without the blanks that empty alternatives leave behind, and "1 hour" where "1 hours" was drawn."""
    text = re.sub(r" +(?=[,.;:) ]|$)", "", text)
    return re.sub(rf"(?<![\d.,:$€£-])(1|one \(1\)) ({_COUNTED})s\b", r"\1 \2", text)


def paragraphs(parts: Sequence[str]) -> str:
    """The parts with a blank line between them."""
    return "\n\n".join(parts) + "\n"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], numeric_from: int = 1) -> str:
    """A Markdown table; columns from ``numeric_from`` on are set right."""
    rule = ["---" if column < numeric_from else "---:" for column in range(len(head))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *rows))


def slug(text: str) -> str:
    """The text as it may stand in a file name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
