"""Haystacks made of as many units as fit: lines, list entries, documents. Exact to the token, or as RULER measures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from longctx.agreement import Store
from longctx.closing import Candidates, close
from longctx.encoded import encode_texts
from longctx.errors import ImpossibleSample
from longctx.exact import Haystack, Insert, Missing, Pieces, finish, missing_tokens
from longctx.generated import Part
from longctx.phrases import Phrases
from longctx.seams import Piece, Seams, Slice
from longctx.tokens import Tokenizer
from longctx.units import counted

LONG = 1 << 16  # tokens from which encoding everything again takes long, and a table of phrases is worth it
_ROUNDS = 40  # attempts to find the number of units
_SAMPLE = 1 / 16  # share of the length that is encoded to see how many tokens a unit has
_SLACK = 48  # tokens that closing sentences may take beyond their reserve, at least
_BLOCK = 256  # lines that are encoded as one text
_SHORT_OF = 0.003  # share of a long haystack that is left to an extension, which is encoded alone


@dataclass(frozen=True, slots=True)
class Units:
    """What a haystack is made of.

    Attributes:
        make: number of units → all parts in order; one of them may be `longctx.generated.CLOSING`.
        inserts: all that parts hold, in the order in which their spans are wanted.
        size: number of units → about how many tokens they take, up to a factor.
        least: units of the smallest haystack that makes sense.
        extend: (units, more) → text that adds as many more where the closing goes; None where there is none.
        phrases: what the parts' orders are taken from; where it is exact, so is `size`, up to a few tokens.
        most: units that there are.
    """

    make: Callable[[int], Sequence[Part]]
    inserts: Sequence[Insert]
    size: Callable[[int], float]
    least: int = 1
    extend: Callable[[int, int], str] | None = None
    phrases: Phrases | None = None
    most: int = 1 << 40

    @property
    def exact(self) -> bool:
        """True where a search needs no attempts."""
        return self.phrases is not None and self.phrases.exact


@dataclass(frozen=True, slots=True)
class Closing:
    """How the last tokens of a haystack are filled.

    Attributes:
        candidates: what it is made of.
        reserve: tokens that are always left to it; it must be able to fill any number from there on.
        border: stands before it.
        joint: stands between two of its pieces.
    """

    candidates: Candidates
    reserve: int
    border: str
    joint: str


@dataclass(slots=True)
class _Built:
    """A haystack of so many units, but for its closing."""

    units: int
    seams: Seams
    pieces: Pieces
    missing: Missing
    gap: int


def fill(
    tokenizer: Tokenizer,
    *,
    length: int,
    frame: tuple[str, str],
    units: Units,
    closing: Closing | None,
    numbers: Sequence[int] = (),
) -> tuple[Haystack, int]:
    """Build a haystack of as many units as fit.

    Args:
        tokenizer: the model's.
        length: tokens of the rendered prompt: exactly as many with a closing, at most as many without.
        frame: rendered text before and after the haystack.
        units: what it is made of.
        closing: fills the last tokens; None: they stay empty, and of a long haystack up to 0.1 % does.
        numbers: of units, tried in this order in place of a search for the largest.

    Returns:
        The haystack, its spans in the order of the inserts, and its number of units.

    Raises:
        ImpossibleSample: too short for the least units; says the shortest possible length.
    """
    reserve = closing.reserve if closing else 0
    smallest = _build(tokenizer, length, frame, units, units.least)
    if smallest.gap < reserve:
        raise ImpossibleSample(
            f"A prompt of {counted(length, 'token')} is too short for the smallest haystack of this kind with what "
            "stands around it. "
            f"The shortest possible length with these is {length - smallest.gap + reserve:,}."
        )
    for number in numbers:
        built = _build(tokenizer, length, frame, units, number)
        if built.gap >= reserve:
            return _finish(frame, units, built, [])
    found, slope = _search(tokenizer, length, frame, units, smallest, closing)
    if closing is None:
        return _finish(frame, units, found, [])
    fewer = 1
    while True:
        if found.gap > reserve + _SLACK and units.extend and length > LONG and not units.exact:
            _extend(tokenizer, length, frame, units, found, slope, closing)
        pieces = close(closing.candidates, found.missing, closing.border, closing.joint)
        if pieces is not None:
            return _finish(frame, units, found, pieces)
        if found.units == units.least:
            raise ImpossibleSample(f"No closing gives exactly {length:,} tokens with this tokenizer.")
        found = _build(tokenizer, length, frame, units, max(units.least, found.units - fewer))
        fewer *= 2


def _finish(frame: tuple[str, str], units: Units, built: _Built, closing: Sequence[Piece]) -> tuple[Haystack, int]:
    made = finish(built.seams, frame[0], built.pieces, closing, frame[1], units.inserts)
    return made, built.units


def _build(tokenizer: Tokenizer, length: int, frame: tuple[str, str], units: Units, count: int) -> _Built:
    parts = units.make(count)
    if units.phrases is not None and units.phrases.exact:
        store, slices = _stored(parts, units.phrases)
    else:
        parts = _as_texts(parts, units.phrases) if units.phrases else parts
        store, slices = _encoded(parts, tokenizer)
    pieces = _pieces(parts, slices, units)
    seams = Seams(store, tokenizer)
    missing = missing_tokens(seams, length - sum(tokenizer.affix_counts), frame[0], pieces, frame[1])
    return _Built(count, seams, pieces, missing, missing([]))


def _search(
    tokenizer: Tokenizer, length: int, frame: tuple[str, str], units: Units, low: _Built, closing: Closing | None
) -> tuple[_Built, float]:
    """The largest number of units that leaves the reserve, or nearly; and about how many tokens one takes."""
    reserve = closing.reserve if closing else 0
    slack = _SLACK if closing else length // 1000
    margin = slack / 2 if length > LONG else 0.0
    if length > LONG and closing and units.extend and not units.exact:
        margin = _SHORT_OF * length
    tried: int | None = None  # more units than that leave too little
    ratio, first = 1.0, 0 if units.exact else 1  # attempts by which a size is known well

    def size(count: int) -> float:
        return units.size(min(count, units.most))

    for attempt in range(_ROUNDS):
        base = size(low.units)
        step = 1 + low.units // 64  # of coded words, many more add no token at all
        slope = max(1e-6, ratio * (size(low.units + step) - base) / step)
        room = low.gap - reserve
        extended = bool(closing and units.extend and length > LONG and room <= 3 * margin)
        if room < slope or attempt > first and (room <= slope + slack or extended):
            break
        wanted = room * _SAMPLE if attempt < first and room > 4096 else room - margin
        at = _largest(lambda n: ratio * (size(n) - base), low.units, wanted, tried or units.most)  # noqa: B023
        if tried is not None and at >= tried:
            at = tried - 1
        if at <= low.units:
            if tried == low.units + 1:
                break
            at = low.units + 1
        built = _build(tokenizer, length, frame, units, at)
        taken = max(1, low.gap - built.gap)
        ratio = taken / max(1e-6, size(at) - base)
        if built.gap >= reserve:
            low = built
        else:
            tried = at
    return low, slope


def _largest(size: Callable[[int], float], low: int, room: float, most: int) -> int:
    """The largest number, at most `most`, whose size is at most `room`; at least `low`."""
    step = 1
    while low + step < most and size(low + step) <= room:
        step *= 2
    high = min(low + step, most + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if size(middle) <= room else (low, middle)
    return low


def _extend(
    tokenizer: Tokenizer,
    length: int,
    frame: tuple[str, str],
    units: Units,
    built: _Built,
    slope: float,
    closing: Closing,
) -> None:
    """Add units where the closing goes, without encoding what is there already again."""
    assert units.extend is not None
    pieces = built.pieces
    at = len(pieces.pieces) if pieces.closing is None else pieces.closing
    more, low, high = int((built.gap - closing.reserve) / slope), 0, 1 << 40
    best: tuple[Pieces, Missing, int] | None = None
    for _ in range(12):
        more = min(max(more, low + 1), high - 1)
        if more <= low:
            break
        longer = Pieces()
        longer.pieces = [*pieces.pieces[:at], units.extend(built.units, more), *pieces.pieces[at:]]
        longer.owners = [*pieces.owners[:at], None, *pieces.owners[at:]]
        longer.places, longer.closing = pieces.places, at + 1
        total = length - sum(tokenizer.affix_counts)
        missing = missing_tokens(built.seams, total, frame[0], longer, frame[1])
        gap = missing([])
        if gap < closing.reserve:
            high = more
        else:
            low, best = more, (longer, missing, gap)
            if gap <= closing.reserve + _SLACK:
                break
        more += int((gap - closing.reserve) / slope) or (-1 if gap < closing.reserve else 1)
    if best is not None:
        built.pieces, built.missing, built.gap = best
        built.units += low


def _stored(parts: Sequence[Part], phrases: Phrases) -> tuple[Store, list[Slice | None]]:
    """Phrases with their tokens, and where in them each part stands; None for those that are new text."""
    orders = [np.empty(0, np.int64) if part.order is None else part.order.ravel() for part in parts]
    ends = np.cumsum([phrases.bytes[order].sum() for order in orders]).tolist()
    slices = [
        None if part.order is None else Slice(begin, end - part.cut)
        for part, begin, end in zip(parts, [0, *ends], ends, strict=False)
    ]
    return phrases.store(np.concatenate(orders)), slices


def _encoded(parts: Sequence[Part], tokenizer: Tokenizer) -> tuple[Store, list[Slice | None]]:
    """All filler with its tokens, and where in it each part stands."""
    filler = dict.fromkeys(part.text for part in parts if part.insert is None)  # what recurs is encoded once
    [store] = encode_texts(["".join(filler) or " "], tokenizer)
    at: dict[str, Slice] = {}
    end = 0
    for text in filler:
        at[text] = Slice(end, end := end + len(text.encode()))
    return store, [at[part.text] if part.insert is None and part.text else None for part in parts]


def _as_texts(parts: Sequence[Part], phrases: Phrases) -> list[Part]:
    """Parts without orders: blocks of text, which recur where lines do."""
    texts: list[Part] = []
    for part in parts:
        if part.order is None:
            texts.append(part)
            continue
        blocks = [phrases.text(part.order[at : at + _BLOCK]) for at in range(0, len(part.order), _BLOCK)]
        if blocks:
            blocks[-1] = blocks[-1][: len(blocks[-1]) - part.cut]
        texts += map(Part, blocks)
    return texts


def _pieces(parts: Sequence[Part], slices: Sequence[Slice | None], units: Units) -> Pieces:
    """Parts as pieces: filler from its store, all else as text."""
    owners = {id(insert): index for index, insert in enumerate(units.inserts)}
    pieces = Pieces()
    open_slice: Slice | None = None
    for part, held in zip(parts, slices, strict=True):
        if not part.closing and not part.text and (held is None or held.begin == held.end):
            continue
        if open_slice is not None and held is not None and held.begin == open_slice.end:
            open_slice = Slice(open_slice.begin, held.end)
            continue
        if open_slice is not None:
            pieces.add(open_slice)
        open_slice = held
        if part.closing:
            pieces.close_here()
        elif held is None:
            owner = owners[id(part.insert)] if part.insert is not None else None
            pieces.add(part.text, owner)
    if open_slice is not None:
        pieces.add(open_slice)
    return pieces
