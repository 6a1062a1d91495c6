"""A document as headings, paragraphs, tables and code: what every writer starts from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from longctx.types import Document

Look = Literal["", "bold", "italic", "code"]
_HEADING = re.compile(r"(#{1,6}) +(.*)")
_RULE = re.compile(r"\|(?: *:?-+:? *\|)+")
_MARKED = re.compile(r"\*\*(.+?)\*\*|`([^`]+)`")


@dataclass(frozen=True, slots=True)
class Run:
    """Characters of one look."""

    text: str
    look: Look = ""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; the title of a document has level 1."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Text in one piece; lines of it, where it has several, are the document's own."""

    runs: tuple[Run, ...]

    @property
    def text(self) -> str:
        """The characters alone."""
        return "".join(run.text for run in self.runs)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells, the head first; all rows have the same number of cells."""

    rows: tuple[tuple[str, ...], ...]
    right: tuple[bool, ...]  # columns that are set right


@dataclass(frozen=True, slots=True)
class Code:
    """Lines whose layout matters."""

    text: str
    language: str = ""


Block = Heading | Paragraph | Table | Code


def blocks(document: Document) -> list[Block]:
    """The parts of a document in order: Markdown is taken apart, code is one part, other text is paragraphs."""
    if document.format == "code":
        return [Code(document.text.strip("\n"), "python" if document.path.endswith(".py") else "")]
    parts = _parts(document.text)
    if document.format != "markdown":
        return [Paragraph((Run(part),)) for part in parts]
    return [_block(part) for part in parts]


def _parts(text: str) -> list[str]:
    """What stands between blank lines; a fenced block is one part whatever is in it."""
    parts: list[str] = []
    for piece in re.split(r"^(```[^\n]*\n.*?^```) *$", text, flags=re.MULTILINE | re.DOTALL):
        found = [piece] if piece.startswith("```") else re.split(r"\n(?:[ \t]*\n)+", piece)
        parts += [part.strip("\n") for part in found if part.strip()]
    return parts


def _block(part: str) -> Block:
    heading = _HEADING.fullmatch(part)
    if heading:
        return Heading(len(heading[1]), heading[2].strip())
    if part.startswith("```"):
        fence, *lines = part.split("\n")
        return Code("\n".join(lines[:-1]), fence.strip("` "))
    lines = part.split("\n")
    if len(lines) > 1 and part.startswith("|") and _RULE.fullmatch(lines[1].strip()):
        return _table(lines)
    return Paragraph(_runs(part))


def _table(lines: list[str]) -> Table:
    head, rule, *rows = [[cell.strip() for cell in line.strip()[1:-1].split("|")] for line in lines]
    cells = tuple(tuple(row[place] if place < len(row) else "" for place in range(len(head))) for row in (head, *rows))
    return Table(cells, tuple(cell.endswith(":") for cell in rule))


def _runs(text: str) -> tuple[Run, ...]:
    if re.fullmatch(r"\*[^*]+\*", text):
        return (Run(text[1:-1], "italic"),)
    runs: list[Run] = []
    at = 0
    for match in _MARKED.finditer(text):
        runs += [Run(text[at : match.start()])] * (match.start() > at)
        runs.append(Run(match[1], "bold") if match[1] else Run(match[2], "code"))
        at = match.end()
    return (*runs, *[Run(text[at:])] * (at < len(text)))
