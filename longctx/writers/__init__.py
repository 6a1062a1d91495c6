"""Documents out: one small writer a format, the counterpart of the readers in `longctx.documents`.

What a writer writes, its reader gives back: the same words in the same order, and the cells of tables row by row.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from longctx.errors import UsageError, unknown
from longctx.types import Document


@dataclass(frozen=True, slots=True)
class Format:
    """A form in which documents can be written."""

    name: str
    suffix: str  # with its dot; empty: the document's own
    summary: str


FORMATS = {
    known.name: known
    for known in (
        Format("source", "", "as it was made, at its own path"),
        Format("txt", ".txt", "plain text, tables in columns"),
        Format("md", ".md", "Markdown"),
        Format("html", ".html", "a page that needs nothing from elsewhere"),
        Format("docx", ".docx", "Word, with real headings and tables"),
        Format("pdf", ".pdf", "A4 pages with a text layer"),
    )
}
"""Formats by name."""


def find_format(name: str) -> Format:
    """The format of that name.

    Raises:
        UsageError: none of that name; says which there are.
    """
    if name not in FORMATS:
        raise UsageError(unknown("format", name, FORMATS))
    return FORMATS[name]


def target(document: Document, form: Format) -> str:
    """Path of the written file, relative to the folder: ``a.md`` becomes ``a.pdf``, ``b.py`` becomes ``b.py.pdf``."""
    if not form.suffix:
        return document.path
    path = PurePosixPath(document.path)
    stem = path.with_suffix("") if document.format == "markdown" else path
    return f"{stem}{form.suffix}"


def write(document: Document, form: Format, folder: Path) -> Path:
    """Write a document into a folder and return where it stands.

    Raises:
        OSError: the folder cannot be written.
    """
    path = folder / target(document, form)
    path.parent.mkdir(parents=True, exist_ok=True)
    if form.name == "source":
        path.write_text(document.text, "utf-8")
    else:
        render: Callable[[Document], bytes] = importlib.import_module(f"longctx.writers.{form.name}").render
        path.write_bytes(render(document))
    return path
