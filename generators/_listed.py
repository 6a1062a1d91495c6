"""What RULER's two tasks of counting words have in common: a list of words that is drawn and put in an order."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from longctx.corpus import Corpus
from longctx.samples import facts_seed
from longctx.tokens import Tokenizer
from longctx.types import Cell, Sample

from ._fill import Units
from ._ruler import SEED, closing, listed_sample, mode_of, units_that_fit

_STEP = 10  # units by which compat shortens a list that is too long for the sample's own words


@dataclass(frozen=True, slots=True)
class Listed:
    """What is drawn for a sample: words, and how to make a list of them."""

    around: tuple[str, str]
    question: str
    answers: list[str]
    units: Units
    extra: Callable[[int], dict[str, Any]]


def listed_words(
    corpus: Corpus,
    cell: Cell,
    tokenizer: Tokenizer,
    draw: Callable[[random.Random, str | int], Listed],
    budget: int,
) -> Sample:
    """The sample over words that are drawn by its seed; in compat all have one order and about one number of words."""
    seed = f"{facts_seed(cell)}:{cell.task}"
    numbers: Sequence[int] = ()
    if mode_of(cell) == "compat":
        listed, first = draw(random.Random(seed), SEED), draw(random.Random(SEED), SEED)
        most = units_that_fit(cell, tokenizer, first.around, first.units, budget)
        numbers = range(most, listed.units.least - 1, -_STEP)
    else:
        listed = draw(random.Random(seed), f"{seed}:order")
    return listed_sample(
        corpus, cell, tokenizer, around=listed.around, question=listed.question, target=listed.answers,
        scorer="ruler_all", budget=budget, units=listed.units, end=closing("ends", tokenizer, "\n\n", " "),
        numbers=numbers, extra=listed.extra,
    )  # fmt: skip
