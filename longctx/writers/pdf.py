"""PDF: A4 pages with a text layer in reading order.

Cells never wrap: a reader that goes along the lines of a page could not tell the second line of one cell from that of
its neighbour. Rows that are too wide for the page are set with each cell on lines of its own. Page numbers are
drawn as shapes, so that they do not stand between two lines of the text.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import groupby
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib.colors import grey
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.platypus import Paragraph as Text
from reportlab.platypus import Preformatted, SimpleDocTemplate, Spacer
from reportlab.platypus import Table as Grid

from longctx.errors import UsageError
from longctx.types import Document
from longctx.writers.blocks import Block, Code, Heading, Paragraph, Run, Table, blocks

_MARGIN = 62.0  # points
_WIDTH = A4[0] - 2 * _MARGIN
_GAP = 0.85  # em to either side of a cell; readers take less than 1.5 em between two cells for a blank
_SIZES = (9.0, 8.0, 7.0, 6.0)  # of the letters in a table, the first in which it fits
_CODE_SIZE = 7.5
_CODE_COLUMNS = int(_WIDTH / (0.6 * _CODE_SIZE))
_BODY = ParagraphStyle("body", fontName="Times-Roman", fontSize=10.5, leading=13.5, spaceAfter=7)
_CODE = ParagraphStyle("code", fontName="Courier", fontSize=_CODE_SIZE, leading=9.5)
_CELL = ParagraphStyle("cell", parent=_BODY, fontName="Helvetica", fontSize=8, leading=10, spaceAfter=0)
_HEADINGS = [
    ParagraphStyle(f"heading {level}", parent=_BODY, fontName="Helvetica-Bold", fontSize=size, leading=1.25 * size,
                   spaceBefore=size / 2, keepWithNext=True)
    for level, size in enumerate((17, 13, 11, 10.5, 10.5, 10.5), 1)
]  # fmt: skip
_TAGS = {"bold": ("<b>", "</b>"), "italic": ("<i>", "</i>"), "code": ('<font face="Courier">', "</font>")}


def render(document: Document) -> bytes:
    """The document as a PDF; the same bytes for the same document."""
    _check(document)
    stream = io.BytesIO()
    parts = blocks(document)
    title = next((part.text for part in parts if isinstance(part, Heading)), document.path)
    template = SimpleDocTemplate(
        stream, pagesize=A4, leftMargin=_MARGIN, rightMargin=_MARGIN, topMargin=_MARGIN, bottomMargin=_MARGIN,
        title=title, author="longctx", invariant=1,
    )  # fmt: skip
    story = [flowable for part in parts for flowable in _flowables(part)]
    template.build(story, onFirstPage=_number, onLaterPages=_number)
    return stream.getvalue()


def _check(document: Document) -> None:
    try:
        document.text.encode("cp1252")
    except UnicodeEncodeError as error:
        raise UsageError(
            f"{document.path} holds {document.text[error.start]!r}, which the fonts that every PDF viewer has lack; "
            "possible are txt, md, html and docx."
        ) from None


def _flowables(block: Block) -> Iterator[Any]:
    match block:
        case Heading():
            yield Text(escape(block.text), _HEADINGS[block.level - 1])
        case Paragraph():
            yield Text("".join(map(_inline, block.runs)).replace("\n", "<br/>"), _BODY)
        case Code():
            lines = [piece for line in block.text.split("\n") for piece in _broken(line.expandtabs())]
            for start in range(0, len(lines), 40):  # one block would be laid out anew for every page
                yield Preformatted("\n".join(lines[start : start + 40]), _CODE)
            yield Spacer(0, 7)
        case Table():
            yield from _table(block)


def _inline(run: Run) -> str:
    before, after = _TAGS[run.look] if run.look else ("", "")
    return f"{before}{escape(run.text)}{after}"


def _broken(line: str) -> Iterator[str]:
    """Pieces of a line of code that fit into the page, broken at blanks; what follows is indented further."""
    indent = " " * (len(line) - len(line.lstrip()) + 4)
    while len(line) > _CODE_COLUMNS:
        cut = line.rfind(" ", len(indent) + 1, _CODE_COLUMNS)
        if cut < 0:
            break
        yield line[:cut]
        line = indent + line[cut + 1 :].lstrip()
    yield line


def _table(block: Table) -> Iterator[Any]:
    size = next((size for size in _SIZES if sum(_widths(block.rows, size)) <= _WIDTH), _SIZES[1])
    fitting = list(block.rows)
    while fitting and sum(_widths(fitting, size)) > _WIDTH:
        fitting.remove(max(fitting, key=lambda row: max(map(len, row))))
    widths = _widths(fitting, size) if fitting else []
    for fits, rows in groupby(block.rows, key=fitting.__contains__):
        if fits:
            yield _grid(list(rows), block, widths, size)
        else:
            yield from (Text(escape(cell), _CELL) for row in rows for cell in filter(None, row))
    yield Spacer(0, 9)


def _widths(rows: Sequence[tuple[str, ...]], size: float) -> list[float]:
    """Width of each column; measured in bold, as the head is."""
    return [max(_width(cell, size) for cell in column) + 2 * _GAP * size for column in zip(*rows, strict=True)]


def _grid(rows: list[tuple[str, ...]], block: Table, widths: list[float], size: float) -> Any:
    style: list[tuple[Any, ...]] = [
        ("FONT", (0, 0), (-1, -1), "Helvetica", size, 1.2 * size),
        ("LEFTPADDING", (0, 0), (-1, -1), _GAP * size),
        ("RIGHTPADDING", (0, 0), (-1, -1), _GAP * size),
        ("LINEBELOW", (0, 0), (-1, -1), 0.25, grey),
    ]
    style += [("FONT", (0, 0), (-1, 0), "Helvetica-Bold", size, 1.2 * size)] * (rows[0] is block.rows[0])
    style += [("ALIGN", (place, 0), (place, -1), "RIGHT") for place, right in enumerate(block.right) if right]
    return Grid(rows, colWidths=widths, style=style, hAlign="LEFT")


@cache
def _width(text: str, size: float) -> float:
    return float(stringWidth(text, "Helvetica-Bold", size))


def _number(canvas: Any, template: Any) -> None:
    """Draw the page's number below the text."""
    outline, width = _outline(str(canvas.getPageNumber()))
    canvas.saveState()
    canvas.translate((A4[0] - width) / 2, _MARGIN / 2)
    path = canvas.beginPath()
    for operator, points in outline:
        getattr(path, operator)(*points)
    canvas.drawPath(path, stroke=0, fill=1)
    canvas.restoreState()


@cache
def _outline(text: str) -> tuple[list[tuple[str, tuple[float, ...]]], float]:
    """A short text as shapes, with its width in points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.path import Path
    from matplotlib.textpath import TextPath

    made = TextPath((0, 0), text, size=9, prop=FontProperties(family="DejaVu Serif"))
    outline: list[tuple[str, tuple[float, ...]]] = []
    at = (0.0, 0.0)
    for points, code in made.iter_segments():
        p = [float(value) for value in points]
        if code == Path.MOVETO:
            outline.append(("moveTo", (*p,)))
        elif code == Path.LINETO:
            outline.append(("lineTo", (*p,)))
        elif code == Path.CURVE3:  # PDF has cubic curves only
            (x0, y0), (x1, y1, x2, y2) = at, p
            third = (x0 + 2 * (x1 - x0) / 3, y0 + 2 * (y1 - y0) / 3, x2 + 2 * (x1 - x2) / 3, y2 + 2 * (y1 - y2) / 3)
            outline.append(("curveTo", (*third, x2, y2)))
        elif code == Path.CLOSEPOLY:
            outline.append(("close", ()))
        at = (p[-2], p[-1])
    return outline, float(made.get_extents().x1)
