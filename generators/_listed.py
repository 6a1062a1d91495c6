"""What RULER's two tasks of counting words have in common: a list of words that is drawn and put in an order."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from longctx.corpus import Corpus
from longctx.exact import Insert
from longctx.generated import Part
from longctx.phrases import Order, Phrases
from longctx.samples import facts_seed
from longctx.tokens import Tokenizer
from longctx.types import Cell, Sample

from ._fill import Units
from ._ruler import SEED, closing, listed_sample, mode_of, units_that_fit


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
    *,
    first: int = 0,
    step: int = 10,
) -> Sample:
    """The sample over words that are drawn by its seed; in compat all have one order and about one number of words.

    Args:
        corpus: named in the record.
        cell: what was asked for.
        tokenizer: the model's.
        draw: (random source, seed of the order) → words.
        budget: RULER's generation budget in tokens.
        first: number of units at which compat begins to look for the largest that fits, `step` by `step`; 0: it is
            found to the unit.
        step: units by which compat shortens a list that is too long for the sample's own words.
    """
    seed = f"{facts_seed(cell)}:{cell.task}"
    numbers: Sequence[int] = ()
    if mode_of(cell) == "compat":
        listed, sized = draw(random.Random(seed), SEED), draw(random.Random(SEED), SEED)
        most = units_that_fit(cell, tokenizer, sized.around, sized.units, budget)
        if first:
            most -= (most - first) % step
        numbers = range(most, listed.units.least - 1, -step)
    else:
        listed = draw(random.Random(seed), f"{seed}:order")
    return listed_sample(
        corpus, cell, tokenizer, around=listed.around, question=listed.question, target=listed.answers,
        scorer="ruler_all", budget=budget, units=listed.units, end=closing("ends", tokenizer, "\n\n", " "),
        numbers=numbers, extra=listed.extra,
    )  # fmt: skip


def list_parts(order: Order, held: Phrases, inserts: Sequence[Insert]) -> list[Part]:
    """A list in which the first occurrence of each answer is marked.

    Args:
        order: phrases, each with a blank before it, which the first of all loses.
        held: what they are taken from.
        inserts: answers, each a phrase but for its blank.
    """
    places = {held.texts.index(f" {insert.text}"): insert for insert in inserts}
    parts = [] if int(order[0]) in places else [Part(held.texts[order[0]].removeprefix(" "))]
    done = len(parts)
    for at, insert in sorted(
        ((int(np.argmax(order == phrase)), insert) for phrase, insert in places.items()), key=lambda pair: pair[0]
    ):
        parts += [Part(order=order[done:at]), Part(" " if at else ""), Part(insert.text, insert)]
        done = at + 1
    return [*parts, Part(order=order[done:])]
