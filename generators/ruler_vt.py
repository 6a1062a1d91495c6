"""RULER's variable tracking: chains of assignments scattered over noise.

Follows RULER (arXiv 2404.06654; NVIDIA/RULER c3f5e3b, scripts/data/synthetic/variable_tracking.py) in chains, hops,
names of five letters and numbers of five digits, and in the solved example of about 500 tokens. What differs: the
notation and the noise are our own; prompts have exactly the asked length; no two chains have the same number. As there,
each chain's assignments stand in the order in which they can be followed, at places drawn by the seed. RULER's other
haystack, essays, is here the corpus's documents. ``mode=compat`` goes back to RULER's length rule.
"""

from __future__ import annotations

import random
import string
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np

from longctx.corpus import Corpus
from longctx.errors import ImpossibleSample
from longctx.exact import Insert
from longctx.phrases import Phrases
from longctx.samples import facts_seed
from longctx.tasks import task
from longctx.tokens import Tokenizer
from longctx.types import Cell, Sample

from ._lines import as_text, interleave, noise_phrases, noise_units
from ._ruler import DEPTHS, MODE, SHOTS, closing, documents_sample, listed_sample, mode_of, one_of, whole, wording
from ._ruler_reading import read_assignments

_BUDGET = 30  # tokens that RULER lets a model generate
_EXAMPLE_LINES = 12  # of noise: with the assignments about 500 tokens
_EXAMPLE_HOPS = 10  # at most
_HAYSTACKS = ("noise", "essay")
_DRAWS = 12  # times that other names are drawn when the documents hold one by chance
_VARIANTS = (
    MODE
    | SHOTS
    | {
        "chains": "chains of assignments; 1 by default",
        "hops": "links of each chain; 4 by default",
        "haystack": "noise (default): the same few sentences again and again; essay: the corpus's documents",
    }
)


@task("ruler_vt", scorer="ruler_all", variants=_VARIANTS, density=False, depth=False, reader=read_assignments)
def ruler_vt(corpus: Corpus, cell: Cell, tokenizer: Tokenizer) -> Sample:
    """RULER's vt: every variable that holds a number, directly or through a chain of assignments.

    Example:
        … LET QWERT = 48172 … LET HJKLM = QWERT … LET ZXCVB = HJKLM …
        Question: Which variables hold the value 48172, directly or through other variables?
        Target: QWERT; HJKLM; ZXCVB
    """
    chains = whole(cell, "chains", 1, 1, 64)
    hops = whole(cell, "hops", 4, 1, 64)
    shots = whole(cell, "shots", 1, 0, 8)
    haystack = one_of(cell, "haystack", _HAYSTACKS, "noise")
    words, noise = wording("vt"), noise_phrases(tokenizer, cell.length)
    for attempt in range(_DRAWS):
        rng = random.Random(f"{facts_seed(cell)}:{cell.task}" + (f":{attempt}" if attempt else ""))
        numbers = _numbers(rng)
        solved = "".join(_solved(rng, chains, min(hops, _EXAMPLE_HOPS), noise, numbers) for _ in range(shots))
        inserts, names, value = _chains(rng, chains, hops, 5, numbers)
        question = words["question"].format(value=value)
        around = (solved + words["before"] + "\n\n", "\n\n" + words["after"].format(question=question))
        if haystack == "noise":
            return listed_sample(
                corpus, cell, tokenizer, around=around, question=question, target=names, scorer="ruler_all",
                budget=_BUDGET, units=noise_units(tokenizer, cell.length, inserts),
                end=closing("sentences", tokenizer, "\n", " "), asked=hops + 1,
            )  # fmt: skip
        sentences = [replace(one, text=one.text + ".") for one in _at_depths(cell, inserts, chains, rng)]
        sample = documents_sample(
            corpus, cell, tokenizer, around=around, question=question, target=names, budget=_BUDGET,
            inserts=sentences, asked=hops + 1, unique=[one.value for one in inserts] + [value],
        )  # fmt: skip
        if sample is not None:
            return sample
    raise ImpossibleSample(f"Corpus {corpus.name!r} holds a name or number of all {_DRAWS} chains that were drawn.")


def _at_depths(cell: Cell, inserts: list[Insert], chains: int, rng: random.Random) -> list[Insert]:
    """Assignments at places among a document's sentences: in compat at as many of RULER's 40 as it has."""
    if mode_of(cell) == "fixed" or len(inserts) > DEPTHS:
        return inserts
    places = [number / (DEPTHS - 1) for number in rng.sample(range(DEPTHS), len(inserts))]
    each = len(inserts) // chains
    depths = [depth for chain in range(chains) for depth in sorted(places[chain * each : (chain + 1) * each])]
    return [replace(insert, depth=depth) for insert, depth in zip(inserts, depths, strict=True)]


def _numbers(rng: random.Random) -> Iterator[str]:
    """Different numbers of five digits."""
    seen: set[int] = set()
    while True:
        number = rng.randint(10_000, 99_999)
        if number not in seen:
            seen.add(number)
            yield str(number)


def _names(rng: random.Random, letters: int) -> Iterator[str]:
    """Different names of capital letters."""
    seen: set[str] = set()
    while True:
        name = "".join(rng.choices(string.ascii_uppercase, k=letters))
        if name not in seen:
            seen.add(name)
            yield name


def _chains(
    rng: random.Random, chains: int, hops: int, letters: int, numbers: Iterator[str]
) -> tuple[list[Insert], list[str], str]:
    """Assignments of all chains, those of the asked one first; its variables; and its number."""
    given = _names(rng, letters)
    inserts: list[Insert] = []
    first: list[str] = []
    values = list(islice(numbers, chains))
    for index, value in enumerate(values):
        names = list(islice(given, hops + 1))
        first = first or names
        depths = sorted(rng.random() for _ in names)
        for name, source, depth in zip(names, [value, *names], depths, strict=False):
            text = wording("vt")["start"].format(name=name, value=source)
            inserts.append(Insert(text, name, depth, "template" if index else ""))
    return inserts, first, values[0]


def _solved(rng: random.Random, chains: int, hops: int, noise: Phrases, numbers: Iterator[str]) -> str:
    """A solved example with names of three letters."""
    inserts, names, value = _chains(rng, chains, hops, 3, numbers)
    words = wording("vt")
    text = as_text(interleave(np.zeros((_EXAMPLE_LINES, 1), np.int64), inserts), noise)
    after = words["after"].format(question=words["question"].format(value=value))
    return (
        f"{wording('example')}\n\n{words['before']}\n\n{text}\n\n{after}\n{wording('cue')} {', '.join(names)}\n\n"
        f"{wording('now')}\n\n"
    )
