"""Needles that belong to the documents: facts that stand in them, asked about as they are or with another value.

Follows the needle-in-a-haystack test (G. Kamradt, 2023) in what is varied; the needle is no sentence that was written
for the test but one of the documents' own, moved to the asked depth. Its value, left as it is, may be known to a model
from its training; changed in place, it cannot be.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from longctx.corpus import Corpus
from longctx.errors import ImpossibleSample, UsageError, unknown
from longctx.exact import Insert
from longctx.mining import KINDS, MinedFact, edit
from longctx.mining.pool import kept, often, pool
from longctx.samples import facts_seed, inserted_sample, variant
from longctx.tasks import task
from longctx.tokens import Tokenizer
from longctx.types import Cell, Sample

from ._mined_reading import read_mined

_DRAWS = 12  # times that other facts are drawn when one cannot be used
_EDITS = ("none", "edited")
_VARIANTS = {
    "edit": "none (default): the fact as it stands; edited: its value changed to one that stands nowhere",
    "kind": f"kind of fact to ask about, one of {', '.join(KINDS)}; drawn by seed where it is not given",
    "facts": "table of facts that was written by `longctx mine` and gone through; all facts where it is not given",
    "escape": "true: the prompt says what to answer where the documents do not state the fact",
}


@dataclass(frozen=True, slots=True)
class _Asked:
    """A fact as the haystack states it, and as its document does."""

    fact: MinedFact
    original: MinedFact
    place: tuple[int, int]  # bytes of the corpus that the passage takes up


@task("mined", scorer="includes", shares_haystack=True, variants=_VARIANTS, density=False, reader=read_mined)
def mined(corpus: Corpus, cell: Cell, tokenizer: Tokenizer) -> Sample:
    """A fact of the documents themselves, moved to a given depth, as it stands or with a changed value.

    The passage that holds it stands nowhere else in the haystack. The question is about words that stand once in all
    documents, and so does the value, or nowhere in them where it was changed.

    Example:
        … The Landlord shall return the deposit within 45 days after the keys are handed over. …
        Question: Which length of time stands in the blank: “The Landlord shall return the deposit within ____ after the
        keys are handed over”?
        Target: 45 days
    """
    depths = cell.depths_together or (cell.depth or 0.0,)
    asked = depths.index(cell.depth or 0.0)
    facts = _draw(corpus, cell)
    for _ in range(_DRAWS):
        chosen = [found for _, found in zip(depths, facts, strict=False)]
        if len(chosen) < len(depths):
            break
        sample = _sample(corpus, cell, tokenizer, chosen, depths, asked)
        if sample is not None:
            return sample
    raise _nothing_left(corpus, cell, len(depths))


def _sample(
    corpus: Corpus, cell: Cell, tokenizer: Tokenizer, chosen: Sequence[_Asked], depths: Sequence[float], asked: int
) -> Sample | None:
    fact, original = chosen[asked].fact, chosen[asked].original
    table = variant(cell, "facts", "")
    cut = int(np.searchsorted(corpus.cut_begin, chosen[asked].place[0], side="right")) - 1
    return inserted_sample(
        corpus,
        cell,
        tokenizer,
        question=fact.question,
        target=fact.value,
        scorer="includes",
        inserts=[
            Insert(each.fact.passage, each.fact.value, depth, "" if index == asked else "co-needle")
            for index, (each, depth) in enumerate(zip(chosen, depths, strict=True))
        ],
        asked=[asked],
        unique=[each.fact.value for each in chosen],
        questions=[each.fact.question for each in chosen],
        escape=bool(variant(cell, "escape", False)),
        host=corpus.section_at(cut),
        exclude=[each.place for each in chosen],
        extra={
            "mined": {
                "id": fact.id,
                "kind": fact.kind,
                "file": fact.file,
                "page": fact.page,
                "line": fact.line,
                "edited": fact.value != original.value,
                "original": original.value,
                **({"facts": _digest(Path(str(table)))} if table else {}),
            }
        },
    )


def _draw(corpus: Corpus, cell: Cell) -> Iterator[_Asked]:
    """Facts in an order that follows from the seed alone, so that it is the same at every length and depth.

    Kinds take turns: where most facts of a corpus are dates, questions are about other things too.
    """
    seed, edited = facts_seed(cell), _edited(cell)
    count = often(corpus) if edited else None
    begins = {stretch.path: stretch.begin for stretch in corpus.documents}
    taken: list[tuple[int, int]] = []
    for original in _in_turn(_facts(corpus, cell), seed):
        fact = edit(original, seed, lambda value: bool(count and count(value))) if edited else original
        place = (begins[original.file] + original.begin, begins[original.file] + original.end)
        if fact is None or any(place[0] < end and begin < place[1] for begin, end in taken):
            continue
        taken.append(place)
        yield _Asked(fact, original, place)


def _in_turn(facts: Sequence[MinedFact], seed: str) -> list[MinedFact]:
    def rank(word: str) -> str:
        return hashlib.sha256(f"{seed}:{word}".encode()).hexdigest()

    groups: dict[str, list[MinedFact]] = {}
    for fact in sorted(facts, key=lambda fact: rank(fact.id)):
        groups.setdefault(fact.kind, []).append(fact)
    turns = [(turn, rank(kind), fact) for kind, group in groups.items() for turn, fact in enumerate(group)]
    return [fact for _, _, fact in sorted(turns, key=lambda item: item[:2])]


def _facts(corpus: Corpus, cell: Cell) -> list[MinedFact]:
    """What may be asked about: mined or kept by a person, of the wanted kind, and unique if it is not edited."""
    kind, table = variant(cell, "kind", None), variant(cell, "facts", "")
    if kind is not None and kind not in KINDS:
        raise UsageError(unknown("kind of fact", str(kind), KINDS))
    facts = kept(corpus, Path(str(table)), _digest(Path(str(table)))) if table else pool(corpus)
    return [fact for fact in facts if kind in (None, fact.kind) and (fact.unique or _edited(cell))]


def _digest(path: Path) -> str:
    """SHA-256 of a table, which may change while its name stays."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError:
        return ""  # reading it says why


def _edited(cell: Cell) -> bool:
    value = str(variant(cell, "edit", _EDITS[0]))
    if value not in _EDITS:
        raise UsageError(unknown("edit", value, _EDITS))
    return value == "edited"


def _nothing_left(corpus: Corpus, cell: Cell, wanted: int) -> ImpossibleSample:
    kind, table = variant(cell, "kind", None), variant(cell, "facts", "")
    looked = kind or f"kinds {', '.join(KINDS)}"
    where = f"the facts that {table} keeps" if table else f"the documents of corpus {corpus.name!r}"
    facts = _facts(corpus, cell)
    advice = ["name documents with more running text or code"]
    if not _edited(cell):
        advice.insert(0, "ask with edit=edited, which needs no value that stands only once")
    if kind is not None:
        advice.insert(0, "ask for another kind")
    return ImpossibleSample(
        f"{wanted} {'fact is' if wanted == 1 else 'facts are'} needed, and {where} have {len(facts):,} that can be "
        f"asked about ({looked}; edit={'edited' if _edited(cell) else 'none'}): {', or '.join(advice)}."
    )
