"""Text as all other parts may rely on: plain newlines, no control characters, valid UTF-8."""

from __future__ import annotations

import re

_NEWLINES = ("\r\n", "\r", "\u0085", "\u2028", "\u2029")
_PAGE_BREAK = re.compile("(?<=[^\n])[\f\v](?=[^\n])")  # between two words it is the only separator
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SURROGATES = re.compile("[\ud800-\udfff]+")
_TRAILING = re.compile("[ \t\u00a0\u3000]+$", re.MULTILINE)
_GAPS = re.compile("\n{3,}")


def clean(text: str) -> str:
    """Newlines as line feeds; no NULs, control characters or lone surrogates; otherwise unchanged.

    Lines stay lines, so that line numbers are those of the file.
    """
    text = text.removeprefix("\ufeff")
    for newline in _NEWLINES:
        text = text.replace(newline, "\n")
    if "\f" in text or "\v" in text:
        text = _PAGE_BREAK.sub("\n", text)
    text = _CONTROLS.sub("", text)
    if _SURROGATES.search(text):  # two halves make one character; a lone half is no character
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")
    return text


def tidy(text: str) -> str:
    """`clean`, and for text whose layout is not the file's own: no trailing blanks, one blank line at most."""
    return _GAPS.sub("\n\n", _TRAILING.sub("", clean(text))).strip("\n")


def join_pages(pages: list[str]) -> tuple[str, tuple[int, ...]]:
    """Tidy pages into one text, with the offset at which each page begins.

    A page without text begins where the page before it ends.
    """
    parts: list[str] = []
    offsets: list[int] = []
    length = 0
    for page in map(tidy, pages):
        if page and parts:
            parts.append("\n\n")
            length += 2
        offsets.append(length)
        if page:
            parts.append(page)
            length += len(page)
    return "".join(parts), tuple(offsets)
