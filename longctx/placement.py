"""Which passages make a haystack, and at which of their cut points needles and distractors stand."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from longctx.corpus import Corpus
from longctx.cuts import LINE, PARAGRAPH, SENTENCE
from longctx.errors import CorpusError, ImpossibleSample
from longctx.tokens import Offsets
from longctx.voice import Boundary

_PASSAGE = 2048  # tokens of a passage at least, so that a short haystack reads as one document
_CODE_PASSAGE = 512  # the same in code, whose definitions are long: the borders of passages are places for needles
_PASSAGES = 32  # about as many passages make a long haystack
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
        cut: (p,) index of the corpus's cut; the passage's own first cut stands for the border before it.
        token: (p,) filler tokens before the place.
        rank: (p,) the cut's rank.
    """

    passage: npt.NDArray[np.int64]
    cut: npt.NDArray[np.int64]
    token: Offsets
    rank: npt.NDArray[np.uint8]


def draw_passages(corpus: Corpus, tokens: int, rng: random.Random, repeat: bool = False) -> list[Passage]:
    """Passages of `tokens` tokens or a few less in all, drawn without replacement.

    The corpus is dealt into blocks at paragraph borders, from a random phase on; the blocks are shuffled and taken
    until `tokens` is nearly reached; the last ones are cut short.

    Raises:
        CorpusError: the corpus has fewer tokens and `repeat` is not set.
    """
    total = int(corpus.cut_token[-1])
    if tokens > total and not repeat:
        raise CorpusError(
            f"Corpus {corpus.name!r} has {total:,} tokens; {tokens:,} tokens of filler were asked for. "
            "Add documents, ask for a shorter length, or allow passages to recur with --repeat."
        )
    passages: list[Passage] = []
    left = tokens
    while left > 0:
        blocks, before = _blocks(corpus, tokens, rng), left
        rng.shuffle(blocks)
        for block in blocks:
            size = _size(corpus, block)
            taken = block if size <= left else _shorten(corpus, block, left)
            if taken is None:  # not even its first line is short enough: another block's may be
                continue
            passages.append(taken)
            left -= _size(corpus, taken)
            if left < _SPARE:
                return passages
        if not repeat or left == before:
            break
    return passages


def _size(corpus: Corpus, passage: Passage) -> int:
    return int(corpus.cut_token[passage.last] - corpus.cut_token[passage.first])


def _blocks(corpus: Corpus, tokens: int, rng: random.Random) -> list[Passage]:
    least = _CODE_PASSAGE if corpus.voice.boundary == "definition" else _PASSAGE
    size = max(least, tokens // _PASSAGES)
    borders = np.flatnonzero(corpus.cut_rank >= PARAGRAPH)
    wanted = np.arange(rng.randrange(size), int(corpus.cut_token[-1]), size)
    chosen = borders[np.searchsorted(corpus.cut_token[borders], wanted).clip(max=len(borders) - 1)]
    edges = np.unique(np.concatenate(([0], chosen, [len(corpus.cut_rank) - 1]))).tolist()
    return [Passage(first, last) for first, last in zip(edges, edges[1:], strict=False)]


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
class Units:
    """Sentences (in code: definitions) of a corpus, shortest first.

    Attributes:
        first: (u,) index of the cut before each.
        last: (u,) index of the cut behind it.
        tokens: (u,) tokens of each.
    """

    first: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]
    tokens: Offsets


def unused_units(corpus: Corpus, passages: Sequence[Passage]) -> Units:
    """Sentences that no passage holds; lines stand in where there are hardly any sentences."""
    used = np.zeros(len(corpus.cut_rank), np.int64)
    for passage in passages:
        used[passage.first : passage.last] = 1
    used_before = np.concatenate(([0], np.cumsum(used)))
    for rank in (SENTENCE, LINE):
        nodes = np.flatnonzero(corpus.cut_rank >= rank)
        free = np.flatnonzero(used_before[nodes[1:]] == used_before[nodes[:-1]])
        if len(free) >= _ENOUGH:
            break
    first, last = nodes[free], nodes[free + 1]
    tokens = corpus.cut_token[last] - corpus.cut_token[first]
    order = np.argsort(tokens, kind="stable")
    return Units(first[order], last[order], tokens[order])


def find_places(corpus: Corpus, passages: Sequence[Passage]) -> Places:
    """All cut points inside the passages and between them."""
    spans = [np.arange(p.first + (index == 0), p.last) for index, p in enumerate(passages)]
    sizes = np.array([_size(corpus, passage) for passage in passages], np.int64)
    offsets = np.concatenate(([0], np.cumsum(sizes)))[: len(passages)]
    cut = np.concatenate([*spans, np.empty(0, np.int64)]).astype(np.int64)
    passage = np.repeat(np.arange(len(passages)), [len(span) for span in spans])
    firsts = np.array([p.first for p in passages], np.int64)
    token = corpus.cut_token[cut] - corpus.cut_token[firsts[passage]] + offsets[passage] if len(cut) else cut
    rank = corpus.cut_rank[cut]
    rank[cut == firsts[passage]] = PARAGRAPH  # passages are joined by a blank line
    return Places(passage, cut, token, rank)


def scatter(places: Places, count: int, rng: random.Random, boundary: Boundary) -> list[int]:
    """`count` different places, drawn uniformly over the filler's tokens: indices into `places`, in order.

    Raises:
        ImpossibleSample: fewer places than that.
    """
    for rank in _RANKS[boundary]:
        allowed = np.flatnonzero(places.rank >= rank)
        if len(allowed) >= count:
            break
    else:
        raise ImpossibleSample(
            f"{count} distractors were asked for and the haystack has {len(allowed)} places for them: ask for a lower "
            "density, fewer questions per haystack, or another corpus."
        )
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


def _nearest_free(free: npt.NDArray[np.bool_], at: int) -> int:
    for distance in range(len(free)):
        for index in (at - distance, at + distance):
            if 0 <= index < len(free) and free[index]:
                return index
    raise AssertionError("more places asked for than there are")


def nearest(places: Places, tokens: Offsets, wanted: float, last: float, haystack: int, boundary: Boundary) -> int:
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
    best, best_distance = -1, float("inf")
    for rank in _RANKS[boundary]:
        allowed = np.flatnonzero(places.rank >= rank)
        if not len(allowed) or (rank == LINE and best >= 0):
            continue
        index = int(np.argmin(np.abs(tokens[allowed] - wanted)))
        distance = abs(float(tokens[allowed[index]]) - wanted)
        if distance < best_distance:
            best, best_distance = int(allowed[index]), distance
        if best_distance <= tolerance:
            break
    if min(wanted, last - wanted) < best_distance:
        return -1 if wanted <= last - wanted else len(tokens)
    return best
