"""HTML: one page that needs nothing from elsewhere."""

from __future__ import annotations

from html import escape

from longctx.types import Document
from longctx.writers.blocks import Block, Code, Heading, Paragraph, Run, Table, blocks

_STYLE = (
    "body{font:16px/1.5 Georgia,serif;max-width:46em;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse}td,th{border:1px solid #aaa;padding:.2em .6em;text-align:left}"
    "td.right,th.right{text-align:right}pre{font-size:13px;overflow-x:auto;background:#f6f6f6;padding:.6em}"
)
_RIGHT = ' class="right"'
_TAGS = {"bold": "strong", "italic": "em", "code": "code"}


def render(document: Document) -> bytes:
    """The document as a page in UTF-8."""
    parts = blocks(document)
    title = next((part.text for part in parts if isinstance(part, Heading)), document.path)
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        f'<head><meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style></head>',
        "<body>",
        *map(_element, parts),
        "</body>",
        "</html>",
        "",
    ]
    return "\n".join(lines).encode()


def _element(block: Block) -> str:
    match block:
        case Heading():
            return f"<h{block.level}>{escape(block.text)}</h{block.level}>"
        case Paragraph():
            return f"<p>{''.join(map(_inline, block.runs))}</p>".replace("\n", "<br>\n")
        case Code():
            return f"<pre>\n{escape(block.text, quote=False)}\n</pre>"
        case Table():
            return "\n".join(["<table>", *_rows(block), "</table>"])


def _inline(run: Run) -> str:
    text = escape(run.text, quote=False)
    return f"<{_TAGS[run.look]}>{text}</{_TAGS[run.look]}>" if run.look else text


def _rows(table: Table) -> list[str]:
    rows = []
    for place, row in enumerate(table.rows):
        tag = "td" if place else "th"
        cells = [
            f"<{tag}{_RIGHT if right else ''}>{escape(cell, quote=False)}</{tag}>"
            for cell, right in zip(row, table.right, strict=True)
        ]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return rows
