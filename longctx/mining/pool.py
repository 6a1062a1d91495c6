"""What can be asked about in a corpus: mined once and kept by the corpus's content."""

from __future__ import annotations

import bisect
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import cache, lru_cache
from pathlib import Path

from longctx.content import cache_folder
from longctx.corpus import Corpus
from longctx.mining.durations import is_in_words
from longctx.mining.facts import MinedFact
from longctx.mining.finding import mine
from longctx.mining.index import count_in
from longctx.mining.table import read_csv
from longctx.scorers import normalise
from longctx.tokens import byte_offsets
from longctx.types import Document


def documents_of(corpus: Corpus) -> list[Document]:
    """The documents of a corpus as it holds them."""
    documents = []
    for stretch in corpus.documents:
        text = corpus.text[stretch.begin : stretch.end].tobytes().decode("utf-8")
        pages: tuple[int, ...] = tuple(page - stretch.begin for page in stretch.pages)
        to_bytes = byte_offsets(text)
        if to_bytes is not None:  # where each page begins, back in characters
            pages = tuple(bisect.bisect_left(to_bytes, page) for page in pages)
        documents.append(Document(stretch.path, text, stretch.format, pages))
    return documents


@lru_cache(maxsize=4)
def pool(corpus: Corpus) -> tuple[MinedFact, ...]:
    """Every fact of a corpus, those whose value stands elsewhere too included."""
    path = cache_folder("mined") / f"{corpus.hash[:32]}-{_rules()}.json"
    try:
        return tuple(MinedFact(**fact) for fact in json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError):  # not there, or damaged
        facts = tuple(mine(documents_of(corpus), edit=True))
    # Written beside, then moved into place: a reader sees a whole file or none.
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=".mining-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump([asdict(fact) for fact in facts], file)
    os.replace(beside, path)
    return facts


@cache
def _rules() -> str:
    """Names the rules by which facts are mined: other rules give other facts."""
    code = hashlib.sha256()
    for path in sorted(Path(__file__).parent.iterdir()):
        if path.suffix in (".py", ".toml"):
            code.update(path.read_bytes())
    return code.hexdigest()[:12]


@lru_cache(maxsize=16)
def kept(corpus: Corpus, path: Path, digest: str) -> tuple[MinedFact, ...]:
    """The facts of a table that a person went through, each with whether its value stands nowhere else.

    Args:
        corpus: whose facts they are.
        path: of the table.
        digest: of its content.

    Raises:
        UsageError: as `table.read_csv`.
    """
    mined = {(fact.id, fact.value): fact.unique for fact in pool(corpus)}
    stands = often(corpus)

    def once(fact: MinedFact) -> bool:
        known = mined.get((fact.id, fact.value))
        return stands(fact.value) == 1 and not is_in_words(fact.value) if known is None else known

    return tuple(replace(fact, unique=once(fact)) for fact in read_csv(path, documents_of(corpus)))


def often(corpus: Corpus) -> Callable[[str], int]:
    """How often a value stands in a corpus, as scorers compare; 2 means more than once."""
    text = _normalised(corpus)

    def count(value: str) -> int:
        value = normalise(value)
        return count_in(text, value, _places(value, text), 2)

    return count


def _places(value: str, text: str) -> Iterator[int]:
    at = text.find(value) if value else -1
    while at >= 0:
        yield at
        at = text.find(value, at + 1)


@lru_cache(maxsize=2)
def _normalised(corpus: Corpus) -> str:
    return "\n".join(normalise(document.text) for document in documents_of(corpus))
