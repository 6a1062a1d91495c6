"""Names of people, companies, streets and medicines, combined from lists; and dates as people write them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import cache

from ._dice import Dice, spread
from ._grammar import texts

MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


@cache
def listed(name: str) -> Sequence[str]:
    """A list of ``text/names.toml``."""
    words = texts("names")[name]
    return tuple(words.split() if isinstance(words, str) else words)


@cache
def stems() -> tuple[str, ...]:
    """All company stems: "Elmmount", "Millmill" and well-known names are left out."""
    pairs = (
        (head, tail)
        for head in listed("heads")
        for tail in listed("tails")
        if head[-1] != tail[0] and head.lower() != tail
    )
    return tuple(head + tail for head, tail in pairs if head + tail not in listed("real"))


def stem(position: int, key: str) -> str:
    """The stem of a company's name; no two positions share one before all have been used under the same key."""
    return stems()[spread(position, len(stems()), key)]


def any_stem(dice: Dice) -> str:
    """A stem for a company that is merely mentioned."""
    return dice.pick(stems())


def trade(dice: Dice) -> str:
    """What a company's second name says it does."""
    return dice.pick(listed("trades"))


def person(dice: Dice) -> str:
    """First name and surname."""
    return f"{dice.pick(listed('first_names'))} {dice.pick(listed('surnames'))}"


def firm(dice: Dice) -> str:
    """A partnership of lawyers, accountants or valuers."""
    names = listed("surnames")
    place = dice.below(len(names))
    other = (place + dice.between(1, len(names) - 1)) % len(names)
    return f"{names[place]} {names[other]} {dice.pick(('LLP', 'Partners'))}"


def street(dice: Dice) -> str:
    """House number and street."""
    return f"{dice.between(2, 480)} {dice.pick(listed('streets'))} {dice.pick(listed('street_kinds'))}"


def brand(position: int, key: str) -> str:
    """An invented brand of a medicine or device; no two positions share one before all have been used."""
    starts, middles, ends = listed("brand_starts"), listed("brand_middles"), listed("brand_ends")
    number, end = divmod(spread(position, len(starts) * len(middles) * len(ends), key), len(ends))
    start, middle = divmod(number, len(middles))
    return starts[start] + middles[middle] + ends[end]


def substance(dice: Dice, suffix: str) -> str:
    """An invented substance name with the suffix of its class."""
    return "".join(dice.pick("bdfgklmnprstvz") + dice.pick("aeiou") for _ in range(3)) + suffix


def written(day: date, american: bool) -> str:
    """``14 March 2023``, or ``March 14, 2023``."""
    month = MONTHS[day.month - 1]
    return f"{month} {day.day}, {day.year}" if american else f"{day.day} {month} {day.year}"


def month_of(day: date) -> str:
    """``March 2023``."""
    return f"{MONTHS[day.month - 1]} {day.year}"
