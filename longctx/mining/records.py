"""Labelled fields at the head of a record, such as a ticket or a message: a title, then "Created: 4 March 2031"."""

from __future__ import annotations

import re
from collections.abc import Iterator

from longctx.mining.index import Index
from longctx.mining.passages import language_of
from longctx.mining.prose import PROSE_KINDS
from longctx.mining.questions import ask
from longctx.types import Document

_FIELD = re.compile(r"(?P<label>[^\W\d_][\w /-]{2,30}):[ \t]+(?P<value>\S.*?)\s*$")
_LEAST_FIELDS = 3
_HEAD_LINES = 30


def find(document: Document, index: Index) -> Iterator[tuple[str, str, str, tuple[int, int], str]]:
    """Kind, value, question, passage (in characters) and language of every dated or counted field."""
    lines = document.text.split("\n", _HEAD_LINES)[:_HEAD_LINES]
    title = lines[0].strip(" #*\r")
    fields: list[re.Match[str]] = []
    begin = end = len(lines[0]) + 1
    for line in lines[1:]:
        if match := _FIELD.match(line):
            fields.append(match)
            end = begin + len(line.rstrip())
        elif line.strip() or len(fields) > 1:
            break
        begin += len(line) + 1
    if len(fields) < _LEAST_FIELDS or not 3 <= len(title.split()) <= 25 or index.count(title) != 1:
        return
    passage = (document.text.index(title), end)
    for name in ("date", "amount", "duration", "percentage"):
        for field in fields:
            value = field["value"].rstrip(".")
            whole = list(PROSE_KINDS[name].find(value)) == [(0, len(value))]
            if whole and document.text[passage[0] : end].count(value) == 1:
                language = language_of(document.text[:2000]) or "en"
                yield name, value, ask("field", language, title=title, field=field["label"]), passage, language
