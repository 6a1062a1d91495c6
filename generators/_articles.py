"""A corpus cut into short documents, as question answering over numbered documents needs them."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from weakref import WeakKeyDictionary

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
_WHOLE = re.compile(r"[^\W_].*[.!?。！？][\"'”’»)\]]*", re.DOTALL)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n+")


@dataclass(frozen=True, slots=True)
class Article:
    """A stretch of a corpus between two cut points."""

    first: int
    last: int
    tokens: int
    piece: Slice  # without line breaks around it


_cut: WeakKeyDictionary[Corpus, dict[str, list[Article]]] = WeakKeyDictionary()


def articles_of(corpus: Corpus, section: Section) -> list[Article]:
    """Stretches of about a paragraph or two, each within one document, in order; cut once while the corpus is open."""
    known = _cut.setdefault(corpus, {})
    if section.name not in known:
        known[section.name] = list(_articles(corpus, section))
    return known[section.name]


def _articles(corpus: Corpus, section: Section) -> Iterator[Article]:
    tokens, rank = corpus.cut_token, corpus.cut_rank
    borders = [*(cut for cut in corpus.document_cuts.tolist() if section.first < cut < section.last), section.last]
    first = section.first
    for end in borders:
        while first < end:
            behind = int(np.searchsorted(tokens[: end + 1], tokens[first] + _TOKENS, side="right"))
            last = end if behind > end else _best(rank, first, max(first + 1, behind - 1))
            size = int(tokens[last] - tokens[first])
            if size >= _LEAST:
                above, below = int(corpus.cut_begin[first]), int(corpus.cut_end[last])
                raw = corpus.text[above:below].tobytes()
                piece = Slice(below - len(raw.lstrip(b"\n")), above + len(raw.rstrip(b"\n")))
                yield Article(first, last, size, piece)
            first = last


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
        kept: list[Article] = []
        rest = []
        for section in corpus.sections:
            deck = list(articles_of(corpus, section))
            rng.shuffle(deck)
            number = min(_KEPT, len(deck) // 4)
            kept += deck[:number]
            rest.append((section, deck[number:]))
        self.sentences = sentences([decode(corpus, article.piece) for article in kept])
        if not self.sentences or not all(deck for _, deck in rest):
            raise CorpusError(f"Corpus {corpus.name!r} has too little text for numbered documents.")
        order = _deal(rest, rng)
        own = [article for article in order if host.first <= article.first < host.last]
        whole = (article for article in own if corpus.cut_rank[article.first] >= PARAGRAPH)
        first = list(islice(whole, _HOSTS)) or (own or order)[:_HOSTS]
        taken = set(map(id, first))
        self.order = first + [article for article in order if id(article) not in taken]
        self.tokens = np.concatenate([[0], np.cumsum([article.tokens for article in self.order])])

    def place(self, index: int) -> Place:
        """Where a document begins."""
        return self.corpus.locate(int(self.corpus.cut_begin[self.order[index].first]))

    def first(self, count: int) -> list[Slice]:
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
        return [self.order[index % len(self.order)].piece for index in range(count)]

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
    """Different sentences of texts, none of them very long; rows of tables and lines of code where there are few."""
    parts = (part.strip() for text in texts for part in _SENTENCE.split(text))
    found = list(dict.fromkeys(part for part in parts if part and len(part) < 400))
    whole = [part for part in found if _WHOLE.fullmatch(part)]
    return whole if len(whole) >= _KEPT else found
