"""Markdown: what is Markdown already stays as it is; code goes into a fence."""

from __future__ import annotations

from longctx.types import Document
from longctx.writers.blocks import Code, blocks


def render(document: Document) -> bytes:
    """The document as a Markdown file."""
    parts = blocks(document)
    if len(parts) == 1 and isinstance(parts[0], Code):
        fence = "````" if "```" in parts[0].text else "```"
        return f"{fence}{parts[0].language}\n{parts[0].text}\n{fence}\n".encode()
    return document.text.encode()
