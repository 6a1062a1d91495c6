"""Words, numbers and names that are drawn by the ten thousand: the same ones in every sample, each in its own order.

What is drawn once can be encoded once. A long sample takes nearly all of them and a short one a few of the first.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Callable, Collection
from functools import lru_cache

import numpy as np

from longctx.phrases import Order

SPARE = 1.1  # drawn for one that a haystack is likely to hold
_BLOCK = 1024  # of which a sample takes all before it takes one of the next


def generator(seed: str | int) -> np.random.Generator:
    """A source of random numbers named by its seed."""
    digest = hashlib.sha256(str(seed).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16]))


def rounded(count: float) -> int:
    """The next size in which so many are drawn, so that samples of about one length share a table."""
    step = max(_BLOCK, 1 << max(0, int(count).bit_length() - 3))
    return max(1, math.ceil(count / step)) * step


@lru_cache(maxsize=8)
def distinct(draw: Callable[[random.Random], str], size: int) -> tuple[str, ...]:
    """The first `size` different ones that `draw` gives; `rounded` says how many."""
    rng, found = random.Random(0), dict[str, None]()
    while len(found) < size:
        found[draw(rng)] = None
    return tuple(found)


@lru_cache(maxsize=8)
def places(words: tuple[str, ...]) -> dict[str, int]:
    """Word → its index."""
    return {word: index for index, word in enumerate(words)}


def order_of(size: int, rng: np.random.Generator, without: Collection[int] = ()) -> Order:
    """Numbers below `size` in an order of their own, block by block: more of them are only added behind.

    Args:
        size: as `rounded` gives it.
        rng: draws the order.
        without: numbers that are left out.
    """
    order: Order = np.concatenate([begin + rng.permutation(_BLOCK) for begin in range(0, size, _BLOCK)])
    order = order[order < size]
    return order[~np.isin(order, list(without))] if without else order


def different(limit: int, count: int, rng: np.random.Generator, allowed: Callable[[Order], Order]) -> Order:
    """`count` different numbers below `limit`, at random; more of them are only added behind.

    Args:
        limit: must be well above `count`.
        count: how many.
        rng: draws them.
        allowed: numbers → those of them that are wanted, in their order.
    """
    drawn = np.empty(0, np.int64)
    while True:
        drawn = np.concatenate([drawn, (rng.random(count + _BLOCK) * limit).astype(np.int64)])
        found = allowed(drawn[np.sort(np.unique(drawn, return_index=True)[1])])
        if len(found) >= count:
            return found[:count]
