"""Facts in running text: one question for each value of a kind that a sentence holds alone."""

from __future__ import annotations

from collections.abc import Iterator

from longctx.mining import amounts, dates, durations, parties, percentages, sections, terms
from longctx.mining._pattern import Kind
from longctx.mining.index import Index
from longctx.mining.passages import language_of, sentences
from longctx.mining.questions import ask, cloze, definition, tidy
from longctx.types import Document

PROSE_KINDS: dict[str, Kind] = {
    module.KIND.name: module.KIND for module in (amounts, dates, durations, parties, percentages, sections, terms)
}
_LEAST_WORDS = 12  # around a blank
_SHARE, _RUNS = 0.6, 6  # of the runs of words around a blank that stand nowhere else, and how many at least


def find(document: Document, index: Index) -> Iterator[tuple[str, str, str, tuple[int, int], str]]:
    """Kind, value, question, passage (in characters) and language of every fact in a document's sentences."""
    for begin, end in sentences(document):
        sentence = document.text[begin:end]
        language = ""
        for name, kind in PROSE_KINDS.items():
            places = list(kind.find(sentence))
            if not places:
                continue
            language = language or language_of(sentence)
            if not language:
                break
            for place in places:
                if made := _ask(kind, sentence, place, language, index):
                    yield name, made[0], made[1], (begin, end), language
                    break


def _ask(kind: Kind, sentence: str, place: tuple[int, int], language: str, index: Index) -> tuple[str, str] | None:
    """Value and question; None where no good one can be asked."""
    begin, end = place
    value = sentence[begin:end].rstrip(".")
    if "\n" in value or sentence.count(value) != 1:
        return None
    rest = kind.rest(sentence, begin, end)
    if rest is not None:
        told = definition(rest)
        question, around = ask("definition", language, rest=told), told.rstrip(" …")
    else:
        text, before, behind = cloze(sentence, begin, end)
        question, around = ask(kind.name, language, cloze=tidy(text)), before + " " + behind
        if language != "zh" and len(around.split()) < _LEAST_WORDS or len(around) < 16:
            return None
        around = max(before, behind, key=len)
    rare, runs = index.rare(around)
    if rare < max(_RUNS, _SHARE * runs) or index.count(around.strip(" ,;:(")) != 1:
        return None
    return value, question
