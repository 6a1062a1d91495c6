"""Needle in a haystack: one fact among a corpus's documents, alone or among look-alikes.

Follows the needle-in-a-haystack test (G. Kamradt, 2023) in what is varied, length and depth, and RULER
(arXiv 2404.06654) in distractors that have the needle's own form. The needles are the corpus's: see its voice.
"""

from __future__ import annotations

import random

from longctx.corpus import Corpus
from longctx.errors import ImpossibleSample
from longctx.haystack import Insert
from longctx.samples import fact_sample, facts_seed, frames
from longctx.tasks import task
from longctx.tokens import Tokenizer
from longctx.types import Cell, Sample
from longctx.voice import Fact, FactTemplate, distinct_facts, pick_template

_DRAWS = 12  # times that other facts are drawn when the filler holds one by chance
_VARIANTS = {
    "fact": "name of the fact to ask about, one of the corpus's voice; drawn by seed where it is not given",
    "escape": "true: the prompt says what to answer where the documents do not state the fact; niah_absent's default",
}


@task("niah_single", scorer="includes", shares_haystack=True, variants=_VARIANTS)
def niah_single(corpus: Corpus, cell: Cell, tokenizer: Tokenizer) -> Sample:
    """One fact at a given depth, among distractors of the same form.

    With several questions to a haystack, a needle of another fact stands at each of the depths, and each sample asks
    about one of them; every needle has its own distractors at the asked density.

    Example:
        … Late fees under the agreement with Alder Foods Inc. are capped at US$412,750 a year. …
        Question: What is the cap on late fees under the agreement with Alder Foods Inc.?
        Target: 412,750
    """
    return _sample(corpus, cell, tokenizer, present=True)


@task("niah_absent", scorer="absent", shares_haystack=True, variants=_VARIANTS)
def niah_absent(corpus: Corpus, cell: Cell, tokenizer: Tokenizer) -> Sample:
    """The same question over the same filler and distractors, with the needle left out.

    The right answer says that the documents do not state it. `depth` only numbers the questions here.

    Example:
        … Late fees under the agreement with Wexford Tools LLC are capped at US$96,500 a year. …
        Question: What is the cap on late fees under the agreement with Alder Foods Inc.?
        Target: Not stated.
    """
    return _sample(corpus, cell, tokenizer, present=False)


def _sample(corpus: Corpus, cell: Cell, tokenizer: Tokenizer, *, present: bool) -> Sample:
    seed = facts_seed(cell)
    if not present and not cell.depths_together:
        seed += f":{cell.depth}"  # nothing stands at a depth: each asks about something else that is not there
    depths = cell.depths_together or (cell.depth,)
    asked = depths.index(cell.depth)
    for attempt in range(_DRAWS):
        rng = random.Random(f"{seed}:facts:{attempt}")
        groups = _draw(corpus, cell, tokenizer, len(depths), present, rng)
        facts = [group[0] for group in groups]
        inserts = [Insert(fact.needle, fact.value, depth) for fact, depth in zip(facts, depths, strict=True)]
        if len(depths) > 1:
            inserts = [
                insert if index == asked else Insert(insert.text, insert.value, insert.depth, "co-needle")
                for index, insert in enumerate(inserts)
            ]
        for index, group in enumerate(groups):
            tier = "template" if index == asked else "co-distractor"
            inserts += [Insert(fact.needle, fact.value, None, tier) for fact in group[1:]]
        if not present:
            inserts = inserts[len(depths) :]
        sample = fact_sample(
            corpus,
            cell,
            tokenizer,
            question=facts[asked].question,
            target=facts[asked].value if present else corpus.voice.absent_answer,
            scorer="includes" if present else "absent",
            inserts=inserts,
            asked=asked if present else None,
            facts=facts,
            escape=_escape(cell, present),
        )
        if sample is not None:
            return sample
    raise ImpossibleSample(
        f"Corpus {corpus.name!r} holds every key or value that was drawn for its facts, {_DRAWS} times over: "
        "give the facts in its voice a wider range, or use another voice."
    )


def _escape(cell: Cell, present: bool) -> bool:
    return bool(dict(cell.variant).get("escape", not present))


def _draw(
    corpus: Corpus, cell: Cell, tokenizer: Tokenizer, count: int, present: bool, rng: random.Random
) -> list[list[Fact]]:
    """For each question a fact and its distractors: facts of different forms, so that they are no look-alikes."""
    voice = corpus.voice
    wanted = dict(cell.variant).get("fact")
    if wanted is not None:
        forms = [pick_template(voice, rng, wanted)] * count
    else:
        shuffled: list[FactTemplate] = rng.sample(voice.facts, len(voice.facts))
        forms = [shuffled[index % len(shuffled)] for index in range(count)]
    distractors = _distractors(corpus, cell, tokenizer, forms, _escape(cell, present))
    groups: list[list[Fact]] = [[] for _ in forms]
    for form in dict.fromkeys(form.name for form in forms):
        members = [index for index, other in enumerate(forms) if other.name == form]
        own = random.Random(f"{rng.random()}:{form}")  # as many draws as it needs, without moving the other forms'
        drawn = distinct_facts(forms[members[0]], len(members) * (1 + distractors), own, voice.language)
        for position, index in enumerate(members):
            groups[index] = drawn[position :: len(members)]
    return groups


def _distractors(corpus: Corpus, cell: Cell, tokenizer: Tokenizer, forms: list[FactTemplate], escape: bool) -> int:
    """Distractors for each question: density × the tokens that the haystack will have."""
    if cell.density == 0:
        return 0
    examples = [form.fill(random.Random(0), corpus.voice.language) for form in forms]
    around = frames(corpus.voice, tokenizer, [fact.question for fact in examples], escape)
    haystack = cell.length - max(tokenizer.count(before) + tokenizer.count(after) for before, after in around)
    return max(0, round(cell.density * haystack / 10_000))
