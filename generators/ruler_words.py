"""RULER's two tasks of counting words: common words of a numbered list, frequent words of a coded text.

Follows RULER (arXiv 2404.06654; NVIDIA/RULER c3f5e3b, scripts/data/synthetic/common_words_extraction.py and
freq_words_extraction.py) in how often what occurs. What differs: wordings and words are our own, and a long list is
filled up with pairs such as ``gentle-lantern`` where RULER goes over to another dictionary; no word is a part of
another one, which its scorer could not tell apart; prompts have exactly the asked length, which closing sentences below
the list see to; every sample has an order of its own. ``mode=compat`` goes back to RULER's length rule and to its one
order for all.
"""

from __future__ import annotations

import random
import string
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from longctx.corpus import Corpus
from longctx.errors import UsageError
from longctx.exact import Insert
from longctx.generated import Part
from longctx.samples import facts_seed, haystack_seed, variant
from longctx.tasks import task
from longctx.tokens import Tokenizer
from longctx.types import Cell, Sample

from ._fill import Units
from ._kinds import draw_words, word_list
from ._ruler import MODE, SEED, SHORT, SHOTS, closing, listed_sample, mode_of, room, whole, wording
from ._ruler_reading import read_coded, read_common

_CWE_BUDGET = 120  # tokens that RULER lets a model generate
_FWE_BUDGET = 50
_DOTS = "..."
_LETTERS = 6
_TOP = 3  # coded words that are asked for
_SIZED = 2048, 8192  # words whose tokens are counted: of a list up to, or beyond, so many tokens:
_LONG = 1 << 16
_EXAMPLE = {True: (20, 3, 1), False: (40, 10, 3)}  # short? → words of the solved example, repeats of common and others
_LIST = {True: (6, 1), False: (30, 3)}  # short? → repeats of common words and others
_CWE_VARIANTS = (
    MODE
    | SHOTS
    | {
        "freq_cw": "how often each common word occurs; 30 by default, below 4,096 tokens 6",
        "freq_ucw": "how often each other word occurs; 3 by default, below 4,096 tokens 1",
        "num_cw": "number of common words; 10 by default",
    }
)
_FWE_VARIANTS = MODE | {"alpha": "exponent of the Zipf distribution, above 1; 2.0 by default"}


@task("ruler_cwe", scorer="ruler_all", variants=_CWE_VARIANTS, density=False, depth=False, reader=read_common)
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
    rng = random.Random(f"{facts_seed(cell)}:{cell.task}")
    pool = _Pool(rng)
    words, repeats, others = _EXAMPLE[short]
    question = wording("cwe")["question"].format(count=number)
    examples = []
    for _ in range(shots):
        common, order = _example(pool, number, words, repeats, others, rng)
        examples.append(_solved(order, common, question))
    common = pool.take(number)
    before, after = wording("cwe")["before"], wording("cwe")["after"].format(question=question)
    solved = [f"{wording('example')}\n\n{before}\n\n{example}\n\n{wording('now')}\n\n" for example in examples]
    inserts = [Insert(word, word, None) for word in common]
    order_seed: str | int = SEED if mode_of(cell) == "compat" else f"{haystack_seed(corpus, cell)}:order"

    def entries(count: int) -> list[str]:
        listed = [*common * often, *pool.more(count) * seldom]
        random.Random(order_seed).shuffle(listed)
        return listed

    def extend(count: int, more: int) -> str:
        added = pool.more(count + more)[count:] * seldom
        random.Random(f"{order_seed}:{count}").shuffle(added)
        return "".join(" " + text for text in _numbered(added, number * often + count * seldom + 1))

    sizes = _EntrySizes(tokenizer, cell.length, pool, common, often, seldom)
    units = Units(lambda count: _list_parts(entries(count), inserts), inserts, sizes, least=number, extend=extend)
    return listed_sample(
        corpus, cell, tokenizer, around=("".join(solved) + before + "\n\n", "\n\n" + after), question=question,
        target=common, scorer="ruler_all", budget=_CWE_BUDGET, units=units, end=closing("ends", tokenizer, "\n\n", " "),
        extra=lambda count: {"counts": dict.fromkeys(common, often), "words": number + count},
    )  # fmt: skip


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
        while len(self._pairs) < count - len(rest):
            pair = draw_words(self._rng)
            if pair not in self._seen:
                self._seen.add(pair)
                self._pairs.append(pair)
        return rest + self._pairs[: count - len(rest)]


def _example(
    pool: _Pool, number: int, words: int, repeats: int, others: int, rng: random.Random
) -> tuple[list[str], list[str]]:
    """Common words and order of a solved example, whose words stand nowhere else."""
    common, rest = pool.take(number), pool.take(max(0, words - number))
    order = common * repeats + rest * others
    rng.shuffle(order)
    return common, order


def _solved(order: Sequence[str], common: Sequence[str], question: str) -> str:
    after = wording("cwe")["after"].format(question=question)
    return f"{' '.join(_numbered(order, 1))}\n\n{after}\n{wording('cue')} {', '.join(common)}"


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


@task("ruler_fwe", scorer="ruler_all", variants=_FWE_VARIANTS, density=False, depth=False, reader=read_coded)
def ruler_fwe(corpus: Corpus, cell: Cell, tokenizer: Tokenizer) -> Sample:
    """RULER's fwe: the three most frequent words of a text of made-up words, which follow Zipf's law.

    The most frequent one of all is an ellipsis and does not count.

    Example:
        ... qhbzet ... ... vlpwma qhbzet ... xnodre ... qhbzet ... vlpwma …
        Question: Leaving the dots out, which three coded words occur most often in the text?
        Target: qhbzet; vlpwma; xnodre
    """
    alpha = variant(cell, "alpha", 2.0)
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not 1.01 <= alpha <= 6:
        raise UsageError(f"alpha of {cell.task} is {alpha!r}; possible are numbers from 1.01 to 6.")
    rng = random.Random(f"{facts_seed(cell)}:{cell.task}")
    vocabulary = max(_TOP + 2, room(cell, _FWE_BUDGET) // 50)
    coded = [_DOTS, *islice(_coded(rng), vocabulary - 1)]
    top = coded[1 : 1 + _TOP]
    inserts = [Insert(word, word, None) for word in top]
    shares = _zipf(vocabulary, float(alpha))
    order_seed: str | int = SEED if mode_of(cell) == "compat" else f"{haystack_seed(corpus, cell)}:order"

    def counts(total: int) -> list[int]:
        return [int(count) for count in (total * shares).astype(int)]

    def spread(repeats: Sequence[int], seed: str | int) -> list[str]:
        words = [word for word, count in zip(coded, repeats, strict=True) for _ in range(count)]
        random.Random(seed).shuffle(words)
        return words

    def make(total: int) -> list[Part]:
        return _text_parts(spread(counts(total), order_seed), inserts)

    def extend(total: int, more: int) -> str:
        added = [after - before for before, after in zip(counts(total), counts(total + more), strict=True)]
        return "".join(" " + word for word in spread(added, f"{order_seed}:{total}"))

    sizes = np.array([len(encoding.ids) for encoding in tokenizer.encode_many([" " + word for word in coded])])
    words = wording("fwe")
    least = _least(shares)
    return listed_sample(
        corpus, cell, tokenizer,
        around=(words["before"] + "\n\n", "\n\n" + words["after"].format(question=words["question"])),
        question=words["question"], target=top, scorer="ruler_all", budget=_FWE_BUDGET,
        units=Units(make, inserts, lambda n: float((n * shares).astype(int) @ sizes), least=least, extend=extend),
        end=closing("ends", tokenizer, "\n\n", " "),
        extra=lambda total: {"counts": dict(zip(top, counts(total)[1 : 1 + _TOP], strict=True)), "words": total},
    )  # fmt: skip


def _zipf(ranks: int, alpha: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Share of each rank: k^-α ÷ ζ(α)."""
    from scipy.special import zeta

    shares: np.ndarray[tuple[int], np.dtype[np.float64]] = np.arange(1, ranks + 1, dtype=float) ** -alpha / zeta(alpha)
    return shares


def _least(shares: np.ndarray[tuple[int], np.dtype[np.float64]]) -> int:
    """The smallest text in which the last word asked for occurs more often than the one behind it."""
    total = 1
    while True:
        counts = (total * shares[: _TOP + 2]).astype(int)
        if counts[_TOP] > counts[_TOP + 1] and counts[_TOP] > 1:
            return total
        total += 1


def _coded(rng: random.Random) -> Iterator[str]:
    """Distinct words of six letters each."""
    seen: set[str] = set()
    while True:
        word = "".join(rng.choices(string.ascii_lowercase, k=_LETTERS))
        if word not in seen:
            seen.add(word)
            yield word


def _text_parts(words: Sequence[str], inserts: Sequence[Insert]) -> list[Part]:
    """A text in which the first occurrence of each answer is marked."""
    parts: list[Part] = []
    done = 0
    for at, insert in sorted(((words.index(insert.text), insert) for insert in inserts), key=lambda pair: pair[0]):
        lead = " ".join(words[done:at])
        parts.append(Part((" " if parts else "") + lead + (" " if lead else "")))
        parts.append(Part(insert.text, insert))
        done = at + 1
    return [*parts, Part("".join(" " + word for word in words[done:]))]
