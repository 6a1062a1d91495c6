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
from collections.abc import Sequence

import numpy as np

from longctx.corpus import Corpus
from longctx.errors import UsageError
from longctx.exact import Insert
from longctx.generated import Part
from longctx.tasks import task
from longctx.tokens import Tokenizer
from longctx.types import Cell, Sample

from ._fill import Units
from ._kinds import draw_words, word_list
from ._listed import Listed, listed_words
from ._ruler import MODE, SHORT, SHOTS, whole, wording
from ._ruler_reading import read_common

_BUDGET = 120  # tokens that RULER lets a model generate
_EXAMPLE = {True: (20, 3, 1), False: (40, 10, 3)}  # short? → words of the solved example, repeats of common and others
_LIST = {True: (6, 1), False: (30, 3)}  # short? → repeats of common words and others
_SIZED = 2048, 8192  # words whose tokens are counted: of a list up to, or beyond, so many tokens:
_LONG = 1 << 16
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

    def make(count: int) -> list[Part]:
        listed = [*common * often, *pool.more(count) * seldom]
        random.Random(order_seed).shuffle(listed)
        return _list_parts(listed, inserts)

    def extend(count: int, more: int) -> str:
        added = pool.more(count + more)[count:] * seldom
        random.Random(f"{order_seed}:{count}").shuffle(added)
        return "".join(" " + text for text in _numbered(added, number * often + count * seldom + 1))

    sizes = _EntrySizes(tokenizer, cell.length, pool, common, often, seldom)
    return Listed(
        ("".join(examples) + before + "\n\n", "\n\n" + after),
        question,
        common,
        Units(make, inserts, sizes, least=number, extend=extend),
        lambda count: {"counts": dict.fromkeys(common, often), "words": number + count},
    )


class _Pool:
    """Distinct words in an order of their own: single ones, and pairs where there are not enough of these."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = random.Random(f"{rng.random()}:pool")
        self.single = [word for name in ("adjectives", "nouns", "verbs") for word in word_list(name)]
        self._rng.shuffle(self.single)
        self._taken = 0
        self._pairs: list[str] = []
        self._seen: set[str] = set()

    def take(self, count: int) -> list[str]:
        """Single words that are given once."""
        self._taken += count
        return self.single[self._taken - count : self._taken]

    def more(self, count: int) -> list[str]:
        """The first so many of what was not taken."""
        rest = self.single[self._taken : self._taken + count]
        taken = set(self.single[: self._taken])
        while len(self._pairs) < count - len(rest):
            pair = draw_words(self._rng)
            # A single word that is asked for must not be a part of a pair, which the scorer could not tell from it.
            if pair not in self._seen and taken.isdisjoint(pair.split("-")):
                self._seen.add(pair)
                self._pairs.append(pair)
        return rest + self._pairs[: count - len(rest)]


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


def _list_parts(words: Sequence[str], inserts: Sequence[Insert]) -> list[Part]:
    """A numbered list in which the first occurrence of each answer is marked."""
    texts = _numbered(words, 1)
    parts: list[Part] = []
    done = 0
    for at, insert in sorted(((words.index(insert.text), insert) for insert in inserts), key=lambda pair: pair[0]):
        number = texts[at].split(" ", 1)[0] + " "
        parts.append(Part((" " if parts else "") + " ".join([*texts[done:at], number])))
        parts.append(Part(insert.text, insert))
        done = at + 1
    return [*parts, Part("".join(" " + text for text in texts[done:]))]


class _EntrySizes:
    """About how many tokens a list of so many other words takes; its numbers' and words' tokens are added up."""

    def __init__(
        self, tokenizer: Tokenizer, length: int, pool: _Pool, common: Sequence[str], often: int, seldom: int
    ) -> None:
        self.tokenizer, self.pool, self.often, self.seldom = tokenizer, pool, often, seldom
        self.common = len(common)
        self.base = often * self._count(common)
        sized = _SIZED[length > _LONG]
        fresh = tokenizer.encode_many([" " + word for word in pool.more(sized)])
        self.words = np.concatenate([[0.0], np.cumsum([len(encoding.ids) for encoding in fresh])])
        # What follows is like the latter half: in a long list pairs, of which there is no end.
        self.mean = float(self.words[sized] - self.words[sized // 2]) / (sized - sized // 2)
        rng = random.Random(0)
        by_digits = [[f" {rng.randrange(10 ** (d - 1), 10**d)}." for _ in range(256)] for d in range(1, 9)]
        self.numbers = [self._count(texts) / len(texts) for texts in by_digits]

    def _count(self, texts: Sequence[str]) -> int:
        return sum(len(encoding.ids) for encoding in self.tokenizer.encode_many(texts))

    def __call__(self, count: int) -> float:
        known = min(count, len(self.words) - 1)
        words = float(self.words[known]) + (count - known) * self.mean
        entries = self.common * self.often + count * self.seldom
        numbers, low = 0.0, 1
        for tokens in self.numbers:
            numbers += tokens * max(0, min(entries, 10 * low - 1) - low + 1)
            low *= 10
        return self.base + self.seldom * words + numbers
