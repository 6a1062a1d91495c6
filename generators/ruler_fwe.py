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

from longctx.corpus import Corpus
from longctx.errors import UsageError
from longctx.exact import Insert
from longctx.generated import Part
from longctx.samples import variant
from longctx.tasks import task
from longctx.tokens import Tokenizer
from longctx.types import Cell, Sample

from ._fill import Units
from ._listed import Listed, listed_words
from ._ruler import MODE, room, whole, wording
from ._ruler_reading import read_coded

_BUDGET = 50  # tokens that RULER lets a model generate
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
    exponent = float(alpha)
    letters = whole(cell, "coded_wordlen", 6, 4, 32)
    vocabulary = whole(cell, "vocab_size", max(_TOP + 2, room(cell, _BUDGET) // 50), _TOP + 2, 100_000)

    def draw(rng: random.Random, order: str | int) -> Listed:
        coded = [_DOTS, *islice(_coded(rng, letters), vocabulary - 1)]
        return _coded_text(tokenizer, coded, order, exponent)

    # RULER finds how many words fit in steps of a 32nd of the room, from a number that it guesses.
    space = room(cell, _BUDGET)
    return listed_words(corpus, cell, tokenizer, draw, _BUDGET, first=space // letters, step=max(1, space // 32))


def _coded_text(tokenizer: Tokenizer, coded: Sequence[str], order_seed: str | int, alpha: float) -> Listed:
    top = coded[1 : 1 + _TOP]
    inserts = [Insert(word, word, None) for word in top]
    shares = _zipf(len(coded), alpha)
    sizes = np.array([len(encoding.ids) for encoding in tokenizer.encode_many([" " + word for word in coded])])

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

    def size(total: int) -> float:
        return float((total * shares).astype(int) @ sizes)

    words = wording("fwe")
    return Listed(
        (words["before"] + "\n\n", "\n\n" + words["after"].format(question=words["question"])),
        words["question"],
        list(top),
        Units(make, inserts, size, least=_least(shares), extend=extend),
        lambda total: {"counts": dict(zip(top, counts(total)[1 : 1 + _TOP], strict=True)), "words": total},
    )


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


def _coded(rng: random.Random, letters: int) -> Iterator[str]:
    """Distinct words of so many letters each."""
    seen: set[str] = set()
    while True:
        word = "".join(rng.choices(string.ascii_lowercase, k=letters))
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
