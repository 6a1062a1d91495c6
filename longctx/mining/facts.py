"""What mining finds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

KINDS = ("amount", "constant", "date", "duration", "party", "percentage", "section", "signature", "term")


@dataclass(frozen=True, slots=True)
class MinedFact:
    """A fact that stands in a document, with a question that only its place answers."""

    id: str  # short and stable: of file, kind, passage and value
    kind: str  # one of KINDS
    question: str
    value: str  # as it stands in the passage
    passage: str  # the sentence, definition or record that holds it, as it stands in the document
    file: str
    page: int | None  # 1-based; None where the format has no pages
    line: int | None  # 1-based; None where the format has pages instead
    begin: int  # byte of the passage in its document
    end: int  # behind its last byte
    language: str  # two letters; "code" for source code
    unique: bool = True  # the value stands nowhere else in the documents, so that it can be asked about as it is


def fact_id(file: str, kind: str, passage: str, value: str) -> str:
    """A short name that stays while the passage stays; a letter comes first, or spreadsheets take it for a number."""
    return "f" + hashlib.sha256("\0".join((file, kind, passage, value)).encode()).hexdigest()[:9]
