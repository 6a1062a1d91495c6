"""Aggregation: answers that stand nowhere, as many places of the documents have to be put together for them.

Entries of a register, a log or an account, all of one form, are spread over the documents; what is asked is how many
of them carry a term, the sum of what they state, their most frequent terms, or which of them lack something. Other
registers of the same form are the distractors. Like RULER's common and frequent words (arXiv 2404.06654) these tasks
need all of the haystack, but in the terms of the corpus's domain: the wordings are in ``text/aggregate-VOICE.toml``.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from longctx.corpus import Corpus
from longctx.exact import Insert
from longctx.samples import facts_seed, inserted_sample, pick_host
from longctx.tasks import task
from longctx.tokens import Tokenizer
from longctx.types import Cell, Sample

from ._wording import Names, all_wordings, distractor_count, fill, first_unique, read, whole, wordings

_MOST = 256  # places
_TOP = 3
_GROUP = 8  # distractors that belong to one other register
_RARE = 3  # terms beside the most frequent ones


@dataclass(frozen=True, slots=True)
class _Register:
    """Entries that belong together, with what is asked about them."""

    key: str
    question: str
    target: str | list[str]
    entries: list[Insert]
    unique: list[str]  # what the filler must not hold


_Draw = Callable[[Mapping[str, Any], int, Names], _Register]


def _variants(least: int, default: int) -> dict[str, str]:
    return {
        "places": f"entries that belong to the answer, spread over the haystack, {least}-{_MOST}; default {default}"
    }


def _asked(
    part: str, wording: str, prompt: str, question: str
) -> Iterator[tuple[dict[str, str], list[dict[str, str]]]]:
    """What the question names, and the entries of the prompt that belong to the same register."""
    documents = prompt[: max(0, prompt.rfind(question))]
    for voice in all_wordings("aggregate").values():
        for asked in read(voice[part][wording], question):
            if asked[0] == question:
                entries = (match.groupdict() for match in read(voice[part]["entry"], documents))
                yield asked.groupdict(), [entry for entry in entries if entry["key"] == asked["key"]]


def read_count(prompt: str, question: str) -> str:
    """Count the register's entries that carry the term."""
    for asked, entries in _asked("terms", "question_count", prompt, question):
        return str(sum(entry["term"] == asked["term"] for entry in entries))
    return ""


def read_sum(prompt: str, question: str) -> str:
    """Add up what the register's entries state for the line item."""
    for asked, entries in _asked("amounts", "question", prompt, question):
        amounts = (entry["amount"].replace(",", "") for entry in entries if entry["term"] == asked["term"])
        return str(sum(map(int, amounts)))
    return ""


def read_top(prompt: str, question: str) -> str:
    """The most frequent terms among the register's entries."""
    for _, entries in _asked("terms", "question_top", prompt, question):
        return "; ".join(term for term, _ in Counter(entry["term"] for entry in entries).most_common(_TOP))
    return ""


def read_missing(prompt: str, question: str) -> str:
    """Names of the register's entries whose list does not hold the term."""
    for asked, entries in _asked("clauses", "question", prompt, question):
        return "; ".join(entry["name"] for entry in entries if asked["term"] not in entry["list"])
    return ""


@task("aggregate_count", scorer="number", variants=_variants(2, 8), depth=False, reader=read_count)
def aggregate_count(corpus: Corpus, cell: Cell, tokenizer: Tokenizer) -> Sample:
    """How many entries of a register carry a term.

    Between a quarter and three quarters of the entries carry it, the others another one. There is no partial credit:
    the number is right or wrong. All entries of the register are needles.

    Example:
        … Close-out by the Briar Center desk: the fault reported by Falcon Tools Ltd. was traced to a stale lease on the
        witness node. …
        Question: How many of the faults in the close-outs by the Briar Center desk were traced to a stale lease on the
        witness node?
        Target: 5
    """
    return _sample(corpus, cell, tokenizer, "terms", _count, "number", least=2, default=8)


@task("aggregate_sum", scorer="number", variants=_variants(2, 8), depth=False, reader=read_sum)
def aggregate_sum(corpus: Corpus, cell: Cell, tokenizer: Tokenizer) -> Sample:
    """The sum of a line item over the quarters in which it is stated.

    Up to eight entries state it for one site, quarter by quarter; more entries go on with further sites. There is no
    partial credit: the number is right or wrong.

    Example:
        … For the first quarter of fiscal 2030, Vance Paper LP recorded warranty expense of $412 thousand at its Briar
        Center operations … For the second quarter of fiscal 2030, Vance Paper LP recorded warranty expense of $307 …
        Question: What is the total, in thousands of dollars, of the warranty expense that Vance Paper LP recorded?
        Target: 719
    """
    return _sample(corpus, cell, tokenizer, "amounts", _sum, "number", least=2, default=8)


@task("aggregate_top", scorer="set_f1", variants=_variants(7, 12), depth=False, reader=read_top)
def aggregate_top(corpus: Corpus, cell: Cell, tokenizer: Tokenizer) -> Sample:
    """The three most frequent terms in a register.

    Each of the three is there as often as the others and at least once more than any of three rarer ones. Scored as a
    set (F1): two right ones and a wrong one give 0.67, their order does not matter.

    Example:
        … Close-out by the Briar Center desk: the fault reported by Falcon Tools Ltd. was traced to a stale lease on the
        witness node. …
        Question: What are the three most frequent causes to which the Briar Center desk traced faults?
        Target: a stale lease on the witness node; an orphaned snapshot chain; a saturated journal volume
    """
    return _sample(corpus, cell, tokenizer, "terms", _top, "set_f1", least=7, default=12)


@task("aggregate_missing", scorer="set_f1", variants=_variants(2, 8), depth=False, reader=read_missing)
def aggregate_missing(corpus: Corpus, cell: Cell, tokenizer: Tokenizer) -> Sample:
    """Which contracts of a register lack a clause.

    At least one entry and at most eight, never more than half of them, lack what the others list. Scored as a set (F1):
    a name that is left out costs recall, one too many precision.

    Example:
        … Clause checklist of Walden Ceramics LLC: of the clauses checked, the agreement with Falcon Metals LLC contains
        only a step-in right and a cap on indexation. …
        Question: With which counterparties do the agreements in the clause checklist of Walden Ceramics LLC lack a
        benchmarking clause?
        Target: Falcon Metals LLC
    """
    return _sample(corpus, cell, tokenizer, "clauses", _missing, "set_f1", least=2, default=8)


def _sample(
    corpus: Corpus, cell: Cell, tokenizer: Tokenizer, part: str, draw: _Draw, scorer: str, *, least: int, default: int
) -> Sample:
    places = whole(cell, "places", default, least, _MOST)
    host, seed = pick_host(corpus, cell), facts_seed(cell)
    form = wordings("aggregate", host.voice)[part]

    def make(attempt: int) -> tuple[Sample | None, list[str], list[Insert]]:
        rng = random.Random(f"{seed}:{part}:{attempt}")
        names = Names(rng, host.voice.language)
        register = draw(form, places, names)
        # One in each of as many equal stretches as there are entries, so that the evidence is spread evenly.
        inserts = [
            Insert(entry.text, entry.value, (index + 0.1 + 0.8 * rng.random()) / places)
            for index, entry in enumerate(register.entries)
        ]
        left = distractor_count(corpus, cell, tokenizer, register.question)
        while left > 0:
            others = draw(form, max(least, _GROUP), names).entries[:left]
            inserts += [Insert(entry.text, entry.value, None, "template") for entry in others]
            left -= len(others)
        sample = inserted_sample(
            corpus,
            cell,
            tokenizer,
            question=register.question,
            target=register.target,
            scorer=scorer,
            inserts=inserts,
            asked=range(places),
            unique=[register.key],
            host=host,
        )
        return sample, register.unique, inserts

    return first_unique(make, corpus)


def _count(form: Mapping[str, Any], places: int, names: Names) -> _Register:
    rng = names.rng
    term, *others = rng.sample(form["terms"], 1 + _TOP)
    carry = rng.randint(max(1, places // 4), max(1, places * 3 // 4) if places > 2 else 2)
    terms = [term] * carry + [rng.choice(others) for _ in range(places - carry)]
    rng.shuffle(terms)
    return _with_terms(form, terms, names, "question_count", str(carry), term)


def _top(form: Mapping[str, Any], places: int, names: Names) -> _Register:
    rng = names.rng
    chosen = rng.sample(form["terms"], _TOP + _RARE)
    top, rare = chosen[:_TOP], chosen[_TOP:]
    often = max(2, -(-(places + _RARE) // (_TOP + _RARE)))  # so that the rare ones can hold the rest, one less each
    terms = top * often
    rest = rare * (often - 1)
    rng.shuffle(rest)
    terms += rest[: places - len(terms)]
    rng.shuffle(terms)
    return _with_terms(form, terms, names, "question_top", top, "")


def _with_terms(
    form: Mapping[str, Any], terms: list[str], names: Names, wording: str, target: str | list[str], term: str
) -> _Register:
    key = names.draw(form["key"])
    about = [names.draw(form["name"]) for _ in terms]
    entries = [
        Insert(fill(form["entry"], {"key": key, "name": name, "term": carried}), name, None)
        for name, carried in zip(about, terms, strict=True)
    ]
    question = fill(form[wording], {"key": key, "term": term})
    return _Register(key, question, target, entries, [key, *about, *(target if isinstance(target, list) else [term])])


def _sum(form: Mapping[str, Any], places: int, names: Names) -> _Register:
    rng = names.rng
    key, term, periods, slot = names.draw(form["key"]), rng.choice(form["terms"]), form["periods"], form["amount"]
    step, layout = slot.get("step", 1), slot.get("format", "{}")
    entries, total, site = [], 0, ""
    for index in range(places):
        if index % len(periods) == 0:
            site = names.draw(form["name"])
        amount = rng.randrange(slot["low"], slot["high"] + 1, step)
        total += amount
        drawn = {"key": key, "name": site, "period": periods[index % len(periods)], "term": term}
        text = fill(form["entry"], drawn | {"amount": layout.format(amount)})
        entries.append(Insert(text, f"{site}, {drawn['period']}: {layout.format(amount)}", None))
    rng.shuffle(entries)
    question = fill(form["question"], {"key": key, "term": term})
    return _Register(key, question, layout.format(total), entries, [key])


def _missing(form: Mapping[str, Any], places: int, names: Names) -> _Register:
    rng = names.rng
    key, (term, *others) = names.draw(form["key"]), rng.sample(form["terms"], len(form["terms"]))
    lacking = rng.randint(1, max(1, min(8, places // 2)))
    lacks = [True] * lacking + [False] * (places - lacking)
    rng.shuffle(lacks)
    entries, target = [], []
    for without in lacks:
        name = names.draw(form["name"])
        listed = rng.sample(others, rng.randint(3, 4) if without else rng.randint(2, 3)) + ([] if without else [term])
        rng.shuffle(listed)
        items = [form.get("item", "{term}").replace("{term}", one) for one in listed]
        text = form.get("comma", ", ").join(items[:-1]) + form["last"] + items[-1]
        entries.append(Insert(fill(form["entry"], {"key": key, "name": name, "list": text}), name, None))
        if without:
            target.append(name)
    question = fill(form["question"], {"key": key, "term": term})
    return _Register(key, question, target, entries, [key, *(entry.value for entry in entries)])
