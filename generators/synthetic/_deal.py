"""What the parties to a contract agree in figures: when it runs, amounts and dates, and schedules that carry them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta

from ._grammar import Draft
from ._names import written


@dataclass(frozen=True)
class Frame:
    """When the contract runs, and how dates and measures are written where it was made."""

    signed: date
    effective: date
    years: int
    american: bool
    units: tuple[str, str, str]  # areas, one area, distances

    def say(self, day: date) -> str:
        """The date as the document writes dates."""
        return written(day, self.american)

    def day(self, number: int, month: str) -> str:
        """A day of every year as the document writes dates."""
        return f"{month} {number}" if self.american else f"{number} {month}"

    @property
    def expiry(self) -> date:
        """The last day."""
        return plus_months(self.effective, 12 * self.years) - timedelta(days=1)


@dataclass
class Deal:
    """Values for slots, and schedules: label → heading and parts, each a template or a table."""

    slots: dict[str, str] = field(default_factory=dict)
    schedules: dict[str, tuple[str, list[str]]] = field(default_factory=dict)


def plus_months(day: date, months: int) -> date:
    """The same day some months later, or the last day of that month if it is shorter."""
    number = day.year * 12 + day.month - 1 + months
    year, month = divmod(number, 12)
    last = (date(year + (month == 11), month % 12 + 2 if month < 11 else 1, 1) - timedelta(days=1)).day
    return date(year, month + 1, min(day.day, last))


def shares(draft: Draft, total: int, count: int, step: int) -> list[int]:
    """``count`` multiples of ``step`` that add up to ``total``, itself a multiple."""
    weights = [draft.dice.between(60, 240) for _ in range(count)]
    parts = [total * weight // sum(weights) // step * step for weight in weights]
    parts[-1] += total - sum(parts)
    return parts


Maker = Callable[[Draft, Frame], Deal]
"""Draws a deal: one such function for each kind of contract."""

YEARS = {
    "msa": (2, 3, 4, 5), "supply": (2, 3, 5, 7), "lease": (3, 5, 7, 10, 12), "licence": (2, 3, 5), "nda": (2, 3),
    "employment": (1,), "loan": (3, 4, 5, 7), "distribution": (2, 3, 4, 5), "saas": (1, 2, 3), "asset-sale": (1,),
}  # fmt: skip
"""Kind of contract → the terms in years that it may have."""
