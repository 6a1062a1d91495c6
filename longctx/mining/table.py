"""Mined facts as a table that a person goes through: written for a spreadsheet, and read back."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from longctx.documents import locate
from longctx.errors import UsageError, unknown
from longctx.mining.facts import KINDS, MinedFact, fact_id
from longctx.mining.passages import language_of
from longctx.mining.prose import PROSE_KINDS
from longctx.mining.rewritten import is_rewritten
from longctx.scorers import normalise, occurrences
from longctx.types import Document

COLUMNS = ("keep", "id", "kind", "question", "value", "file", "page", "line", "passage")
_NEEDED = tuple(column for column in COLUMNS if column not in ("page", "line"))
_ACTS = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for a formula, or skips before one
_YES, _NO = ("1", "1.0", "yes", "true", "wahr", "vrai"), ("0", "0.0", "no", "false", "falsch", "faux")
_LITERAL = re.compile(r"""(-?\b(?:0[xX][0-9a-fA-F]+|\d[\d.eE-]*))|"([^"\n]+)"|'([^'\n]+)'""")


def to_csv(facts: Iterable[MinedFact]) -> str:
    """The table as text, with a byte order mark: Excel takes it for another encoding without one."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for fact in facts:
        row = {column: getattr(fact, column, "") for column in COLUMNS} | {"keep": "1"}
        writer.writerow([_guard("" if row[column] is None else str(row[column])) for column in COLUMNS])
    return "\ufeff" + out.getvalue()


def _guard(cell: str) -> str:
    """A cell that a spreadsheet shows and does not execute: an apostrophe says that it is text.

    A cell that begins with an apostrophe gets one as well, so that taking one away always gives the cell back.
    """
    return "'" + cell if cell.startswith((*_ACTS, "'")) else cell


def _unguard(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith((*_ACTS, "'")) else cell


def read_csv(path: Path, documents: Sequence[Document]) -> list[MinedFact]:
    """The facts of a table that are to be kept, where they stand in the documents now.

    Rows that were deleted, or whose ``keep`` is 0, are left out; a reworded question is taken as it is.

    Raises:
        UsageError: no such file, an empty one, a missing column, an id given twice, a kind that does not exist, a
            question that is missing or tells its answer, a passage or value that is not in the documents any more.
    """
    by_path = {document.path: document for document in documents}
    facts: list[MinedFact] = []
    seen: dict[str, int] = {}
    for number, row in _rows(path):
        where = f"{path}, row {number} (id {row['id'] or 'missing'})"
        if not row["id"]:
            raise UsageError(f"{path}, row {number}: there is no id; possible is any short name that no other row has.")
        if row["id"] in seen:
            raise UsageError(f"{path}: id {row['id']!r} stands in row {seen[row['id']]} and in row {number}.")
        seen[row["id"]] = number
        keep = row["keep"].strip().lower()
        if keep not in (*_YES, *_NO):
            raise UsageError(f"{where}: keep is {row['keep']!r}; possible are 1 and 0.")
        if keep in _YES:
            facts.append(_fact(where, row, by_path))
    return facts


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Row numbers as a spreadsheet counts them, and cells by column."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"The facts file {path} cannot be read: {(error.strerror or str(error)).lower()}.") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8; save it as “CSV UTF-8”.") from None
    text = re.sub(r"\Asep=.\r?\n", "", text)  # which some spreadsheets write, and others want to read
    first = text.split("\n", 1)[0]
    # Excel separates by what the system's lists are separated by.
    separator = max(",;\t", key=first.count)
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=False))
    if not rows or not any(cell.strip() for cell in rows[0]):
        raise UsageError(f"{path} is empty; `longctx mine DOCS --out {path.name}` writes one.")
    header = [cell.strip().lower() for cell in rows[0]]
    if missing := [column for column in _NEEDED if column not in header]:
        raise UsageError(f"{path} lacks the column {', '.join(missing)}; it has {', '.join(header)}.")
    found = [
        (number, {name: _unguard(cell) for name, cell in zip(header, [*row, *[""] * len(header)], strict=False)})
        for number, row in enumerate(rows[1:], start=2)
        if any(cell.strip() for cell in row)
    ]
    if not found:
        raise UsageError(f"{path} has a header and no rows: every fact was struck out.")
    return found


def _fact(where: str, row: Mapping[str, str], documents: Mapping[str, Document]) -> MinedFact:
    kind, value, question = row["kind"].strip(), row["value"].strip(), row["question"].strip()
    if kind not in KINDS:
        raise UsageError(f"{where}: {unknown('kind of fact', kind, KINDS)}")
    if not question:
        raise UsageError(f"{where}: there is no question; strike the row out by `keep` 0 instead.")
    if row["file"] not in documents:
        raise UsageError(f"{where}: {row['file']} is not among the documents; mine them again.")
    document = documents[row["file"]]
    span = _find(row["passage"], document.text)
    if span is None:
        raise UsageError(f"{where}: its passage is no longer in {row['file']}; mine the documents again.")
    passage = document.text[span[0] : span[1]]
    value = _as_it_stood(row["id"], document.path, kind, passage, value)
    if passage.count(value) != 1 or not value or occurrences(normalise(value), normalise(passage)) != 1:
        raise UsageError(
            f"{where}: the value {value!r} must stand once in the passage, as it is written there; to ask about "
            "a changed value, run with edit=edited."
        )
    if occurrences(normalise(value), normalise(question)):
        raise UsageError(f"{where}: the question tells its answer, {value!r}.")
    place = locate(document, span[0])
    begin = len(document.text[: span[0]].encode())
    language = "code" if kind in ("constant", "signature") else language_of(passage) or "en"
    return MinedFact(
        id=row["id"],
        kind=kind,
        question=question,
        value=value,
        passage=passage,
        file=document.path,
        page=place.page,
        line=place.line,
        begin=begin,
        end=begin + len(passage.encode()),
        language=language,
    )


def _as_it_stood(fact: str, file: str, kind: str, passage: str, value: str) -> str:
    """The value as a person left it; what a spreadsheet made of it is taken back, by what the id was made with."""
    if passage.count(value) == 1 and occurrences(normalise(value), normalise(passage)) == 1:
        return value
    if kind in PROSE_KINDS:
        found = [passage[begin:end].rstrip(".") for begin, end in PROSE_KINDS[kind].find(passage)]
    else:
        found = [a or b or c for a, b, c in _LITERAL.findall(passage)]
    original = next((other for other in found if fact_id(file, kind, passage, other) == fact), None)
    return original if original is not None and is_rewritten(value, original) else value


def _find(passage: str, text: str) -> tuple[int, int] | None:
    """Where a passage stands, whatever a spreadsheet made of its line ends and blanks."""
    if (at := text.find(passage)) >= 0 and passage:
        return at, at + len(passage)
    words = passage.split()
    match = re.search(r"\s+".join(map(re.escape, words)), text) if words else None
    return match.span() if match else None
