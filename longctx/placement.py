"""At which cut points of a haystack's passages needles and distractors stand."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from longctx.corpus import Corpus, Section
from longctx.cuts import LINE, OPEN_PARAGRAPH, OPEN_SENTENCE, PARAGRAPH, SENTENCE
from longctx.errors import ImpossibleSample
from longctx.passages import Passage, size_of
from longctx.tokens import Offsets
from longctx.voice import Boundary

Reals = npt.NDArray[np.float64]

_STACKED = 4  # distractors that may stand one behind another where there are not enough places
_TOLERANCE = 0.025  # share of the haystack by which a needle may miss its depth for a better boundary
_NEAR = 128  # tokens by which a distractor of a nested haystack may miss its place for a better boundary
_TOLERANCE_TOKENS = 64  # the same in tokens, for short haystacks


def _steps(*steps: Sequence[int]) -> tuple[npt.NDArray[np.bool_], ...]:
    """For each step (rank,) whether places of a rank serve, those of earlier steps included."""
    allowed = np.zeros(OPEN_PARAGRAPH + 1, bool)
    masks = []
    for ranks in steps:
        allowed[list(ranks)] = True
        masks.append(allowed.copy())
    return tuple(masks)


# Kinds of places for each boundary, in the order in which they are wanted. Lines, which are rows of tables and parts of
# lists too, serve only where there is nothing else at all.
_WANTED: dict[Boundary, tuple[npt.NDArray[np.bool_], ...]] = {
    "paragraph": _steps([OPEN_PARAGRAPH], [PARAGRAPH, OPEN_SENTENCE], [SENTENCE], [LINE]),
    "sentence": _steps([OPEN_PARAGRAPH], [OPEN_SENTENCE], [SENTENCE, PARAGRAPH], [LINE]),
    "definition": _steps([OPEN_PARAGRAPH], [PARAGRAPH], [LINE]),
}


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where something can be put into the filler.

    Attributes:
        passage: (p,) index of the passage.
        cut: (p,) index of the corpus's cut; the passage's own first cut stands for the border before it, its last
            cut for its end.
        token: (p,) tokens of filler and titles before the place.
        rank: (p,) the cut's rank.
    """

    passage: npt.NDArray[np.int64]
    cut: npt.NDArray[np.int64]
    token: Offsets
    rank: npt.NDArray[np.uint8]


def find_places(
    corpus: Corpus, passages: Sequence[Passage], host: Section, leads: Sequence[int] = (), *, borders: bool = True
) -> Places:
    """Cut points inside the passages of `host`, and between them.

    Args:
        corpus: whose passages they are.
        passages: all of the haystack.
        host: section in whose passages something may stand.
        leads: tokens of what stands before each passage: a blank line, a title; none where it is empty.
        borders: True: between two passages too; False: behind the end of each instead, before the next one's title.
    """
    own = [index for index, p in enumerate(passages) if host.first <= p.first < host.last]
    spans = [np.arange(passages[i].first + (i == 0 or not borders), passages[i].last + (not borders)) for i in own]
    sizes = np.array([size_of(corpus, passage) for passage in passages], np.int64)
    offsets = np.concatenate(([0], np.cumsum(sizes)))[: len(passages)]
    offsets += np.cumsum(leads, dtype=np.int64) if len(leads) else 0
    cut = np.concatenate([*spans, np.empty(0, np.int64)]).astype(np.int64)
    passage = np.repeat(np.array(own, np.int64), [len(span) for span in spans])
    firsts = np.array([p.first for p in passages], np.int64)
    lasts = np.array([p.last for p in passages], np.int64)
    token = corpus.cut_token[cut] - corpus.cut_token[firsts[passage]] + offsets[passage] if len(cut) else cut
    rank = corpus.cut_rank[cut]
    if len(cut):
        before = np.where(cut == firsts[passage], lasts[passage - 1], cut) - 1  # of the text in front of a place
        border = (cut == firsts[passage]) | (cut == lasts[passage])
        # Passages are joined by a blank line; one that was cut short may end in the middle of a sentence.
        ends = corpus.cut_rank[before + 1]
        rank[border] = np.where(ends >= SENTENCE, np.maximum(rank, PARAGRAPH), LINE)[border]
        if host.voice.boundary == "definition":  # not among the papers of a code base
            code = np.array([stretch.format == "code" for stretch in corpus.documents])
            documents = (np.searchsorted(corpus.document_cuts, at, side="right") - 1 for at in (before, cut))
            rank[~np.logical_and(*(code[document] for document in documents))] = LINE
    return Places(passage, cut, token, rank)


def scatter(places: Places, count: int, rng: random.Random, boundary: Boundary, away: float | None = None) -> list[int]:
    """`count` places, drawn uniformly over the filler's tokens: indices into `places`, in order.

    They are different ones as long as there are enough.

    Args:
        places: of the filler.
        count: how many.
        rng: draws.
        boundary: where the voice's needles stand.
        away: depth (0-1) from which they keep away: they stand in the half of the filler that is farthest from it.

    Raises:
        ImpossibleSample: fewer places than that.
    """
    if not count:
        return []
    distant = np.ones(len(places.token), bool)
    if away is not None and len(places.token):
        distance = np.abs(places.token - away * float(places.token[-1]))
        distant = distance >= float(np.median(distance))
    for wanted in _WANTED[boundary]:
        allowed = np.flatnonzero(wanted[places.rank] & distant)
        if len(allowed) >= count:
            break
    else:  # one behind another, the last ones behind all filler
        seats = [*np.flatnonzero(distant).tolist(), len(places.token)] * _STACKED
        if count > len(seats):
            raise ImpossibleSample(
                f"{count:,} distractors were asked for and the haystack has places for {len(seats):,}: ask for a lower "
                "density, fewer questions per haystack, a longer haystack, or another corpus."
            )
        return sorted(rng.sample(seats, count))
    tokens = places.token[allowed]
    free = np.ones(len(allowed), bool)
    end = int(tokens[-1]) + 1 if len(tokens) else 0
    chosen = []
    for _ in range(count):
        at = int(np.searchsorted(tokens, rng.randrange(end)))
        at = _nearest_free(free, min(at, len(free) - 1))
        free[at] = False
        chosen.append(int(allowed[at]))
    return sorted(chosen)


def spread(places: Places, sizes: Sequence[float], spacing: float, rng: random.Random, boundary: Boundary) -> list[int]:
    """A place for each distractor of a nested haystack: the first ones stand as in any longer haystack.

    One in every stretch of `spacing` tokens, drawn uniformly within it; distractors count as tokens too. Each stands at
    the best boundary within `_NEAR` tokens, or at the next that is good: what decides is near by, and so the same in a
    longer haystack.

    Args:
        places: of the filler.
        sizes: tokens of each.
        spacing: tokens from the beginning of one stretch to that of the next.
        rng: draws.
        boundary: where the voice's needles stand.

    Returns:
        Indices into `places`, rising; the number of places is behind all filler. Several may share one.
    """
    *steps, anywhere = (np.flatnonzero(step[places.rank]) for step in _WANTED[boundary])
    good = steps[-1] if len(steps[-1]) else anywhere
    before, chosen = 0.0, []
    for index, size in enumerate(sizes):
        wanted = (index + rng.random()) * spacing - before
        spots = (_following(places, step, wanted) for step in steps)
        near = (spot for spot in spots if spot < len(places.token) and places.token[spot] - wanted <= _NEAR)
        spot = next(near, None)
        chosen.append(_following(places, good, wanted) if spot is None else spot)
        before += size
    return chosen


def _following(places: Places, allowed: npt.NDArray[np.int64], wanted: float) -> int:
    """The first of the allowed places that has `wanted` tokens before it; the number of places where none has."""
    at = int(np.searchsorted(places.token[allowed], wanted))
    return int(allowed[at]) if at < len(allowed) else len(places.token)


def beside(
    places: Places,
    tokens: Reals,
    spot: int,
    before: Sequence[float],
    after: Sequence[float],
    boundary: Boundary,
    near: int,
) -> tuple[list[int], list[int]]:
    """Places for what stands close before and after a needle, as far apart as `near` tokens allow.

    Args:
        places: of the filler.
        tokens: (p,) tokens of the haystack before each place.
        spot: the needle's place; -1 the beginning, the number of places the end.
        before: tokens of each that goes before it.
        after: tokens of each that goes after it.
        boundary: where the voice's needles stand.
        near: tokens, counted from the needle, within which all must stand.

    Returns:
        A place for each, in order; the needle's own where there is none nearby. Several may share one.
    """
    end = int(tokens[-1]) if len(tokens) else 0
    at = 0 if spot < 0 else int(tokens[spot]) if spot < len(tokens) else end
    left: list[int] = []
    right: list[int] = []
    for step in _WANTED[boundary][:-1]:
        allowed = np.flatnonzero(step[places.rank])
        left = left or allowed[(allowed < spot) & (tokens[allowed] >= at - (near - sum(before)))].tolist()
        right = right or allowed[(allowed > spot) & (tokens[allowed] <= at + (near - sum(after)))].tolist()
    if spot >= len(tokens):
        left = []  # the closing sentence stands in between, however long it is
    return _spread(left, len(before), spot), _spread(right, len(after), spot)


def _spread(places: list[int], count: int, otherwise: int) -> list[int]:
    if not places:
        return [otherwise] * count
    return [places[min(len(places) - 1, index * len(places) // max(1, count))] for index in range(count)]


def _nearest_free(free: npt.NDArray[np.bool_], at: int) -> int:
    for distance in range(len(free)):
        for index in (at - distance, at + distance):
            if 0 <= index < len(free) and free[index]:
                return index
    raise AssertionError("more places asked for than there are")


def nearest(
    places: Places,
    tokens: Reals,
    wanted: float,
    last: float,
    haystack: int,
    boundary: Boundary,
    taken: Sequence[int] = (),
) -> int:
    """Place nearest to `wanted`, at the boundary that a voice prefers where one is near enough.

    Args:
        places: of the filler.
        tokens: (p,) tokens of the haystack before each place, what stands there already included.
        wanted: tokens that should stand before the needle.
        last: tokens before the needle where it stands at the very end.
        haystack: tokens of the haystack.
        boundary: where the voice's needles stand.
        taken: places where something stands already: kept away from if there are others.

    Returns:
        Index into `places`; -1 for the very beginning, the number of places for the very end, where these are nearer.
    """
    tolerance = max(_TOLERANCE * haystack, _TOLERANCE_TOKENS)
    rank = places.rank.copy()
    rank[list(taken)] = LINE
    best, distance = _nearest_inner(rank, tokens, wanted, tolerance, boundary)
    if min(wanted, last - wanted) < distance:
        return -1 if wanted <= last - wanted else len(tokens)
    return best


def _nearest_inner(
    ranks: npt.NDArray[np.uint8], tokens: Reals, wanted: float, tolerance: float, boundary: Boundary
) -> tuple[int, float]:
    """Index of the place nearest to `wanted` and how far it is from there; -1 and infinite where there is none."""
    best, best_distance = -1, float("inf")
    for step in _WANTED[boundary]:
        allowed = np.flatnonzero(step[ranks])
        if not len(allowed) or (step[LINE] and best >= 0):
            continue
        index = int(np.argmin(np.abs(tokens[allowed] - wanted)))
        distance = abs(float(tokens[allowed[index]]) - wanted)
        if distance < best_distance:
            best, best_distance = int(allowed[index]), distance
        if best_distance <= tolerance:
            break
    return best, best_distance


def apart(
    places: Places,
    order: Sequence[tuple[int, int]],
    sizes: Sequence[float],
    insert: int,
    mate: int,
    gap: int,
    haystack: int,
    boundary: Boundary,
    *,
    behind: bool,
) -> tuple[int, int]:
    """Where an insert goes that begins `gap` tokens behind another one, or in front of it.

    Args:
        places: of the filler.
        order: (insert, place) of all that are placed, in the order in which they stand.
        sizes: tokens of every insert.
        insert: to place.
        mate: the one that the distance is from.
        gap: tokens from one's beginning to the other's.
        haystack: tokens of the haystack.
        boundary: where the voice's needles stand.
        behind: True: behind `mate`; False: in front of it.

    Returns:
        Index in `order` at which it goes, and its place.
    """
    at = next(index for index, (placed, _) in enumerate(order) if placed == mate)
    spot, count = order[at][1], len(places.token)
    tokens = with_inserts(places, order, sizes)
    if spot == count:
        begin = haystack - sum(sizes[k] for k, _ in order[at:])
    else:
        begin = sum(sizes[k] for k, _ in order[:at]) + (float(places.token[spot]) if spot >= 0 else 0.0)
    tolerance = max(_TOLERANCE * gap, _TOLERANCE_TOKENS)
    # In front of its mate it moves that one by its own size, unless that one is bound to the haystack's end.
    wanted = begin + gap if behind else begin - gap + (sizes[insert] if spot < count else 0.0)
    first, stop = (spot + 1, count) if behind else (0, min(spot, count))
    found: list[tuple[float, int, bool]] = []  # (off by, place, behind what stands there already)
    for last, reckoned in ((True, tokens), (False, with_inserts(places, order, sizes, own=False))):
        inner, distance = _nearest_inner(places.rank[first:stop], reckoned[first:stop], wanted, tolerance, boundary)
        found += [(distance, first + inner, last)] if inner >= 0 else []
    if behind:
        found += [(abs(sizes[mate] - gap), spot, True), (abs(haystack - sizes[insert] - wanted), count, True)]
    else:
        found += [(abs(sizes[insert] - gap), spot, False), (abs(wanted), -1, False)]
    _, place, last = min(found)
    if place == spot:
        return at + behind, place
    return sum(other < place or last and other == place for _, other in order), place


def with_inserts(
    places: Places, order: Sequence[tuple[int, int]], sizes: Sequence[float], *, own: bool = True
) -> Reals:
    """(p,) tokens of the haystack before each place.

    Args:
        places: of the filler.
        order: (insert, place) of what is placed; -1 the beginning, the number of places the end.
        sizes: tokens of every insert.
        own: with all that stands at the place itself.
    """
    added = np.zeros(len(places.token) + 2)
    np.add.at(added, np.array([spot for _, spot in order], np.int64) + 1, [sizes[k] for k, _ in order])
    tokens: Reals = places.token + (np.cumsum(added)[1:-1] if own else np.cumsum(added)[:-2])
    return tokens
