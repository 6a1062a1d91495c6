"""Everything that can be asked about in a set of documents."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from longctx.documents import locate
from longctx.errors import UsageError, unknown
from longctx.mining import constants, durations, prose, records, signatures
from longctx.mining.facts import KINDS, MinedFact, fact_id
from longctx.mining.giveaways import tells
from longctx.mining.index import Index
from longctx.scorers import normalise, occurrences
from longctx.types import Document

_NO_PROSE = ("code", "json", "csv")
Progress = Callable[[str, int, int], None]  # what is being done, done, total


def mine(
    documents: Sequence[Document],
    kinds: Collection[str] = KINDS,
    *,
    edit: bool = False,
    progress: Progress | None = None,
) -> list[MinedFact]:
    """Facts that only one place of the documents answers, in the order of the documents.

    Args:
        documents: all that a haystack may be made from: what names a fact's place stands once in all of them.
        kinds: which to look for, of `facts.KINDS`.
        edit: also facts whose value stands elsewhere as well, so that they can be asked about once it is changed.
        progress: called while documents are searched.

    Raises:
        UsageError: a kind that does not exist.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise UsageError(unknown("kind of fact", kind, KINDS))
    index = Index(document.text for document in documents)
    names = constants.defined_once(document.text for document in documents)
    functions = signatures.defined_once(document.text for document in documents)
    facts: list[MinedFact] = []
    seen: set[str] = set()
    for number, document in enumerate(documents):
        for kind, value, question, (begin, end), language in _found(document, index, names, functions):
            if kind in kinds and (fact := _fact(document, kind, value, question, begin, end, language, index)):
                if fact.id not in seen and (edit or fact.unique):
                    facts.append(fact)
                seen.add(fact.id)
        if progress:
            progress("mining", number + 1, len(documents))
    return facts


def _found(
    document: Document, index: Index, names: frozenset[str], functions: frozenset[str]
) -> Iterator[tuple[str, str, str, tuple[int, int], str]]:
    if document.format not in _NO_PROSE:
        yield from records.find(document, index)
        yield from prose.find(document, index)
    if document.format in ("code", "json"):
        for kind, found, once in (
            ("constant", constants.find(document), names),
            ("signature", signatures.find(document), functions),
        ):
            for fact in found:
                if fact.key in once:
                    yield kind, fact.value, fact.question, (fact.begin, fact.end), "code"


def _fact(
    document: Document, kind: str, value: str, question: str, begin: int, end: int, language: str, index: Index
) -> MinedFact | None:
    """The fact, if its value stands once in its passage, and nothing around it tells the value."""
    passage = document.text[begin:end]
    bare = normalise(value)
    if passage.count(value) != 1 or occurrences(bare, normalise(passage)) != 1:
        return None
    if occurrences(bare, normalise(question)) or tells(kind, value, passage, question):
        return None
    place = locate(document, begin)
    offset = len(document.text[:begin].encode())
    return MinedFact(
        id=fact_id(document.path, kind, passage, value),
        kind=kind,
        question=question,
        value=value,
        passage=passage,
        file=document.path,
        page=place.page,
        line=place.line,
        begin=offset,
        end=offset + len(passage.encode()),
        language=language,
        unique=not durations.is_in_words(value) and index.count(value) == 1,
    )
