"""Which passages a conversation is made of: the answers to one request, and all that stands between them."""

from __future__ import annotations

import random
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import chain

import numpy as np

from longctx.corpus import Corpus
from longctx.errors import ImpossibleSample

from ._mrcr_passages import Passage
from ._mrcr_requests import NEEDLE, Pool

_ENOUGH = 4  # topics with enough passages: beside as many, terms are not needed
_ALIKE = 0.9  # from here on two passages cannot be told apart
_GROUPS = 60  # tried before giving up
MARKS = 10  # about as many tokens a template puts around the two messages of a round
_SPARE = 2  # times as many tokens of passages as a conversation takes are drawn from in a corpus that grows
_OPENING = 80  # characters by which an answer is recognised
_UNIT = re.compile(r"[\u3400-\u9fff]|\w+")


def likeness(one: str, other: str) -> float:
    """How alike two passages are, 0-1: difflib's ratio over their words, the first 400 of each."""
    return _matcher(one, other).ratio()


def _matcher(one: str, other: str) -> SequenceMatcher[str]:
    return SequenceMatcher(None, _UNIT.findall(one)[:400], _UNIT.findall(other)[:400], autojunk=False)


def told_apart(one: str, other: str) -> bool:
    """True where two passages differ in how they begin, neither holds the other, and they are not nearly alike."""
    if one[:_OPENING] in other or other[:_OPENING] in one:
        return False
    matcher = _matcher(one, other)
    return matcher.quick_ratio() <= _ALIKE or matcher.ratio() <= _ALIKE


def draw_twins(pool: Pool, corpus: Corpus, section: int, count: int, rng: random.Random) -> tuple[str, list[Passage]]:
    """A request and `count` different passages that answer it, drawn.

    Args:
        pool: the corpus's.
        corpus: for the message.
        section: index of the part of a mixed corpus that they are from.
        count: how many.
        rng: draws.

    Raises:
        ImpossibleSample: no request has so many answers that can be told apart; says how many there are.
    """
    most = 0
    tiers = [_of_section(pool, tier, section) for tier in pool.tiers]
    fitting = [[request for request, members in tier.items() if len(members) >= count] for tier in tiers]
    if len(fitting[0]) < _ENOUGH and rng.random() < 0.5:  # else the same few would be asked about all the time
        fitting[:2] = fitting[1::-1]
    known = {request: members for tier in tiers for request, members in tier.items()}
    for requests in fitting:
        for request in rng.sample(requests, min(_GROUPS, len(requests))):
            members = known[request]
            chosen: list[Passage] = []
            for index in rng.sample(members, min(len(members), 4 * count)):
                passage = pool.passages[index]
                if all(told_apart(passage.text, other.text) for other in chosen):
                    chosen.append(passage)
                if len(chosen) == count:
                    return request, chosen
            most = max(most, len(chosen))
    most = max(most, min(count - 1, max((len(m) for m in known.values()), default=0)))
    possible = [str(n) for n in (2, 4, 8) if n <= most]
    raise ImpossibleSample(
        f"{count} different answers to one request were asked for (needles), and corpus {corpus.name!r} has no request "
        f"with more than {most} that can be told apart. "
        + (f"Possible here: needles = {' or '.join(possible)}. " if possible else "")
        + f"Add documents: passages of {NEEDLE[0]} to {NEEDLE[1]} tokens under one heading or about one term are taken."
    )


def _of_section(pool: Pool, tier: dict[str, list[int]], section: int) -> dict[str, list[int]]:
    return {
        request: own
        for request, members in tier.items()
        if (own := [index for index in members if pool.passages[index].section == section])
    }


def draw_first(pool: Pool, taken: Iterable[Passage], rng: random.Random) -> Passage | None:
    """A short passage for the one round beside the twins in the shortest conversation; None where there is none."""
    own = set(map(id, taken))
    rest = [pool.passages[index] for index in pool.base if id(pool.passages[index]) not in own]
    return min(rng.sample(rest, min(8, len(rest))), key=lambda passage: passage.tokens, default=None)


def order_fillers(
    pool: Pool,
    shares: Sequence[float],
    taken: Iterable[Passage],
    request: str,
    first: Passage | None,
    tokens: int,
    rng: random.Random,
) -> list[tuple[Passage, str]]:
    """Other passages in the order in which they are taken, each with a request that is not `request`.

    Each part of a mixed corpus comes in by its share. Requests recur only where passages run out of terms.

    Args:
        pool: the corpus's.
        shares: of its parts.
        taken: passages that stand in the conversation already.
        request: what these answer.
        first: one that comes first.
        tokens: how many all together must have at least, if there are so many.
        rng: draws.
    """
    begin = [] if first is None else [pool.numbers[id(first)]]
    own = {*begin, *(pool.numbers[id(passage)] for passage in taken)}
    reached = pool.reach(_SPARE * tokens)
    queues = [_shuffled(members[: bisect_left(members, reached)], rng) for members in pool.sections]
    used, order, size = {request}, list[tuple[Passage, str]](), 0
    for number in chain(begin, (number for number in _dealt(pool, queues, shares) if number not in own)):
        if size >= tokens:
            break
        possible = pool.requests(number)
        for wording in possible:
            if wording not in used:
                break
        else:
            wording = next((one for one in possible if one != request), "")
        if wording:
            used.add(wording)
            passage = pool.passages[number]
            order.append((passage, wording))
            size += passage.tokens + MARKS
    return order


def _shuffled(members: Sequence[int], rng: random.Random) -> Iterator[int]:
    """All of them in an order that is drawn."""
    drawn = np.frombuffer(rng.randbytes(8 * len(members)), "<u8")
    return iter(np.array(members, np.int64)[np.argsort(drawn, kind="stable")].tolist())


def _dealt(pool: Pool, queues: Sequence[Iterator[int]], shares: Sequence[float]) -> Iterator[int]:
    """Passages of several queues in turn, by their shares, until one has no more."""
    if len(queues) == 1:
        yield from queues[0]
        return
    given = [0.0] * len(queues)
    while True:
        section = min(range(len(shares)), key=lambda index: given[index] / shares[index])
        number = next(queues[section], None)
        if number is None:
            return
        given[section] += pool.passages[number].tokens
        yield number
