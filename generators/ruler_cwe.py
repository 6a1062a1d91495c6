"""RULER's common words: which words of a long numbered list occur most often.

Follows RULER (arXiv 2404.06654; NVIDIA/RULER c3f5e3b, scripts/data/synthetic/common_words_extraction.py) in how often
what occurs and in the solved example. What differs: wordings and words are our own, and a long list is filled up with
pairs such as ``gentle-lantern`` where RULER goes over to another dictionary; no answer is a part of another word, which
the scorer could not tell apart; prompts have exactly the asked length, which closing sentences below the list see to;
every sample has an order of its own. ``mode=compat`` goes back to RULER's length rule and to one order for all samples
of as many words.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np

from longctx.corpus import Corpus
from longctx.errors import UsageError
from longctx.exact import Insert
from longctx.generated import Part
from longctx.phrases import Order, phrases
from longctx.tasks import task
from longctx.tokens import Tokenizer
from longctx.types import Cell, Sample

from ._drawn import SPARE, different, generator, places, rounded
from ._fill import LONG, Units
from ._kinds import draw_words, kind_columns, word_list
from ._listed import Listed, list_parts, listed_words
from ._ruler import MODE, SHORT, SHOTS, whole, wording
from ._ruler_reading import read_common

_BUDGET = 120  # tokens that RULER lets a model generate
_EXAMPLE = {True: (20, 3, 1), False: (40, 10, 3)}  # short? → words of the solved example, repeats of common and others
_LIST = {True: (6, 1), False: (30, 3)}  # short? → repeats of common words and others
_SIZED = 256  # words of a kind whose tokens are counted
_SINGLE = ("adjectives", "nouns", "verbs")
_NUMBERS = 2  # column of the numbers in the table of phrases
_VARIANTS = (
    MODE
    | SHOTS
    | {
        "freq_cw": "how often each common word occurs; 30 by default, below 4,096 tokens 6",
        "freq_ucw": "how often each other word occurs; 3 by default, below 4,096 tokens 1",
        "num_cw": "number of common words; 10 by default",
    }
)


@task("ruler_cwe", scorer="ruler_all", variants=_VARIANTS, density=False, depth=False, reader=read_common)
def ruler_cwe(corpus: Corpus, cell: Cell, tokenizer: Tokenizer) -> Sample:
    """RULER's cwe: the ten words of a numbered list that occur 30 times each, among words that occur three times.

    Example:
        1. lantern 2. meadow 3. violin 4. lantern 5. drizzle 6. violin 7. lantern …
        Question: Which 10 words occur most often in the list?
        Target: lantern; violin; …
    """
    short = cell.length < SHORT
    often = whole(cell, "freq_cw", _LIST[short][0], 2, 10_000)
    seldom = whole(cell, "freq_ucw", _LIST[short][1], 1, 10_000)
    number = whole(cell, "num_cw", 10, 1, 300)
    shots = whole(cell, "shots", 1, 0, 8)
    if often <= seldom:
        raise UsageError(f"freq_cw is {often} and freq_ucw {seldom}: common words must occur more often than others.")
    frequencies = often, seldom

    def draw(rng: random.Random, order: str | int) -> Listed:
        return _common(cell, tokenizer, rng, order, number, frequencies, shots)

    return listed_words(corpus, cell, tokenizer, draw, _BUDGET)


def _common(
    cell: Cell,
    tokenizer: Tokenizer,
    rng: random.Random,
    order_seed: str | int,
    number: int,
    frequencies: tuple[int, int],
    shots: int,
) -> Listed:
    often, seldom = frequencies
    pool = _Pool(rng)
    question = wording("cwe")["question"].format(count=number)
    examples = [_solved(pool, number, question, _EXAMPLE[cell.length < SHORT], rng) for _ in range(shots)]
    common = pool.take(number)
    before, after = wording("cwe")["before"], wording("cwe")["after"].format(question=question)
    inserts = [Insert(word, word, None) for word in common]

    most = _room(tokenizer, cell.length, seldom)
    columns = _columns(rounded(number * often + most * seldom))
    held = phrases(columns, ((_NUMBERS, 0), (_NUMBERS, 0, 1)), tokenizer, dense=cell.length > LONG)
    own = np.array([[places(_words())[word], -1] for word in common])
    words = pool.more(most)

    def numbered(entries: Order, first: int, seed: str | int) -> Order:
        """Entries in an order of the seed's, with their numbers, as phrases."""
        order = generator(seed).permutation(len(entries))
        numbers = held.firsts[_NUMBERS] + np.arange(first - 1, first - 1 + len(entries))
        rows: Order = np.column_stack([numbers, entries[order]])
        return rows[rows >= 0]

    def make(count: int) -> list[Part]:
        entries = np.concatenate([own.repeat(often, axis=0), words[:count].repeat(seldom, axis=0)])
        return list_parts(numbered(entries, 1, order_seed), held, inserts)

    def extend(count: int, more: int) -> str:
        added = words[count : count + more].repeat(seldom, axis=0)
        return held.text(numbered(added, number * often + count * seldom + 1, f"{order_seed}:{count}"))

    of_words = np.cumsum(np.append(0, seldom * held.tokens[words].sum(axis=1, where=words >= 0)))
    of_numbers = np.cumsum(np.append(0, held.tokens[held.firsts[_NUMBERS] :]))
    base = often * held.tokens[own[:, 0]].sum()
    return Listed(
        ("".join(examples) + before + "\n\n", "\n\n" + after),
        question,
        common,
        Units(
            make, inserts, lambda count: float(base + of_words[count] + of_numbers[number * often + count * seldom]),
            least=number, extend=extend, phrases=held, most=most,
        ),
        lambda count: {"counts": dict.fromkeys(common, often), "words": number + count},
    )  # fmt: skip


class _Pool:
    """Distinct words in an order of their own: single ones, and pairs where there are not enough of these.

    Attributes:
        single: all single words, in the order in which they are taken.
    """

    def __init__(self, rng: random.Random) -> None:
        self._seed = f"{rng.random()}:pool"
        self.single = list(_words())
        random.Random(self._seed).shuffle(self.single)
        self._taken = 0

    def take(self, count: int) -> list[str]:
        """Single words that are given once."""
        self._taken += count
        return self.single[self._taken - count : self._taken]

    def more(self, count: int) -> Order:
        """The first so many of what was not taken: (count, 2) phrases of `_columns`, a pair's or a word's and -1."""
        words = places(_words())
        rest = np.array([words[word] for word in self.single[self._taken :][:count]], np.int64)
        taken = np.zeros(len(words), bool)
        taken[[words[word] for word in self.single[: self._taken]]] = True
        adjectives, nouns = len(word_list("adjectives")), len(word_list("nouns"))

        def allowed(pairs: Order) -> Order:
            # A single word that is asked for must not be a part of a pair, which the scorer could not tell from it.
            found: Order = pairs[~taken[pairs // nouns] & ~taken[adjectives + pairs % nouns]]
            return found

        rows = np.stack([rest, np.full(len(rest), -1)], axis=1)
        if count == len(rest):
            return rows
        pairs = different(adjectives * nouns, count - len(rest), generator(self._seed), allowed)
        return np.concatenate([rows, np.stack([pairs // nouns, len(words) + pairs % nouns], axis=1)])


@cache
def _words() -> tuple[str, ...]:
    """All single words: first the adjectives, then the nouns."""
    return tuple(word for name in _SINGLE for word in word_list(name))


@lru_cache(maxsize=8)
def _columns(numbers: int) -> tuple[tuple[str, ...], ...]:
    """Phrases: words, the second words of pairs, and numbers."""
    listed = tuple(f" {number}." for number in range(1, numbers + 1))
    return tuple(f" {word}" for word in _words()), kind_columns("words")[1], listed


def _solved(pool: _Pool, number: int, question: str, sizes: tuple[int, int, int], rng: random.Random) -> str:
    """A solved example, whose words stand nowhere else."""
    words, often, seldom = sizes
    common, rest = pool.take(number), pool.take(max(0, words - number))
    order = common * often + rest * seldom
    rng.shuffle(order)
    before, after = wording("cwe")["before"], wording("cwe")["after"].format(question=question)
    solved = f"{' '.join(_numbered(order, 1))}\n\n{after}\n{wording('cue')} {', '.join(common)}"
    return f"{wording('example')}\n\n{before}\n\n{solved}\n\n{wording('now')}\n\n"


def _numbered(words: Sequence[str], first: int) -> list[str]:
    return [f"{number}. {word}" for number, word in enumerate(words, first)]


def _room(tokenizer: Tokenizer, length: int, seldom: int) -> int:
    """Other words that a list of so many tokens surely has no room for."""
    single, pair, numbers = _tokens_of(tokenizer)
    singles = len(_words())

    def size(count: int) -> float:
        words = min(count, singles) * single + max(0, count - singles) * pair
        listed: float = sum(
            tokens * max(0, min(count * seldom, 10**digits - 1) - 10 ** (digits - 1) + 1)
            for digits, tokens in enumerate(numbers, 1)
        )
        return seldom * words + listed

    return bisect_left(range(1 << 40), SPARE * length, key=size) + _SIZED


@lru_cache(maxsize=4)
def _tokens_of(tokenizer: Tokenizer) -> tuple[float, float, list[float]]:
    """About how many tokens a single word has, a pair, and a number of 1 to 12 digits."""
    rng = random.Random(0)

    def mean(texts: Sequence[str]) -> float:
        return sum(tokenizer.count_many([f" {text}" for text in texts])) / len(texts)

    return (
        mean(rng.sample(_words(), _SIZED)),
        mean([draw_words(rng) for _ in range(_SIZED)]),
        [mean([f"{rng.randrange(10 ** (d - 1), 10**d)}." for _ in range(_SIZED)]) for d in range(1, 13)],
    )
