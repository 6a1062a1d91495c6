"""DOCX: Word's own headings, tables and paragraphs; clause numbers are text, as in the document."""

from __future__ import annotations

import io
from datetime import datetime
from typing import Any

from longctx.types import Document
from longctx.writers.blocks import Block, Code, Heading, Paragraph, Run, Table, blocks

_MADE = datetime(2020, 1, 1)  # a time of its own in each file would make equal documents differ


def render(document: Document) -> bytes:
    """The document as a Word file."""
    import docx

    word = docx.Document()
    properties = word.core_properties
    properties.created = properties.modified = _MADE
    properties.author, properties.title, properties.comments = "longctx", document.path, ""
    _Writer(word).add_all(blocks(document))
    stream = io.BytesIO()
    word.save(stream)
    return stream.getvalue()


class _Writer:
    """Adds blocks to a Word document."""

    def __init__(self, word: Any) -> None:
        self.word = word
        names = [f"Heading {level}" for level in range(1, 7)]
        # A style given by its name is looked up among all styles each time, which takes half of the whole time.
        self.headings = [word.styles[name].style_id for name in names]
        self.grid = word.styles["Table Grid"].style_id

    def add_all(self, parts: list[Block]) -> None:
        for block in parts:
            match block:
                case Heading():
                    self.word.add_paragraph(block.text)._p.style = self.headings[block.level - 1]
                case Paragraph():
                    paragraph = self.word.add_paragraph()
                    for run in block.runs:
                        _run(paragraph, run)
                case Code():
                    _run(self.word.add_paragraph(), Run(block.text, "code"))
                case Table():
                    self.table(block)

    def table(self, block: Table) -> None:
        from docx.enum.text import WD_ALIGN_PARAGRAPH

        table = self.word.add_table(len(block.rows), len(block.right))
        table._tbl.tblStyle_val = self.grid
        # Asking for single cells has python-docx build its whole grid again each time.
        for row, texts in zip(table.rows, block.rows, strict=True):
            for cell, text, right in zip(row.cells, texts, block.right, strict=True):
                paragraph = cell.paragraphs[0]
                paragraph.add_run(text)
                if right:
                    paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT
        self.word.add_paragraph()  # tables that follow one another would become one


def _run(paragraph: Any, run: Run) -> None:
    from docx.shared import Pt

    added = paragraph.add_run(run.text)  # line feeds become line breaks
    if run.look == "bold":
        added.bold = True
    elif run.look == "italic":
        added.italic = True
    elif run.look == "code":
        added.font.name, added.font.size = "Courier New", Pt(8)
