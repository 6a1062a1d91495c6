"""Draws that give the same documents on every machine and every version of Python."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from random import Random
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """Draws made of ``Random.random`` alone: the one method whose sequence Python promises to keep for a seed."""

    def __init__(self, seed: str) -> None:
        self._random = Random(seed).random

    def below(self, bound: int) -> int:
        """A whole number from 0 to ``bound`` - 1."""
        return int(self._random() * bound)

    def between(self, low: int, high: int, step: int = 1) -> int:
        """A whole number from ``low`` to ``high``, both possible, in steps of ``step``."""
        return low + step * self.below((high - low) // step + 1)

    def chance(self, share: float) -> bool:
        """True in this share of draws."""
        return self._random() < share

    def pick(self, items: Sequence[T]) -> T:
        """One of the items."""
        return items[int(self._random() * len(items))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """All items in another order."""
        rest = list(items)
        return [rest.pop(self.below(len(rest))) for _ in items]

    def some(self, items: Sequence[T], count: int) -> list[T]:
        """``count`` different items (all, if there are fewer), in the order in which they are given."""
        chosen = sorted(self.shuffled(range(len(items)))[:count])
        return [items[place] for place in chosen]


@cache
def _stride(size: int, key: str) -> tuple[int, int]:
    dice = Dice(f"spread:{key}:{size}")
    step = dice.between(size // 3, size - 1) if size > 3 else 1
    while math.gcd(step, size) != 1:
        step += 1
    return step, dice.below(size)


def spread(position: int, size: int, key: str) -> int:
    """A number below ``size`` for each position, in an order that ``key`` decides; none comes twice in ``size``.

    This is how documents made apart from one another still carry different names.
    """
    step, start = _stride(size, key)
    return (position * step + start) % size
