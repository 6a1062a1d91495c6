"""RULER's frequent words: which made-up words of a text in code occur most often.

Follows RULER (arXiv 2404.06654; NVIDIA/RULER c3f5e3b, scripts/data/synthetic/freq_words_extraction.py) in the words of
six letters, their number and how often each occurs; the first rank is an ellipsis, ranks 2 to 4 are asked for. What
differs: the wordings are our own; prompts have exactly the asked length, which closing sentences below the text see to;
every sample has an order of its own. ``mode=compat`` goes back to RULER's length rule, steps in the number of words
included, and to one order for all samples of as many words.
"""

from __future__ import annotations

import random
import string
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import numpy.typing as npt

from longctx.corpus import Corpus
from longctx.errors import UsageError
from longctx.exact import Insert
from longctx.generated import Part
from longctx.phrases import Order, Phrases
from longctx.samples import variant
from longctx.tasks import task
from longctx.tokens import Tokenizer
from longctx.types import Cell, Sample

from ._drawn import generator
from ._fill import LONG, Units
from ._listed import Listed, list_parts, listed_words
from ._ruler import MODE, room, whole, wording
from ._ruler_reading import read_coded

_BUDGET = 50  # tokens that RULER lets a model generate
_Shares = npt.NDArray[np.float64]
_DOTS = "..."
_TOP = 3  # coded words that are asked for
_VARIANTS = MODE | {
    "alpha": "exponent of the Zipf distribution, above 1; 2.0 by default",
    "coded_wordlen": "letters of a coded word, 4-32; 6 by default",
    "vocab_size": "coded words that there are, the dots included; a fiftieth of the length by default",
}


@task("ruler_fwe", scorer="ruler_all", variants=_VARIANTS, density=False, depth=False, reader=read_coded)
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
    letters = whole(cell, "coded_wordlen", 6, 4, 32)
    vocabulary = whole(cell, "vocab_size", max(_TOP + 2, room(cell, _BUDGET) // 50), _TOP + 2, 100_000)
    shares = _zipf(vocabulary, float(alpha))
    most = int((cell.length + vocabulary) / shares.sum()) + 1  # a word is a token at least
    shares = shares[: max(_TOP + 2, np.count_nonzero(shares * most >= 1))]  # no other one ever occurs

    def draw(rng: random.Random, order: str | int) -> Listed:
        coded = [_DOTS, *islice(_coded(rng, letters), len(shares) - 1)]
        held = Phrases([[f" {word}" for word in coded]], [[0]], tokenizer, dense=cell.length > LONG)
        return _coded_text(held, coded, order, shares, most)

    # RULER finds how many words fit in steps of a 32nd of the room, from a number that it guesses.
    space = room(cell, _BUDGET)
    return listed_words(corpus, cell, tokenizer, draw, _BUDGET, first=space // letters, step=max(1, space // 32))


def _coded_text(held: Phrases, coded: Sequence[str], order_seed: str | int, shares: _Shares, most: int) -> Listed:
    top = coded[1 : 1 + _TOP]
    inserts = [Insert(word, word, None) for word in top]

    def counts(total: int) -> Order:
        found: Order = (total * shares).astype(np.int64)
        return found

    def spread(repeats: Order, seed: str | int) -> Order:
        words: Order = generator(seed).permutation(np.repeat(np.arange(len(coded)), repeats))
        return words

    def make(total: int) -> list[Part]:
        return list_parts(spread(counts(total), order_seed), held, inserts)

    def extend(total: int, more: int) -> str:
        return held.text(spread(counts(total + more) - counts(total), f"{order_seed}:{total}"))

    words = wording("fwe")
    return Listed(
        (words["before"] + "\n\n", "\n\n" + words["after"].format(question=words["question"])),
        words["question"],
        list(top),
        Units(
            make, inserts, lambda total: float(counts(total) @ held.tokens), least=_least(shares), extend=extend,
            phrases=held, most=most,
        ),
        lambda total: {"counts": dict(zip(top, counts(total)[1 : 1 + _TOP].tolist(), strict=True)), "words": total},
    )  # fmt: skip


def _zipf(ranks: int, alpha: float) -> _Shares:
    """Share of each rank: k^-α ÷ ζ(α)."""
    from scipy.special import zeta

    shares: _Shares = np.arange(1, ranks + 1, dtype=float) ** -alpha / zeta(alpha)
    return shares


def _least(shares: _Shares) -> int:
    """The smallest text in which the last word asked for occurs more often than the one behind it."""
    total = 1
    while True:
        counts = (total * shares[: _TOP + 2]).astype(int)
        if counts[_TOP] > counts[_TOP + 1] and counts[_TOP] > 1:
            return total
        total += 1


def _coded(rng: random.Random, letters: int) -> Iterator[str]:
    """Distinct words of so many letters each."""
    seen: set[str] = set()
    while True:
        word = "".join(rng.choices(string.ascii_lowercase, k=letters))
        if word not in seen:
            seen.add(word)
            yield word
