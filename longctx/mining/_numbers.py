"""Numbers in text: how they are written, and others that are written the same way."""

from __future__ import annotations

import random

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
