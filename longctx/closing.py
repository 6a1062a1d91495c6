"""The last few tokens of a haystack: sentences of the corpus whose number of tokens is exactly what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from longctx.corpus import Corpus
from longctx.placement import Passage, Units, unused_units
from longctx.seams import Piece, Slice, decode
from longctx.tokens import Offsets

Missing = Callable[[Sequence[Piece]], int]  # closing pieces → tokens that are missing still, negative: too many

_WIDE = 120  # tokens beyond which a gap is narrowed by a whole sentence before it is closed exactly
_NARROW = 8  # tokens that one more sentence, cut short, fills
_TRIES = 16  # whole sentences tried before one is cut short
_CUT_TRIES = 12  # sentences that are cut short before giving up


def close(
    corpus: Corpus, passages: Sequence[Passage], missing: Missing, repeat: bool, border: str
) -> list[Piece] | None:
    """Pieces that fill a haystack up to the token; None where not even the shortest fits.

    A ladder: a whole sentence of the right size; else a longer one cut behind a word; else one cut anywhere.

    Args:
        corpus: whose sentences are taken.
        passages: what the haystack holds already; none of it is taken again unless `repeat`.
        missing: counts, in the place where the closing goes.
        repeat: take sentences that the haystack holds already.
        border: what stands before the first of them.
    """
    units = unused_units(corpus, [] if repeat else passages)
    if not len(units.tokens):
        return None
    closing: list[Piece] = []
    gap = missing(closing)
    joint = border
    taken: set[int] = set()
    while gap > min(_WIDE, int(units.tokens[-1])):
        rest = _WIDE // 2 if gap > _WIDE else _NARROW  # what is left to close exactly
        at = int(np.searchsorted(units.tokens, gap - rest, side="right")) - 1
        while at >= 0 and at in taken:
            at -= 1
        if at < 0 or len(taken) > 1000:
            break
        taken.add(at)
        closing += [joint, _sentence(corpus, units, at)]
        joint = "\n\n"
        gap = missing(closing)
    if gap == 0:
        return closing
    if gap < 0:
        return None
    near = [unit for unit in _nearest_first(units.tokens, gap - 1) if unit not in taken]
    for unit in near[:_TRIES]:
        candidate = [*closing, joint, _sentence(corpus, units, unit)]
        if missing(candidate) == 0:
            return candidate
    longer = range(int(np.searchsorted(units.tokens, gap)), len(units.tokens))
    for unit in ([unit for unit in longer if unit not in taken] or near[::-1])[:_CUT_TRIES]:
        text = decode(corpus, _sentence(corpus, units, unit))
        for end in _ends(text, lambda end, text=text: missing([*closing, joint, text[:end]])):  # type: ignore[misc]
            return [*closing, joint, text[:end]]
    return None


def _sentence(corpus: Corpus, units: Units, unit: int) -> Slice:
    return Slice(int(corpus.cut_begin[units.first[unit]]), int(corpus.cut_end[units.last[unit]]))


def _nearest_first(sizes: Offsets, size: int) -> list[int]:
    """Indices into the sorted `sizes`, nearest to `size` first."""
    at = int(np.searchsorted(sizes, size))
    window = np.arange(max(0, at - 4 * _TRIES), min(len(sizes), at + 4 * _TRIES))
    return [int(index) for index in window[np.argsort(np.abs(sizes[window] - size), kind="stable")]]


def _ends(text: str, missing_at: Callable[[int], int]) -> Iterator[int]:
    """Lengths of `text` that leave nothing missing; those behind a word first.

    What is missing falls, give or take a token, as the text grows, so the right length is bracketed by bisection.
    """
    low, high = 0, len(text)
    while high - low > 8:
        middle = (low + high) // 2
        low, high = (middle, high) if missing_at(middle) > 0 else (low, middle)
    near = [end for end in range(max(1, low - 12), min(len(text), high + 12) + 1) if not text[end - 1].isspace()]
    near.sort(key=lambda end: end < len(text) and text[end - 1].isalnum() and text[end].isalnum())
    yield from (end for end in near if missing_at(end) == 0)
