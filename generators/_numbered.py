"""Haystacks of numbered documents whose tokens are known already: only what stands between them is encoded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from longctx.closing import close
from longctx.errors import ImpossibleSample
from longctx.exact import Haystack, Insert, Missing, Pieces, finish, missing_tokens
from longctx.seams import Seams
from longctx.tokens import Tokenizer
from longctx.units import counted

from ._fill import Closing

_ROUNDS = 40  # attempts to find the number of documents
_FIRST = 256  # documents on which it is seen how far sizes are off
_OFF = 4  # tokens by which one document's size may be off
_MOST = 1 << 40  # documents


@dataclass(frozen=True, slots=True)
class Stored:
    """Documents to make a haystack of.

    Attributes:
        make: number of documents → all pieces in order, with the place of the closing, and what knows their tokens.
        inserts: all that pieces hold, in the order in which their spans are wanted.
        size: number of documents → about how many tokens they take, up to a factor.
    """

    make: Callable[[int], tuple[Seams, Pieces]]
    inserts: Sequence[Insert]
    size: Callable[[int], float]


@dataclass(frozen=True, slots=True)
class _Built:
    """A haystack of so many documents, but for its closing."""

    documents: int
    seams: Seams
    pieces: Pieces
    missing: Missing
    gap: int


def fill_stored(
    tokenizer: Tokenizer, *, length: int, frame: tuple[str, str], stored: Stored, closing: Closing | None
) -> tuple[Haystack, int]:
    """Build a haystack of as many documents as fit.

    Args:
        tokenizer: the model's.
        length: tokens of the rendered prompt: exactly as many with a closing, at most as many without.
        frame: rendered text before and after the haystack.
        stored: what it is made of.
        closing: fills the last tokens; None: they stay empty.

    Returns:
        The haystack, its spans in the order of the inserts, and its number of documents.

    Raises:
        ImpossibleSample: too short for one document beside the inserts; says the shortest possible length.
    """
    reserve = closing.reserve if closing else 0

    def build(count: int) -> _Built:
        seams, pieces = stored.make(count)
        total = length - sum(tokenizer.affix_counts)
        missing = missing_tokens(seams, total, frame[0], pieces, frame[1])
        return _Built(count, seams, pieces, missing, missing([]))

    found = _largest(build, stored.size, reserve)
    if found.gap < reserve:
        raise ImpossibleSample(
            f"A prompt of {counted(length, 'token')} is too short for the smallest haystack of this kind with what "
            "stands around it. "
            f"The shortest possible length with these is {length - found.gap + reserve:,}."
        )
    fewer = 1
    while True:
        pieces = close(closing.candidates, found.missing, closing.border, closing.joint) if closing else []
        if pieces is not None:
            return finish(found.seams, frame[0], found.pieces, pieces, frame[1], stored.inserts), found.documents
        if found.documents == 1:
            raise ImpossibleSample(f"No closing gives exactly {length:,} tokens with this tokenizer.")
        found = build(max(1, found.documents - fewer))
        fewer *= 2


def _largest(build: Callable[[int], _Built], size: Callable[[int], float], reserve: int) -> _Built:
    """The one of the most documents that leaves the reserve; of a single one where none does."""
    last = low = build(1)
    high = _MOST  # so many leave too little
    ratio = 1.0
    for attempt in range(_ROUNDS):
        room = low.gap - reserve
        if room < 0 or low.documents + 1 >= high:
            break
        if attempt > 1 and room < ratio * (size(low.documents + 1) - size(low.documents)) - _OFF:
            break
        wanted = size(last.documents) + (last.gap - reserve) / ratio
        count = _count(size, wanted, high)
        if attempt == 0 and count > 2 * _FIRST:
            count = _FIRST
        count = max(low.documents + 1, min(count, high - 1))
        built = build(count)
        if abs(count - last.documents) > 8 and last.gap != built.gap:
            ratio = (last.gap - built.gap) / (size(count) - size(last.documents))
        last = built
        if built.gap >= reserve:
            low = built
        else:
            high = count
    return low


def _count(size: Callable[[int], float], wanted: float, most: int) -> int:
    """The largest number of documents, below `most`, whose size is at most `wanted`."""
    low, high = 0, 1
    while high < most and size(high) <= wanted:
        low, high = high, 2 * high
    high = min(high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if size(middle) <= wanted else (low, middle)
    return low
