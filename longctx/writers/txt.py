"""Plain text: what a document says, without marks; tables in columns."""

from __future__ import annotations

from longctx.types import Document
from longctx.writers.blocks import Block, Code, Heading, Paragraph, Table, blocks


def render(document: Document) -> bytes:
    """The document as UTF-8 text."""
    return plain(document).encode()


def plain(document: Document) -> str:
    """The document as text: a blank line between its parts."""
    return "\n\n".join(_text(block) for block in blocks(document)) + "\n"


def _text(block: Block) -> str:
    match block:
        case Heading() | Paragraph() | Code():
            return block.text
        case Table():
            return _columns(block)


def _columns(table: Table) -> str:
    widths = [max(len(row[place]) for row in table.rows) for place in range(len(table.right))]
    lines = []
    for row in table.rows:
        cells = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, table.right, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(line for line in lines if line)
