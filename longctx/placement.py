"""Which passages make a haystack, and at which of their cut points needles and distractors stand."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from longctx.corpus import Corpus, Section
from longctx.cuts import LINE, PARAGRAPH, SENTENCE
from longctx.errors import CorpusError, ImpossibleSample
from longctx.seams import Slice, decode
from longctx.tokens import Offsets
from longctx.voice import Boundary

Reals = npt.NDArray[np.float64]

_PASSAGE = 2048  # tokens of a passage at least, so that a short haystack reads as one document
_CODE_PASSAGE = 512  # the same in code, whose definitions are long: the borders of passages are places for needles
_PASSAGES = 32  # about as many passages make a long haystack
_MIXED_PASSAGE, _MIXED_PASSAGES = 256, 128  # the same in a mixed corpus, whose parts take turns
_STACKED = 4  # distractors that may stand one behind another where there are not enough places
_SPARE = 128  # tokens that are left to the closing sentence rather than to one more passage
_ENOUGH = 64  # sentences among which one of the right size can be hoped for
_TOLERANCE = 0.025  # share of the haystack by which a needle may miss its depth for a better boundary
_TOLERANCE_TOKENS = 64  # the same in tokens, for short haystacks


# Kinds of places for each boundary, in the order in which they are wanted. Lines, which are rows of tables and parts of
# lists too, serve only where there is nothing else at all.
_RANKS: dict[Boundary, tuple[int, ...]] = {
    "paragraph": (PARAGRAPH, SENTENCE, LINE),
    "sentence": (SENTENCE, LINE),
    "definition": (PARAGRAPH, LINE),
}


@dataclass(frozen=True, slots=True)
class Passage:
    """Text between two cut points of a corpus."""

    first: int  # index of the cut before it
    last: int  # index of the cut behind it


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


def draw_passages(
    corpus: Corpus, tokens: int, rng: random.Random, host: Section, exclude: Sequence[tuple[int, int]] = ()
) -> list[Passage]:
    """Passages of `tokens` tokens or a few less in all, drawn without replacement.

    Each section of the corpus is dealt into blocks at paragraph borders, from a random phase on; the blocks are
    shuffled and taken until the section's share of `tokens` is nearly reached; the last ones are cut short. In a mixed
    corpus the sections' passages are shuffled; the first and the last one belong to `host`, if it has two.

    Args:
        corpus: its `repeat` lets passages recur.
        tokens: wanted in all.
        rng: draws.
        host: section of the inserts.
        exclude: (begin, end) bytes that no passage may hold.

    Raises:
        CorpusError: a section has fewer tokens than its share and passages may not recur.
    """
    mixed = len(corpus.sections) > 1
    passages: list[Passage] = []
    for section in corpus.sections:
        least = _CODE_PASSAGE if section.voice.boundary == "definition" else _PASSAGE
        size = max(_MIXED_PASSAGE, tokens // _MIXED_PASSAGES) if mixed else max(least, tokens // _PASSAGES)
        blocks = partial(_blocks, corpus, section, size, rng, exclude)
        passages += _draw(corpus, section, round(section.share * tokens), blocks, rng)
    if mixed:
        rng.shuffle(passages)
        own = [index for index, passage in enumerate(passages) if host.first <= passage.first < host.last]
        for index, wanted in zip(own[:1] + own[1:][-1:], (0, len(passages) - 1), strict=False):
            passages[index], passages[wanted] = passages[wanted], passages[index]
    return passages


def _draw(
    corpus: Corpus, section: Section, tokens: int, blocks: Callable[[], list[Passage]], rng: random.Random
) -> list[Passage]:
    total = int(corpus.cut_token[section.last] - corpus.cut_token[section.first])
    if tokens > total and not corpus.repeat:
        raise CorpusError(
            f"Corpus {section.name!r} has {total:,} tokens; {tokens:,} tokens of filler were asked for. "
            "Add documents, ask for a shorter length, or allow passages to recur with --repeat."
        )
    passages: list[Passage] = []
    left = tokens
    while left > 0:
        dealt, before = blocks(), left
        rng.shuffle(dealt)
        for block in dealt:
            size = _size(corpus, block)
            taken = block if size <= left else _shorten(corpus, block, left)
            if taken is None:  # not even its first line is short enough: another block's may be
                continue
            passages.append(taken)
            left -= _size(corpus, taken)
            if left < _SPARE:
                return passages
        if not corpus.repeat or left == before:
            break
    return passages


def _size(corpus: Corpus, passage: Passage) -> int:
    return int(corpus.cut_token[passage.last] - corpus.cut_token[passage.first])


def _blocks(
    corpus: Corpus, section: Section, size: int, rng: random.Random, exclude: Sequence[tuple[int, int]]
) -> list[Passage]:
    first, last = section.first, section.last
    borders = first + np.flatnonzero(corpus.cut_rank[first : last + 1] >= PARAGRAPH)
    low, high = int(corpus.cut_token[first]), int(corpus.cut_token[last])
    wanted = np.arange(low + rng.randrange(size), high, size)
    chosen = borders[np.searchsorted(corpus.cut_token[borders], wanted).clip(max=len(borders) - 1)]
    edges = np.unique(np.concatenate(([first], chosen, [last]))).tolist()
    blocks = [Passage(begin, end) for begin, end in zip(edges, edges[1:], strict=False)]
    for begin, end in exclude:
        blocks = [part for block in blocks for part in _without(corpus, block, begin, end)]
    return blocks


def _without(corpus: Corpus, block: Passage, begin: int, end: int) -> list[Passage]:
    """What is left of a block without the text from byte `begin` to `end`."""
    lower = int(np.searchsorted(corpus.cut_end, begin, side="right")) - 1  # last cut whose text ends before it
    upper = int(np.searchsorted(corpus.cut_begin, end))  # first cut whose text begins behind it
    parts = (Passage(block.first, min(block.last, lower)), Passage(max(block.first, upper), block.last))
    return [part for part in parts if part.last > part.first]


def by_document(corpus: Corpus, passages: Sequence[Passage]) -> list[Passage]:
    """The same text in passages that each lie in one document."""
    parts = []
    for passage in passages:
        begins = corpus.document_cuts
        inner = begins[(begins > passage.first) & (begins < passage.last)].tolist()
        edges = [passage.first, *inner, passage.last]
        parts += [Passage(first, last) for first, last in zip(edges, edges[1:], strict=False)]
    return parts


def _shorten(corpus: Corpus, block: Passage, tokens: int) -> Passage | None:
    """The block's beginning, at most `tokens` long and cut behind a sentence if one ends in its latter half."""
    limit = int(corpus.cut_token[block.first]) + tokens
    last = int(np.searchsorted(corpus.cut_token, limit, side="right")) - 1
    inner = corpus.cut_rank[block.first + 1 : last + 1]
    sentences = np.flatnonzero(inner >= SENTENCE)
    if len(sentences):
        ends = block.first + 1 + int(sentences[-1])
        if corpus.cut_token[ends] - corpus.cut_token[block.first] >= tokens // 2:
            last = ends
    return Passage(block.first, last) if last > block.first else None


@dataclass(frozen=True, slots=True, eq=False)
class Sentences:
    """Sentences (in code: definitions) of a corpus, shortest first: `closing.Candidates`.

    Attributes:
        corpus: whose they are.
        first: (u,) index of the cut before each.
        last: (u,) index of the cut behind it.
        tokens: (u,) tokens of each.
    """

    corpus: Corpus
    first: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]
    tokens: Offsets
    cuts = True

    def piece(self, index: int) -> Slice:
        """One of them."""
        return Slice(int(self.corpus.cut_begin[self.first[index]]), int(self.corpus.cut_end[self.last[index]]))

    def text(self, index: int) -> str:
        """One of them as text."""
        return decode(self.corpus, self.piece(index))


def unused_sentences(
    corpus: Corpus, passages: Sequence[Passage], section: Section, exclude: Sequence[tuple[int, int]] = ()
) -> Sentences:
    """Sentences of a section that no passage holds; lines stand in where there are hardly any sentences."""
    used = np.zeros(len(corpus.cut_rank), np.int64)
    for passage in passages:
        used[passage.first : passage.last] = 1
    for begin, end in exclude:
        used[
            max(0, np.searchsorted(corpus.cut_end, begin, side="right") - 1) : np.searchsorted(corpus.cut_begin, end)
        ] = 1
    used_before = np.concatenate(([0], np.cumsum(used)))
    for rank in (SENTENCE, LINE):
        nodes = section.first + np.flatnonzero(corpus.cut_rank[section.first : section.last + 1] >= rank)
        free = np.flatnonzero(used_before[nodes[1:]] == used_before[nodes[:-1]])
        if len(free) >= _ENOUGH:
            break
    first, last = nodes[free], nodes[free + 1]
    tokens = corpus.cut_token[last] - corpus.cut_token[first]
    order = np.argsort(tokens, kind="stable")
    return Sentences(corpus, first[order], last[order], tokens[order])


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
    sizes = np.array([_size(corpus, passage) for passage in passages], np.int64)
    offsets = np.concatenate(([0], np.cumsum(sizes)))[: len(passages)]
    offsets += np.cumsum(leads, dtype=np.int64) if len(leads) else 0
    cut = np.concatenate([*spans, np.empty(0, np.int64)]).astype(np.int64)
    passage = np.repeat(np.array(own, np.int64), [len(span) for span in spans])
    firsts = np.array([p.first for p in passages], np.int64)
    lasts = np.array([p.last for p in passages], np.int64)
    token = corpus.cut_token[cut] - corpus.cut_token[firsts[passage]] + offsets[passage] if len(cut) else cut
    rank = corpus.cut_rank[cut]
    if len(cut):
        rank[(cut == firsts[passage]) | (cut == lasts[passage])] = PARAGRAPH  # passages are joined by a blank line
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
    for rank in _RANKS[boundary]:
        allowed = np.flatnonzero((places.rank >= rank) & distant)
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
    rank = _RANKS[boundary][0]
    allowed = np.flatnonzero(places.rank >= rank)
    end = int(tokens[-1]) if len(tokens) else 0
    at = 0 if spot < 0 else int(tokens[spot]) if spot < len(tokens) else end
    left = allowed[(allowed < spot) & (tokens[allowed] >= at - (near - sum(before)))].tolist()
    right = allowed[(allowed > spot) & (tokens[allowed] <= at + (near - sum(after)))].tolist()
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


def nearest(places: Places, tokens: Reals, wanted: float, last: float, haystack: int, boundary: Boundary) -> int:
    """Place nearest to `wanted`, at the boundary that a voice prefers where one is near enough.

    Args:
        places: of the filler.
        tokens: (p,) tokens of the haystack before each place, what stands there already included.
        wanted: tokens that should stand before the needle.
        last: tokens before the needle where it stands at the very end.
        haystack: tokens of the haystack.
        boundary: where the voice's needles stand.

    Returns:
        Index into `places`; -1 for the very beginning, the number of places for the very end, where these are nearer.
    """
    tolerance = max(_TOLERANCE * haystack, _TOLERANCE_TOKENS)
    best, distance = _nearest_inner(places.rank, tokens, wanted, tolerance, boundary)
    if min(wanted, last - wanted) < distance:
        return -1 if wanted <= last - wanted else len(tokens)
    return best


def _nearest_inner(
    ranks: npt.NDArray[np.uint8], tokens: Reals, wanted: float, tolerance: float, boundary: Boundary
) -> tuple[int, float]:
    """Index of the place nearest to `wanted` and how far it is from there; -1 and infinite where there is none."""
    best, best_distance = -1, float("inf")
    for rank in _RANKS[boundary]:
        allowed = np.flatnonzero(ranks >= rank)
        if not len(allowed) or (rank == LINE and best >= 0):
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
    # In front of its mate it moves that one by its own size.
    wanted = begin + gap if behind else begin + sizes[insert] - gap
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
