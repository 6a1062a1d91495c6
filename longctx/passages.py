"""Which passages of a corpus make a haystack, and which sentences are left over to close it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from longctx.corpus import Corpus, Section
from longctx.cuts import LINE, PARAGRAPH, SENTENCE
from longctx.errors import CorpusError
from longctx.seams import Slice, decode
from longctx.tokens import Offsets

_PASSAGE = 2048  # tokens of a passage at least, so that a short haystack reads as one document
_CODE_PASSAGE = 512  # the same in code, whose definitions are long: the borders of passages are places for needles
_PASSAGES = 32  # about as many passages make a long haystack
_MIXED_PASSAGE, _MIXED_PASSAGES = 256, 128  # the same in a mixed corpus, whose parts take turns
_HUGE = 4  # times as long as a passage should be: hardly a place for anything
_SPARE = 128  # tokens that are left to the closing sentence rather than to one more passage
_ENOUGH = 64  # sentences among which one of the right size can be hoped for
_AMPLE = 512  # tokens that sentences at the end of a haystack can fill, where they may recur


@dataclass(frozen=True, slots=True)
class Passage:
    """Text between two cut points of a corpus."""

    first: int  # index of the cut before it
    last: int  # index of the cut behind it


def draw_passages(
    corpus: Corpus,
    tokens: int,
    rng: random.Random,
    host: Section,
    exclude: Sequence[tuple[int, int]] = (),
    nested: int = 0,
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
        nested: tokens of the longest haystack of which this one's passages are to be the first ones: they are as long
            as its are. Not for a mixed corpus, whose passages are shuffled.

    Raises:
        CorpusError: a section has fewer tokens than its share and passages may not recur.
    """
    mixed = len(corpus.sections) > 1
    passages: list[Passage] = []
    for section in corpus.sections:
        least = _CODE_PASSAGE if section.voice.boundary == "definition" else _PASSAGE
        size = max(_MIXED_PASSAGE, tokens // _MIXED_PASSAGES) if mixed else max(least, (nested or tokens) // _PASSAGES)
        blocks = partial(_blocks, corpus, section, size, rng, exclude)
        passages += _draw(corpus, section, round(section.share * tokens), blocks, rng, huge=_HUGE * size)
    if mixed:
        rng.shuffle(passages)
        own = [index for index, passage in enumerate(passages) if host.first <= passage.first < host.last]
        for index, wanted in zip(own[:1] + own[1:][-1:], (0, len(passages) - 1), strict=False):
            passages[index], passages[wanted] = passages[wanted], passages[index]
    return passages


def check_size(corpus: Corpus, tokens: int) -> None:
    """Refuse more filler than the corpus has.

    Raises:
        CorpusError: a section has fewer tokens than its share and passages may not recur.
    """
    for section in corpus.sections:
        _check_section(corpus, section, round(section.share * tokens))


def _check_section(corpus: Corpus, section: Section, tokens: int) -> None:
    total = int(corpus.cut_token[section.last] - corpus.cut_token[section.first])
    if tokens > total and not corpus.repeat:
        raise CorpusError(
            f"Corpus {section.name!r} has {total:,} tokens; {tokens:,} tokens of filler were asked for. "
            "Add documents, ask for a shorter length, or allow passages to recur with --repeat."
        )


def _draw(
    corpus: Corpus, section: Section, tokens: int, blocks: Callable[[], list[Passage]], rng: random.Random, huge: int
) -> list[Passage]:
    _check_section(corpus, section, tokens)
    passages: list[Passage] = []
    left = tokens
    while left > 0:
        dealt, before = blocks(), left
        rng.shuffle(dealt)
        dealt.sort(key=lambda block: size_of(corpus, block) > huge)  # a table without a place in it serves last
        for block in dealt:
            size = size_of(corpus, block)
            taken = block if size <= left else _shorten(corpus, block, left)
            if taken is None:  # not even its first line is short enough: another block's may be
                continue
            passages.append(taken)
            left -= size_of(corpus, taken)
            if left < _SPARE:
                return passages
        if not corpus.repeat or left == before:
            break
    return passages


def size_of(corpus: Corpus, passage: Passage) -> int:
    """Tokens of a passage."""
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
    """Sentences of a section that no passage holds; lines stand in where there are hardly any sentences.

    Where passages may recur and all sentences together are hardly anything, each is there several times.
    """
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
    total = int(tokens.sum())
    if corpus.repeat and 0 < total < _AMPLE:
        first, last, tokens = (np.tile(values, -(-_AMPLE // total)) for values in (first, last, tokens))
    order = np.argsort(tokens, kind="stable")
    return Sentences(corpus, first[order], last[order], tokens[order])
