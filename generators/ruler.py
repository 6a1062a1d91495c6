"""RULER's eight needle tasks: one or several keys, values and questions, over documents, noise or needles alone.

Follows RULER (arXiv 2404.06654; NVIDIA/RULER c3f5e3b, scripts/data/synthetic/niah.py and scripts/synthetic.yaml) in
what is asked and in the defaults of every parameter. What differs: the wordings are our own; "essay" means the corpus's
documents; prompts have exactly the asked length and the asked needle stands at the cell's depth (drawn from RULER's
40 depths where a sweep says "random"), the others anywhere; no other needle has the asked key. Among needles
alone, the others' numbers and identifiers are the same ones in long samples, paired and ordered anew in each.
``mode=compat`` goes back to RULER's length rule and lets keys among needles alone come up twice.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

import numpy as np

from longctx.corpus import Corpus
from longctx.errors import ImpossibleSample
from longctx.exact import Insert
from longctx.phrases import phrases
from longctx.samples import facts_seed
from longctx.tasks import task
from longctx.tokens import Tokenizer
from longctx.types import Cell, Sample

from ._drawn import generator, rounded
from ._fill import LONG, Units
from ._kinds import KINDS, KindFact, draw_kind, draw_many, kind_columns, kind_fact
from ._lines import line_units, noise_units, room_for
from ._ruler import DEPTHS, MODE, closing, documents_sample, listed_sample, mode_of, one_of, whole, wording
from ._ruler_reading import read_notes

BUDGET = 128  # tokens that RULER lets a model generate
HAYSTACKS = ("essay", "noise", "needle")
_DRAWS = 12  # times that other keys and values are drawn when the documents hold one by chance
_MOST = 64  # keys, values or queries
_VARIANTS = MODE | {
    "haystack": "essay: the corpus's documents; noise: the same few sentences again and again; needle: other needles",
    "key_kind": " or ".join(KINDS),
    "value_kind": " or ".join(KINDS),
    "keys": "keys with needles of their own, the asked ones included",
    "values": "values of each key, all asked for",
    "queries": "keys that are asked about at once",
}


@dataclass(frozen=True, slots=True)
class _Kind:
    """One of the eight: RULER's parameters."""

    haystack: str
    key_kind: str = "words"
    value_kind: str = "numbers"
    keys: int = 1
    values: int = 1
    queries: int = 1

    def opened(self, cell: Cell) -> _Kind:
        """With what the cell's variant says."""
        queries = whole(cell, "queries", self.queries, 1, _MOST)
        return _Kind(
            one_of(cell, "haystack", HAYSTACKS, self.haystack),
            one_of(cell, "key_kind", KINDS, self.key_kind),
            one_of(cell, "value_kind", KINDS, self.value_kind),
            max(queries, whole(cell, "keys", self.keys, 1, _MOST)),
            whole(cell, "values", self.values, 1, _MOST),
            queries,
        )


@task("ruler_niah_single_1", scorer="ruler_all", variants=_VARIANTS, density=False, reader=read_notes)
def ruler_niah_single_1(corpus: Corpus, cell: Cell, tokenizer: Tokenizer) -> Sample:
    """RULER's niah_single_1: one number under a key of words, in repeated noise sentences.

    Example:
        … The lake is calm. The hills are far. The bread is warm. …
        Note for the file: one special number recorded for "gentle-lantern" is 4817263.
        Question: Which special number is recorded for "gentle-lantern"?
        Target: 4817263
    """
    return _sample(corpus, cell, tokenizer, _Kind("noise"))


@task("ruler_niah_single_2", scorer="ruler_all", variants=_VARIANTS, density=False, reader=read_notes)
def ruler_niah_single_2(corpus: Corpus, cell: Cell, tokenizer: Tokenizer) -> Sample:
    """RULER's niah_single_2: one number under a key of words, in documents.

    Example:
        … Note for the file: one special number recorded for "gentle-lantern" is 4817263. …
        Question: Which special number is recorded for "gentle-lantern"?
        Target: 4817263
    """
    return _sample(corpus, cell, tokenizer, _Kind("essay"))


@task("ruler_niah_single_3", scorer="ruler_all", variants=_VARIANTS, density=False, reader=read_notes)
def ruler_niah_single_3(corpus: Corpus, cell: Cell, tokenizer: Tokenizer) -> Sample:
    """RULER's niah_single_3: one UUID under a key of words, in documents.

    Example:
        … one special identifier recorded for "gentle-lantern" is 5f0c9a1e-7a51-4c0e-9a44-0f1d2b3c4d5e. …
        Question: Which special identifier is recorded for "gentle-lantern"?
        Target: 5f0c9a1e-7a51-4c0e-9a44-0f1d2b3c4d5e
    """
    return _sample(corpus, cell, tokenizer, _Kind("essay", value_kind="uuids"))


@task("ruler_niah_multikey_1", scorer="ruler_all", variants=_VARIANTS, density=False, reader=read_notes)
def ruler_niah_multikey_1(corpus: Corpus, cell: Cell, tokenizer: Tokenizer) -> Sample:
    """RULER's niah_multikey_1: four keys with a number each in documents, one asked about.

    Example:
        … one special number recorded for "brisk-violin" is 9031746. … for "gentle-lantern" is 4817263. …
        Question: Which special number is recorded for "gentle-lantern"?
        Target: 4817263
    """
    return _sample(corpus, cell, tokenizer, _Kind("essay", keys=4))


@task("ruler_niah_multikey_2", scorer="ruler_all", variants=_VARIANTS, density=False, reader=read_notes)
def ruler_niah_multikey_2(corpus: Corpus, cell: Cell, tokenizer: Tokenizer) -> Sample:
    """RULER's niah_multikey_2: a haystack of nothing but needles, numbers under keys of words.

    Example:
        Note for the file: one special number recorded for "brisk-violin" is 9031746.
        Note for the file: one special number recorded for "gentle-lantern" is 4817263.
        … Question: Which special number is recorded for "gentle-lantern"?
        Target: 4817263
    """
    return _sample(corpus, cell, tokenizer, _Kind("needle"))


@task("ruler_niah_multikey_3", scorer="ruler_all", variants=_VARIANTS, density=False, reader=read_notes)
def ruler_niah_multikey_3(corpus: Corpus, cell: Cell, tokenizer: Tokenizer) -> Sample:
    """RULER's niah_multikey_3: a haystack of nothing but needles, UUIDs under UUIDs.

    Example:
        Note for the file: one special identifier recorded for "09a1…" is c77e….
        Note for the file: one special identifier recorded for "5f0c…" is 18d2….
        … Question: Which special identifier is recorded for "5f0c…"?
        Target: 18d2…
    """
    return _sample(corpus, cell, tokenizer, _Kind("needle", "uuids", "uuids"))


@task("ruler_niah_multivalue", scorer="ruler_all", variants=_VARIANTS, density=False, reader=read_notes)
def ruler_niah_multivalue(corpus: Corpus, cell: Cell, tokenizer: Tokenizer) -> Sample:
    """RULER's niah_multivalue: one key with four numbers in documents, all asked for.

    Example:
        … one special number recorded for "gentle-lantern" is 4817263. … for "gentle-lantern" is 9031746. …
        Question: Which special numbers are recorded for "gentle-lantern"? Name all of them.
        Target: 4817263; 9031746; 2260518; 7741902
    """
    return _sample(corpus, cell, tokenizer, _Kind("essay", values=4))


@task("ruler_niah_multiquery", scorer="ruler_all", variants=_VARIANTS, density=False, reader=read_notes)
def ruler_niah_multiquery(corpus: Corpus, cell: Cell, tokenizer: Tokenizer) -> Sample:
    """RULER's niah_multiquery: four keys with a number each in documents, all asked about at once.

    Example:
        … one special number recorded for "brisk-violin" is 9031746. … for "gentle-lantern" is 4817263. …
        Question: Which special numbers are recorded for "gentle-lantern" and "brisk-violin"? Name all of them.
        Target: 4817263; 9031746
    """
    return _sample(corpus, cell, tokenizer, _Kind("essay", queries=4))


@dataclass(frozen=True, slots=True)
class _Needles:
    """Everything that is drawn for a sample: inserts, those asked about first, and the question."""

    inserts: list[Insert]
    asked: int
    keys: list[str]
    values: list[str]  # of the asked keys
    question: str


def _sample(corpus: Corpus, cell: Cell, tokenizer: Tokenizer, kind: _Kind) -> Sample:
    kind = kind.opened(cell)
    form = kind_fact(kind.key_kind, kind.value_kind)
    for attempt in range(_DRAWS):
        rng = random.Random(f"{facts_seed(cell)}:{cell.task}:{attempt}")
        needles = _draw(cell, kind, form, rng)
        before, after = _around(form, needles.question)
        if kind.haystack != "essay":
            noise = kind.haystack == "noise"
            if noise:
                units = noise_units(tokenizer, cell.length, needles.inserts)
            else:
                units = _lines(cell, tokenizer, kind, needles)
            return listed_sample(
                corpus, cell, tokenizer, around=(before, after), question=needles.question, target=needles.values,
                scorer="ruler_all", budget=BUDGET, units=units,
                end=closing("sentences" if noise else "ends", tokenizer, "\n", " "),
                asked=needles.asked,
            )  # fmt: skip
        sample = documents_sample(
            corpus, cell, tokenizer, around=(before, after), question=needles.question, target=needles.values,
            budget=BUDGET, inserts=needles.inserts, asked=needles.asked,
            unique=[*needles.keys, *(insert.value for insert in needles.inserts)],
        )  # fmt: skip
        if sample is not None:
            return sample
    raise ImpossibleSample(f"Corpus {corpus.name!r} holds a key or value of all {_DRAWS} that were drawn.")


def _around(form: KindFact, question: str) -> tuple[str, str]:
    """Text of the user's message before and after the haystack."""
    words = wording("niah")
    return words["before"].format(nouns=form.nouns()) + "\n\n", "\n\n" + words["after"].format(question=question)


def _draw(cell: Cell, kind: _Kind, form: KindFact, rng: random.Random) -> _Needles:
    """Keys and values, no two alike, and where they stand: the first at the cell's depth."""
    words = _distinct(lambda: draw_kind(kind.key_kind, rng), set())
    keys = list(islice(words, kind.keys))
    rest = _distinct(lambda: draw_kind(kind.value_kind, rng), set(keys))
    values = [list(islice(rest, kind.values)) for _ in keys]
    depths: list[float] = [cell.depth or 0.0]
    more = kind.keys * kind.values - 1
    if mode_of(cell) == "compat" and more < DEPTHS:
        depths += [number / (DEPTHS - 1) for number in rng.sample(range(DEPTHS), more)]
    else:
        depths += [rng.random() for _ in range(more)]
    inserts = [
        Insert(
            form.state(key, value),
            value,
            depths[index * kind.values + place],
            "" if index < kind.queries else "template",
        )
        for index, key in enumerate(keys)
        for place, value in enumerate(values[index])
    ]
    asked = keys[: kind.queries]
    single = kind.queries * kind.values == 1
    question = form.ask(asked[0]) if single else form.ask_all(asked)
    targets = [value for own in values[: kind.queries] for value in own]
    return _Needles(inserts, len(targets), keys, targets, question)


def _distinct(draw: Callable[[], str], seen: set[str]) -> Iterator[str]:
    while True:
        if (word := draw()) not in seen:
            seen.add(word)
            yield word


def _lines(cell: Cell, tokenizer: Tokenizer, kind: _Kind, needles: _Needles) -> Units:
    """Needles about other keys, a line each."""
    kinds = kind.key_kind, kind.value_kind
    count = room_for(cell.length, _tokens_of_line(tokenizer, *kinds))
    compat = mode_of(cell) == "compat"
    taken = () if compat else (*needles.keys, *(insert.value for insert in needles.inserts))
    seed = f"{facts_seed(cell)}:{cell.task}:lines"
    if kinds == ("words", "words"):
        both = draw_many("words", 0, 2 * count, generator(seed), taken, again=compat)
        both = both.reshape(count, -1)
        both = both[np.any(both[:, :2] != both[:, 2:], axis=1)]
    else:
        keys = draw_many(kinds[0], 0, count, generator(f"{seed}:keys"), taken, again=compat)
        values = draw_many(kinds[1], 1, count, generator(f"{seed}:values"), taken, again=compat)
        both = np.concatenate([keys, values], axis=1)
    columns = _line_columns(*kinds, rounded(count + len(taken)))
    held = phrases(columns, (tuple(range(len(columns))),), tokenizer, dense=cell.length > LONG)
    lines = np.pad(both, ((0, 0), (1, 0))) + np.array(
        held.firsts[:-1]
    )  # each begins with the first column's only phrase
    return line_units(lines, held, needles.inserts)


@lru_cache(maxsize=8)
def _line_columns(key_kind: str, value_kind: str, size: int) -> tuple[tuple[str, ...], ...]:
    """A line's phrases: what stands before the key, the key's, and the value's with the line's end."""
    stated = kind_fact(key_kind, value_kind).state("\0", "\1")
    lead, middle, end = re.split("[\0\1]", stated)
    lead, _, opened = lead.rpartition(" ")
    keys = _wrapped(kind_columns(key_kind, size, 0), f" {opened}", middle.removesuffix(" "))
    return (lead,), *keys, *_wrapped(kind_columns(value_kind, size, 1), " ", f"{end}\n")


def _wrapped(columns: Sequence[Sequence[str]], before: str, behind: str) -> list[tuple[str, ...]]:
    """Columns with something before the first and behind the last of them."""
    wrapped = [list(column) for column in columns]
    wrapped[0] = [before + text for text in wrapped[0]]
    wrapped[-1] = [text + behind for text in wrapped[-1]]
    return [tuple(column) for column in wrapped]


@lru_cache(maxsize=8)
def _tokens_of_line(tokenizer: Tokenizer, key_kind: str, value_kind: str) -> float:
    """About how many tokens a needle among needles has."""
    columns = _line_columns(key_kind, value_kind, rounded(0))
    lines = ["".join(column[at % len(column)] for column in columns) for at in range(0, 4096, 64)]
    return sum(tokenizer.count_many(lines)) / len(lines)
