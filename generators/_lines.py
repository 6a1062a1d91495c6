"""Lines of a haystack with needles between them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from longctx.exact import Insert
from longctx.generated import CLOSING, Part
from longctx.phrases import Order, Phrases, phrases
from longctx.tokens import Tokenizer

from ._drawn import SPARE
from ._fill import LONG, Units
from ._ruler import wording


def room_for(length: int, tokens: float) -> int:
    """Lines of about so many tokens that a haystack surely has no room for."""
    return int(SPARE * length / tokens) + 64


def line_units(lines: Order, held: Phrases, inserts: Sequence[Insert]) -> Units:
    """A line a unit, with inserts between them: see `interleave`."""
    tokens = np.cumsum(held.tokens[lines].sum(axis=1))
    return Units(
        lambda count: interleave(lines[:count], inserts),
        inserts,
        lambda count: float(tokens[min(count, len(tokens)) - 1]) if count else 0.0,
        extend=lambda count, more: "\n" + held.text(lines[count : count + more])[:-1],
        phrases=held,
        most=len(lines),
    )


def noise_phrases(tokenizer: Tokenizer, length: int) -> Phrases:
    """RULER's line of noise, for a haystack of so many tokens."""
    return phrases(((wording("filler")["noise"] + "\n",),), ((0,),), tokenizer, dense=length > LONG)


def noise_units(tokenizer: Tokenizer, length: int, inserts: Sequence[Insert]) -> Units:
    """A line of noise a unit."""
    held = noise_phrases(tokenizer, length)
    return line_units(np.zeros((room_for(length, held.tokens[0]), 1), np.int64), held, inserts)


def as_text(parts: Sequence[Part], held: Phrases) -> str:
    """Parts as they will stand, without a closing."""
    return "".join(
        part.text if part.order is None else held.text(part.order).removesuffix("\n" * part.cut) for part in parts
    )


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
