"""Lines of a haystack with needles between them."""

from __future__ import annotations

from collections.abc import Sequence

from longctx.exact import Insert
from longctx.generated import CLOSING, Part
from longctx.phrases import Order


def interleave(lines: Order, inserts: Sequence[Insert]) -> list[Part]:
    """Lines with inserts between them, each after the share of the lines that is its depth.

    The closing is the last line; only what has a depth of 1 stands behind it.

    Args:
        lines: (lines, phrases) of each, the last of which ends with the line break.
        inserts: without one.
    """
    order = sorted(inserts, key=lambda insert: insert.depth or 0.0)
    items: list[Part] = []
    done = 0
    for insert in [insert for insert in order if insert.depth != 1]:
        at = max(done, min(len(lines), round((insert.depth or 0.0) * len(lines))))
        items += [*_block(lines[done:at]), Part(insert.text, insert)]
        done = at
    items += _block(lines[done:])
    parts = [part for item in items for part in (Part("\n"), item)][1:]
    last = [insert for insert in order if insert.depth == 1]
    return [*parts, CLOSING, *(part for one in last for part in (Part("\n"), Part(one.text, one)))]


def _block(lines: Order) -> list[Part]:
    """Lines without their last break."""
    return [Part(order=lines, cut=1)] if len(lines) else []
