"""The last few tokens of a haystack: sentences or list entries whose number of tokens is exactly what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Protocol

import numpy as np

from longctx.exact import Missing
from longctx.seams import Piece
from longctx.tokens import Offsets, Tokenizer

_WIDE = 120  # tokens beyond which a gap is narrowed by a whole sentence before it is closed exactly
_NARROW = 8  # tokens that one more sentence, cut short, fills
_TRIES = 16  # whole sentences tried before one is cut short
_CUT_TRIES = 12  # sentences that are cut short before giving up


class Candidates(Protocol):
    """What a closing is made of, shortest first.

    Attributes:
        tokens: (u,) about how many tokens each has.
        cuts: may one be cut short where none fits.
    """

    @property
    def tokens(self) -> Offsets: ...  # noqa: D102
    @property
    def cuts(self) -> bool: ...  # noqa: D102
    def piece(self, index: int) -> Piece:
        """One of them as a piece of the haystack."""
        ...

    def text(self, index: int) -> str:
        """The same as text."""
        ...


class Texts:
    """Candidates that are given as text."""

    def __init__(self, texts: Sequence[str], tokenizer: Tokenizer, *, cuts: bool = False) -> None:
        """Count each.

        Args:
            texts: at least one; each once is enough, as none is taken twice.
            tokenizer: the model's.
            cuts: may one be cut short.
        """
        sizes = np.array(tokenizer.count_many(texts), np.int64)
        order = np.argsort(sizes, kind="stable")
        self.tokens: Offsets = sizes[order]
        self.cuts = cuts
        self._texts: list[str] = [texts[index] for index in order]

    def piece(self, index: int) -> Piece:
        """One of them."""
        return self.text(index)

    def text(self, index: int) -> str:
        """One of them."""
        return self._texts[index]


def close(candidates: Candidates, missing: Missing, border: str, joint: str = "\n\n") -> list[Piece] | None:
    """Pieces that fill a haystack up to the token; None where not even the shortest fits.

    A ladder: a whole sentence of the right size; else, where they may be cut, a longer one cut behind a word, then one
    cut anywhere, then two cut ones; else two whole ones.

    Args:
        candidates: what may be taken, each once.
        missing: counts, in the place where the closing goes.
        border: what stands before the first of them.
        joint: what stands between two of them.
    """
    sizes = candidates.tokens
    if not len(sizes):
        return None
    closing: list[Piece] = []
    gap = missing(closing)
    between = border
    taken: set[int] = set()
    while gap > min(_WIDE, _largest_left(sizes, taken)):
        rest = _WIDE // 2 if gap > _WIDE else _NARROW  # what is left to close exactly
        at = int(np.searchsorted(sizes, gap - rest, side="right")) - 1
        while at >= 0 and at in taken:
            at -= 1
        if at < 0:
            break
        taken.add(at)
        closing += [between, candidates.piece(at)]
        between = joint
        gap = missing(closing)
    if gap == 0:
        return closing
    if gap < 0:
        return None
    near = [unit for unit in _nearest_first(sizes, gap - 1) if unit not in taken]
    for unit in near[:_TRIES]:
        candidate = [*closing, between, candidates.piece(unit)]
        if missing(candidate) == 0:
            return candidate
    if not candidates.cuts:
        return _pair(candidates, missing, [*closing, between], joint, gap, taken)
    longer = range(int(np.searchsorted(sizes, gap)), len(sizes))
    for unit in ([unit for unit in longer if unit not in taken] or near)[:_CUT_TRIES]:
        text = candidates.text(unit)
        for end in _ends(text, lambda end, text=text: missing([*closing, between, text[:end]])):  # type: ignore[misc]
            return [*closing, between, text[:end]]
    texts = [candidates.text(unit) for unit in near[:_CUT_TRIES]]
    # Where not even that fits, in place of the last whole one.
    return _halves(texts, missing, [*closing, between], joint) or _halves(texts, missing, closing[:-1], joint)


def _halves(texts: Sequence[str], missing: Missing, begun: list[Piece], joint: str) -> list[Piece] | None:
    """Two that are cut short: for a gap between the largest one and what that leaves room for."""
    for first, second in pairwise(texts):
        half = first[: len(first) // 2].rpartition(" ")[0]
        if not half or missing([*begun, half]) <= 0:
            continue
        so_far = [*begun, half, joint]
        for end in _ends(second, lambda end, begin=so_far, text=second: missing([*begin, text[:end]])):  # type: ignore[misc]
            return [*so_far, second[:end]]
    return None


def _largest_left(sizes: Offsets, taken: set[int]) -> int:
    """Tokens of the largest that may still be taken: one that is cut short must be longer than the gap."""
    return next((int(sizes[unit]) for unit in range(len(sizes) - 1, -1, -1) if unit not in taken), 0)


def _pair(
    candidates: Candidates, missing: Missing, begun: list[Piece], joint: str, gap: int, taken: set[int]
) -> list[Piece] | None:
    """Two whole ones that fill the gap together."""
    sizes = candidates.tokens
    for first in [unit for unit in _spread(sizes, gap) if unit not in taken]:
        with_first = [*begun, candidates.piece(first)]
        rest = missing(with_first)
        if rest == 0:
            return with_first
        for second in [u for u in _nearest_first(sizes, rest - 1) if u not in taken and u != first][:4]:
            candidate = [*with_first, joint, candidates.piece(second)]
            if missing(candidate) == 0:
                return candidate
    return None


def _spread(sizes: Offsets, gap: int) -> list[int]:
    """One index for each size below `gap`, middle sizes first."""
    kinds, firsts = np.unique(sizes, return_index=True)
    fitting = [int(first) for kind, first in zip(kinds, firsts, strict=True) if kind < gap]
    return sorted(fitting, key=lambda unit: abs(int(sizes[unit]) - gap // 2))


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
