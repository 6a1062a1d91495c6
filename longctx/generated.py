"""Haystacks that are no documents: lists, sentences of one form, conversations. Made to the token like the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from longctx.closing import Candidates, close
from longctx.encoded import encode_texts
from longctx.errors import ImpossibleSample
from longctx.exact import Haystack, Insert, Pieces, finish, missing_tokens
from longctx.seams import Slice
from longctx.tokens import Tokenizer

_ROUNDS = 24  # attempts to find the number of units
_SAMPLED = 4_000  # parts that are encoded to see how far their counts add up


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a generated haystack, its own separators included.

    Attributes:
        text: what stands there.
        insert: what it holds for the record: a needle or distractor; None for filler.
        closing: True for the empty part where the closing goes; without one it goes to the end.
    """

    text: str
    insert: Insert | None = None
    closing: bool = False


CLOSING = Part("", closing=True)


@dataclass(slots=True)
class _Counter:
    """Tokens of parts, each counted once on its own."""

    tokenizer: Tokenizer
    known: dict[str, int] = field(default_factory=dict)

    def total(self, parts: Sequence[Part]) -> int:
        fresh = list({part.text for part in parts if part.text not in self.known})
        for text, encoding in zip(fresh, self.tokenizer.encode_many(fresh), strict=True):
            self.known[text] = len(encoding.ids)
        return sum(self.known[part.text] for part in parts)


def generate(
    tokenizer: Tokenizer,
    *,
    length: int,
    frame: tuple[str, str],
    make: Callable[[int], Sequence[Part]],
    candidates: Candidates,
    reserve: int,
    border: str = "\n\n",
    joint: str = "\n\n",
    longest_after: int = 0,
    least: int = 0,
) -> tuple[Haystack, list[Part]]:
    """Build a haystack of as many units as fit, whose rendered prompt has exactly `length` tokens.

    Args:
        tokenizer: the model's.
        length: tokens of the prompt.
        frame: rendered text before and after the haystack.
        make: number of filler units → all parts in order; more units never make it shorter.
        candidates: what the closing is made of.
        reserve: tokens that are left to the closing: enough for one or two candidates.
        border: what stands before the closing.
        joint: what stands between two pieces of the closing.
        longest_after: tokens to reserve for what stands behind the haystack, where it is longer for other questions.
        least: units of the smallest haystack that makes sense.

    Returns:
        The haystack, its spans in the order of the parts that hold an insert, and the parts.

    Raises:
        ImpossibleSample: `length` is too short for the least units, or nothing closes the gap; says what is possible.
    """
    counts = [len(encoding.ids) for encoding in tokenizer.encode_many(frame)]
    around = counts[0] + max(counts[1], longest_after) + sum(tokenizer.affix_counts)
    counter = _Counter(tokenizer)
    smallest = make(least)
    shortest = around + counter.total(smallest) + reserve
    budget = length - around - reserve
    ratio = 1.0
    for attempt in range(_ROUNDS):
        units = _most_units(make, counter, budget * ratio, least)
        parts = make(units)
        if attempt == 0 and len(parts) > _SAMPLED // 2:
            # Counts do not add up: what they add up to is measured on the beginning, so that one round is enough.
            some = parts[:_SAMPLED]
            joined = tokenizer.count("".join(part.text for part in some))
            ratio = counter.total(some) / max(1, joined)
            units = _most_units(make, counter, budget * ratio, least)
            parts = make(units)
        [store] = encode_texts(["".join(part.text for part in parts) or " "], tokenizer)
        pieces, inserts = _pieces(parts)
        total = length - sum(tokenizer.affix_counts)
        missing = missing_tokens(store, tokenizer, total, frame[0], pieces, frame[1])
        gap = missing([])
        closing = close(candidates, missing, border, joint) if gap >= 0 else None
        if closing is not None:
            return finish(store, tokenizer, frame[0], pieces, closing, frame[1], inserts), list(parts)
        if units <= least:
            shortest = max(shortest, length + 1 + max(0, -gap))
            break
        budget -= max(1, -gap) if gap < 0 else max(1, reserve // 2)
    raise ImpossibleSample(
        f"{length:,} tokens are too few: the prompt around the haystack takes {around:,}, and the least that can be in "
        f"it {shortest - around:,}. The shortest possible length with these is {shortest:,}."
    )


def _most_units(make: Callable[[int], Sequence[Part]], counter: _Counter, budget: float, least: int) -> int:
    """About as many units as `budget` tokens hold, never more."""
    low, high = least, None  # high: too many
    base = counter.total(make(least))
    step = least + 8
    slope = max(1e-9, (counter.total(make(step)) - base) / (step - least))
    for _ in range(_ROUNDS):
        guess = least + int((budget - base) / slope)
        guess = max(low + 1, guess) if high is None else min(max(low + 1, guess), high - 1)
        if guess <= low or high is not None and high - low <= 1:
            break
        size = counter.total(make(guess))
        if size <= budget:
            low = guess
            if budget - size < 2 * slope:
                break
        else:
            high = guess
        slope = max(1e-9, (size - base) / (guess - least))
    return low


def _pieces(parts: Sequence[Part]) -> tuple[Pieces, list[Insert]]:
    pieces, inserts = Pieces(), list[Insert]()
    begin = end = 0  # bytes of the store that are not yet a piece
    for part in parts:
        size = len(part.text.encode())
        if part.insert is not None:
            if end > begin:
                pieces.add(Slice(begin, end))
            pieces.add(part.text, len(inserts))
            inserts.append(part.insert)
            begin = end = end + size
        elif part.closing:
            if end > begin:
                pieces.add(Slice(begin, end))
                begin = end
            pieces.close_here()
        else:
            end += size
    if end > begin:
        pieces.add(Slice(begin, end))
    return pieces, inserts
