"""Needles in a haystack: facts among a corpus's documents, alone or among look-alikes, asked one by one or together.

Follows the needle-in-a-haystack test (G. Kamradt, 2023) in what is varied, length and depth, and RULER
(arXiv 2404.06654) in its kinds: several keys, several values, several questions. The needles are the corpus's: see its
voice. Distractors have a tier, how alike they are, and a distance from the needle.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from longctx.corpus import Corpus
from longctx.errors import ImpossibleSample, UsageError, unknown
from longctx.exact import Insert
from longctx.samples import facts_seed, frames, inserted_sample, pick_host, variant
from longctx.tasks import task
from longctx.tokens import Tokenizer
from longctx.types import Cell, Sample
from longctx.voice import pick_template

from ._kinds import KINDS, kind_fact
from ._needles import Asker, Draw, Form, Question, multikey, multiquery, multivalue, single, split
from ._reading import read_all, read_facts, read_grounded, read_halves, read_stated

_DRAWS = 12  # times that other facts are drawn when the filler holds one by chance
_TIERS = ("template", "entity", "superseded")
_DISTANCES = ("uniform", "near", "far")
_APART = 0.05  # of the haystack: what a needle keeps away from its question's first, where there is no gap
_COMMON = {
    "fact": "name of the fact to ask about, one of the corpus's voice; drawn by seed where it is not given",
    "escape": "true: the prompt says what to answer where the documents do not state the fact; niah_absent's default",
    "needle": "domain (default): a fact of the corpus's voice; " + ", ".join(KINDS) + ": a generic one of that kind",
    "distance": "where distractors stand: uniform (default), near (within 512 tokens of the needle), far",
}
_TIERED = _COMMON | {
    "tier": "template (default): the same form about another key; entity: another attribute of the asked key; "
    "superseded: an older version that the text itself marks as replaced"
}


@task("niah_single", scorer="includes", shares_haystack=True, variants=_TIERED, reader=read_facts)
def niah_single(corpus: Corpus, cell: Cell, tokenizer: Tokenizer) -> Sample:
    """One fact at a given depth, among distractors.

    With several questions to a haystack, a needle of another fact stands at each of the depths, and each sample asks
    about one of them; every needle has its own distractors at the asked density.

    Example:
        … Late fees under the agreement with Alder Foods Inc. are capped at US$412,750 a year. …
        Question: What is the cap on late fees under the agreement with Alder Foods Inc.?
        Target: 412,750
    """
    return _sample(corpus, cell, tokenizer, single)


@task("niah_absent", scorer="absent", shares_haystack=True, variants=_TIERED, reader=read_stated)
def niah_absent(corpus: Corpus, cell: Cell, tokenizer: Tokenizer) -> Sample:
    """The same question over the same filler and distractors, with the needle left out.

    The right answer says that the documents do not state it. `depth` only numbers the questions here.

    Example:
        … Late fees under the agreement with Wexford Tools LLC are capped at US$96,500 a year. …
        Question: What is the cap on late fees under the agreement with Alder Foods Inc.?
        Target: Not stated.
    """
    return _sample(corpus, cell, tokenizer, single, present=False)


@task(
    "niah_multikey",
    scorer="includes",
    shares_haystack=True,
    variants=_TIERED | {"keys": "facts of one form about different keys, the asked one included; 4 by default"},
    reader=read_facts,
)
def niah_multikey(corpus: Corpus, cell: Cell, tokenizer: Tokenizer) -> Sample:
    """One fact to be told from a few others of the same form about other keys, whatever the length.

    The other keys' facts are distractors of the tier template; `density` adds more.

    Example:
        … Late fees charged by Wexford Tools LLC shall not exceed US$96,500 … Late fees charged by Alder Foods Inc.
        shall not exceed US$412,750 … Late fees charged by Orchard & Sons shall not exceed US$18,025 …
        Question: What is the annual cap on the late fees that Alder Foods Inc. may charge?
        Target: 412,750
    """
    return _sample(corpus, cell, tokenizer, multikey)


@task(
    "niah_multivalue",
    scorer="includes",
    shares_haystack=True,
    variants=_COMMON | {"values": "values of the asked key; 4 by default"},
    reader=read_all,
)
def niah_multivalue(corpus: Corpus, cell: Cell, tokenizer: Tokenizer) -> Sample:
    """Several values of one key, all asked for; the score is the share that is named.

    The first stands at the depth, the others anywhere. Distractors state the same of other keys.

    Example:
        … Service credits owed by Alder Foods Inc. under Work Order 4471 shall not exceed US$12,400. … under Work Order
        9020 shall not exceed US$7,350. …
        Question: List every cap on service credits owed by Alder Foods Inc. under any Work Order.
        Target: 12,400; 7,350
    """
    return _sample(corpus, cell, tokenizer, multivalue)


@task(
    "niah_multiquery",
    scorer="includes",
    shares_haystack=True,
    variants=_TIERED | {"queries": "facts that are asked about at once; 4 by default"},
    reader=read_facts,
)
def niah_multiquery(corpus: Corpus, cell: Cell, tokenizer: Tokenizer) -> Sample:
    """Several facts asked about in one question; the score is the share that is named.

    The first stands at the depth, the others anywhere. Distractors are dealt to them in turn.

    Example:
        … Late fees charged by Alder Foods Inc. shall not exceed US$412,750 … the deposit for Pier 9 is US$18,025 …
        Question: (1) What is the annual cap on the late fees that Alder Foods Inc. may charge? (2) How much is the
        security deposit for the premises at Pier 9?
        Target: 412,750; 18,025
    """
    return _sample(corpus, cell, tokenizer, multiquery)


@task(
    "niah_split",
    scorer="includes",
    shares_haystack=True,
    variants={key: text for key, text in _COMMON.items() if key != "needle"}
    | {"gap": "tokens from the first half to the second; where it is not given, it stands anywhere"},
    reader=read_halves,
)
def niah_split(corpus: Corpus, cell: Cell, tokenizer: Tokenizer) -> Sample:
    """A fact in two places: one half refers to the other, which stands a chosen number of tokens away.

    It stands behind the first half or, where the haystack ends before that, in front of it. Distractors are second
    halves under other references.

    Example:
        … Late fees charged by Alder Foods Inc. shall not exceed the amount at line K-204 of the Schedule. … Schedule,
        line K-204: US$412,750. …
        Question: What is the annual cap on the late fees that Alder Foods Inc. may charge?
        Target: 412,750
    """
    return _sample(corpus, cell, tokenizer, split)


@task("grounded", scorer="grounded", variants=_TIERED, reader=read_grounded)
def grounded(corpus: Corpus, cell: Cell, tokenizer: Tokenizer) -> Sample:
    """One fact and the file that it stands in: half of the score for each.

    The documents show where each begins, by its file's name; distractors stand in other places of the same documents.

    Example:
        ===== supply/alder.docx ===== … Late fees charged by Alder Foods Inc. shall not exceed US$412,750 …
        Question: What is the annual cap on the late fees that Alder Foods Inc. may charge? Name also the file that
        states it, as it is named above its text.
        Target: 412,750; supply/alder.docx
    """
    return _sample(corpus, cell, tokenizer, single, headers=True)


_FILE = {
    "de": " Nennen Sie auch die Datei, in der dies steht, so wie sie über ihrem Text genannt ist.",
    "en": " Name also the file that states it, as it is named above its text.",
    "zh": "另请写出载有该内容的文件名，与正文上方所示的名称一致。",
}


def _sample(
    corpus: Corpus, cell: Cell, tokenizer: Tokenizer, draw: Draw, *, present: bool = True, headers: bool = False
) -> Sample:
    host = pick_host(corpus, cell)
    tier = _one_of(cell, "tier", _TIERS)
    distance = _one_of(cell, "distance", _DISTANCES)
    asker = Asker(cell, host.voice, tier)
    escape = variant(cell, "escape", not present)
    if not isinstance(escape, bool):
        raise UsageError(f"escape is {escape!r}; possible are true and false.")
    seed = facts_seed(cell)
    if not present and not cell.depths_together:
        seed += f":{cell.depth}"  # nothing stands at a depth: each asks about something else that is not there
    depths = cell.depths_together or (cell.depth or 0.0,)
    asked = depths.index(cell.depth or 0.0)
    for attempt in range(_DRAWS):
        rng = random.Random(f"{seed}:facts:{attempt}")
        forms = _forms(asker, rng, len(depths))
        room = _room(corpus, cell, tokenizer, forms, escape)
        count = max(0, round(cell.density * room / 10_000))
        seen: dict[str, set[str]] = {}
        questions: list[Question] = []
        for index, form in enumerate(forms):
            own = random.Random(f"{seed}:facts:{attempt}:{index}")  # more draws of one do not move the others'
            questions.append(draw(asker, own, form, seen.setdefault(form.name, set()), count))
            if headers:
                questions[-1].text += _FILE.get(corpus.voice.language, _FILE["en"])
        _check_density(cell, tokenizer, questions, room)
        inserts, first = _inserts(questions, depths, asked, distance if present else "uniform", tier, present, seed)
        question = questions[asked]
        sample = inserted_sample(
            corpus,
            cell,
            tokenizer,
            question=question.text,
            target=question.target if present else corpus.voice.absent_answer,
            scorer="includes" if present else "absent",
            inserts=inserts,
            asked=first if present else (),
            unique=[word for each in questions for word in (*each.keys, *each.values) if word],
            questions=[each.text for each in questions],
            escape=escape,
            host=host,
            headers=headers,
        )
        if sample is None:
            continue
        if headers:
            file = sample.metadata["needles"][0]["file"]
            more = {"scorer": "grounded", "namesakes": _namesakes(corpus, file)}
            sample = replace(sample, target=[str(question.target), file], metadata={**sample.metadata, **more})
        return sample
    raise ImpossibleSample(
        f"Corpus {corpus.name!r} holds every key or value that was drawn for its facts, {_DRAWS} times over: "
        "give the facts in its voice a wider range, or use another voice."
    )


def _namesakes(corpus: Corpus, file: str) -> list[str]:
    """Other documents with a file's base name: that name alone does not tell them apart."""
    name = PurePosixPath(file).name
    return [s.path for s in corpus.documents if s.path != file and PurePosixPath(s.path).name == name]


def _check_density(cell: Cell, tokenizer: Tokenizer, questions: Sequence[Question], room: int) -> None:
    """Refuse a density whose distractors leave no filler."""
    alike = [fact.needle for question in questions for fact in question.distractors]
    if not alike or not cell.density:
        return
    size = 2 + sum(len(encoding.ids) for encoding in tokenizer.encode_many(alike[:64])) / len(alike[:64])
    if len(alike) * size > room:
        possible = max(0.0, cell.density * room / (len(alike) * size))
        raise ImpossibleSample(
            f"Density {cell.density:g} asks for {len(alike):,} distractors of about {size:.0f} tokens each in a "
            f"haystack of about {max(0, room):,}: at most about {0.9 * possible:.1f} per 10,000 tokens fit. "
            "Ask for a lower density."
        )


def _one_of(cell: Cell, name: str, possible: Sequence[str]) -> str:
    value = str(variant(cell, name, possible[0]))
    if value not in possible:
        raise UsageError(unknown(name, value, possible))
    return value


def _forms(asker: Asker, rng: random.Random, count: int) -> Sequence[Form]:
    """The facts that are asked about: of different forms, so that they are no look-alikes of each other."""
    kind, wanted = _one_of(asker.cell, "needle", ("domain", *KINDS)), variant(asker.cell, "fact", None)
    if kind != "domain":
        if asker.tier == "entity":
            raise UsageError(f"tier=entity needs needles of the domain; {kind} have no further attribute.")
        return [kind_fact("words", kind)] * count
    if wanted is not None:
        return [pick_template(asker.voice, rng, wanted)] * count
    shuffled = rng.sample(asker.voice.facts, len(asker.voice.facts))
    return [shuffled[index % len(shuffled)] for index in range(count)]


def _room(corpus: Corpus, cell: Cell, tokenizer: Tokenizer, forms: Sequence[Form], escape: bool) -> int:
    """About the tokens that the haystack will have."""
    examples = [form.fill(random.Random(0), corpus.voice.language).question for form in forms]
    rendered = frames(corpus.voice, tokenizer, examples, escape)
    return cell.length - max(tokenizer.count(before) + tokenizer.count(after) for before, after in rendered)


def _elsewhere(rng: random.Random, depth: float) -> float:
    """A depth that is not the needle's own: needles that belong together do not stand side by side."""
    at = rng.random() * (1 - 2 * _APART)
    return at + 2 * _APART if at > depth - _APART else at


def _inserts(
    questions: Sequence[Question],
    depths: Sequence[float],
    asked: int,
    distance: str,
    tier: str,
    present: bool,
    seed: str,
) -> tuple[list[Insert], list[int]]:
    """Everything that is put into the haystack, and the indices of what is asked about."""
    inserts: list[Insert] = []
    firsts: list[int] = []
    mine: list[int] = []
    for index, (question, depth) in enumerate(zip(questions, depths, strict=True)):
        firsts.append(len(inserts))
        rng = random.Random(f"{seed}:depths:{index}")
        for place, (text, value) in enumerate(zip(question.needles, question.values, strict=True)):
            at = depth if place == 0 else None if question.after else _elsewhere(rng, depth)
            if index == asked:
                mine.append(len(inserts))
            gap = question.after if place else 0
            inserts.append(
                Insert(text, value, at, "" if index == asked else "co-needle", needle=firsts[index], gap=gap)
            )
    if not present:
        inserts, firsts = [], [0] * len(questions)
    for index, question in enumerate(questions):
        own = tier if index == asked else "co-distractor"
        inserts += [Insert(f.needle, f.value, None, own, distance, firsts[index]) for f in question.distractors]
    return inserts, mine
