"""A corpus cut into short documents, as question answering over numbered documents needs them."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from longctx.corpus import Corpus, Section
from longctx.cuts import LINE, PARAGRAPH, SENTENCE
from longctx.errors import CorpusError
from longctx.seams import Slice, decode
from longctx.types import Place

_TOKENS = 224  # of a document at most, where the text has a place to cut it
_LEAST = 48  # shorter ends of a text are left out
_HOSTS = 2  # documents that can hold a needle
_KEPT = 24  # documents whose sentences are kept for the closing
_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n+")


@dataclass(frozen=True, slots=True)
class Article:
    """A stretch of a corpus between two cut points."""

    first: int
    last: int
    tokens: int


def articles_of(corpus: Corpus, section: Section) -> list[Article]:
    """Stretches of about a paragraph or two, each within one document, in order."""
    found = []
    tokens, rank = corpus.cut_token, corpus.cut_rank
    borders = [*(cut for cut in corpus.document_cuts.tolist() if section.first < cut < section.last), section.last]
    first = section.first
    for end in borders:
        while first < end:
            behind = int(np.searchsorted(tokens[: end + 1], tokens[first] + _TOKENS, side="right"))
            last = end if behind > end else _best(rank, first, max(first + 1, behind - 1))
            size = int(tokens[last] - tokens[first])
            if size >= _LEAST:
                found.append(Article(first, last, size))
            first = last
    return found


def _best(rank: np.ndarray[tuple[int], np.dtype[np.uint8]], first: int, last: int) -> int:
    """The last cut of the best kind that is not too near to the beginning."""
    middle = first + 1 + (last - first) // 3
    for wanted in (PARAGRAPH, SENTENCE, LINE):
        good = np.flatnonzero(rank[middle : last + 1] >= wanted)
        if len(good):
            return middle + int(good[-1])
    return last


class Articles:
    """The corpus's short documents in an order drawn by a seed, the sections of a mix by their shares."""

    def __init__(self, corpus: Corpus, seed: str, host: Section) -> None:
        """Cut and shuffle.

        Args:
            corpus: whose documents they are.
            seed: of the order.
            host: section of the first ones, which begin with a paragraph (in code: a definition) where there are such.

        Raises:
            CorpusError: the corpus has hardly any text.
        """
        self.corpus = corpus
        rng = random.Random(f"{seed}:articles")
        decks = []
        for section in corpus.sections:
            deck = articles_of(corpus, section)
            rng.shuffle(deck)
            decks.append((section, deck))
        kept = [article for _, deck in decks for article in deck[: min(_KEPT, len(deck) // 4)]]
        self.sentences = sentences([self.text(article) for article in kept])
        rest = [(section, [article for article in deck if article not in set(kept)]) for section, deck in decks]
        if not self.sentences or not all(deck for _, deck in rest):
            raise CorpusError(f"Corpus {corpus.name!r} has too little text for numbered documents.")
        order = _deal(rest, rng)
        own = [article for article in order if host.first <= article.first < host.last]
        whole = [article for article in own if corpus.cut_rank[article.first] >= PARAGRAPH] or own or order
        first = whole[:_HOSTS]
        self.order = first + [article for article in order if article not in set(first)]
        self.tokens = np.concatenate([[0], np.cumsum([article.tokens for article in self.order])])

    def text(self, article: Article) -> str:
        """Text of a document."""
        cuts = self.corpus
        return decode(cuts, Slice(int(cuts.cut_begin[article.first]), int(cuts.cut_end[article.last]))).strip("\n")

    def place(self, index: int) -> Place:
        """Where a document begins."""
        return self.corpus.locate(int(self.corpus.cut_begin[self.order[index].first]))

    def first(self, count: int) -> list[str]:
        """The first so many documents; they recur where the corpus may repeat itself.

        Raises:
            CorpusError: there are not as many.
        """
        if count > len(self.order) and not self.corpus.repeat:
            raise CorpusError(
                f"Corpus {self.corpus.name!r} gives {len(self.order):,} short documents of {self.tokens[-1]:,} tokens "
                "in all, and more were needed. Add documents, ask for a shorter length, or allow passages to recur "
                "with --repeat."
            )
        return [self.text(self.order[index % len(self.order)]) for index in range(count)]

    def size(self, count: int) -> float:
        """Tokens of the first so many."""
        rounds, rest = divmod(count, len(self.order))
        return float(rounds * self.tokens[-1] + self.tokens[rest])


def _deal(decks: Sequence[tuple[Section, list[Article]]], rng: random.Random) -> list[Article]:
    """Articles of several sections in turn, by their shares of tokens, until one has no more."""
    if len(decks) == 1:
        return decks[0][1]
    dealt: list[Article] = []
    taken = [0.0] * len(decks)
    used = [0] * len(decks)
    while True:
        at = min(range(len(decks)), key=lambda index: taken[index] / decks[index][0].share)
        if used[at] == len(decks[at][1]):
            return dealt
        article = decks[at][1][used[at]]
        used[at] += 1
        taken[at] += article.tokens
        dealt.append(article)


def sentences(texts: Sequence[str]) -> list[str]:
    """Different sentences of texts, none of them very long."""
    found = (part.strip() for text in texts for part in _SENTENCE.split(text))
    return list(dict.fromkeys(part for part in found if part and len(part) < 400))
