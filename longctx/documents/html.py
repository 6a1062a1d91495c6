"""HTML: the text that a browser would show, tables row by row."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lxml import etree

from longctx.documents.base import Extract, Unreadable
from longctx.documents.encoding import decode
from longctx.documents.symbols import letters, pictured, raised, roman
from longctx.documents.tables import row_text

_DROPPED = {"script", "style", "template", "noscript", "head", "nav", "svg", "iframe", "object", "canvas", "audio"}
_DROPPED |= {"video", "select", "button", "datalist", "ix:header", "ix:hidden", "map"}
_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
_INLINE = {"font", "span", "sup"}
_PARAGRAPHS = {"p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "ul", "ol", "dl", "table", "hr", "figure"}
_BLOCKS = {"div", "li", "dt", "dd", "section", "article", "main", "header", "footer", "aside", "address", "center"}
_BLOCKS |= {"form", "fieldset", "legend", "figcaption", "caption", "details", "summary", "body", "html", "tr", "title"}
_SYMBOL_FONT = re.compile(r"\b(?:wingdings(?: 2)?|symbol)\b", re.I)
_RAISED = re.compile(r"vertical-align\s*:\s*(?:super|top)|\btop\s*:\s*-", re.I)
_HIDDEN = re.compile(r"(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.I)
_SPACES = re.compile("[ \t\n\r\f\u00a0]+")
_MARKUP = re.compile(r"<(?:div|p|br|td|li|h[1-6]|pre)\b", re.I)
_PARAGRAPH_LENGTH = 80  # characters; a <div> with more is a paragraph, with less a line of an address or a title


def read(data: bytes, charset: str = "") -> Extract:
    """Text of an HTML file.

    Scripts, styles, navigation, form controls, hidden elements and the hidden header of inline XBRL
    are dropped. Blanks run together, no-break spaces included, which filings use for layout; in
    ``<pre>`` they stay.

    Args:
        data: the file.
        charset: encoding that a mail header names, if any.

    Raises:
        Unreadable: it is not text.
    """
    decoded = decode(data, charset)
    if decoded is None:
        raise Unreadable("binary data, or text in an unknown encoding")
    text, note = decoded
    if not text.strip():
        raise Unreadable("no text in it")
    # With next to no block markup the lines are the author's own (old filings wrapped into a page later on).
    writer = _Writer(preformatted=len(_MARKUP.findall(text)) <= 2 and text.count("\n") > 20)
    # The event interface has no limit of depth; libxml2's tree stops at 2,048 levels and loses the rest.
    parser = etree.HTMLParser(encoding="utf-8", target=writer, huge_tree=True)  # type: ignore[arg-type]
    parser.feed(text.replace("\0", "").encode("utf-8", "ignore"))
    parser.close()
    return Extract(writer.close(), (note,) if note else ())


class _Writer:
    """Receives the parser's events, writes lines. Cells and list items nest, so output is a stack of buffers."""

    def __init__(self, preformatted: bool) -> None:
        self.buffers: list[_Buffer] = [_Buffer()]
        self.rows: list[list[str]] = []  # the row being read, for each open table
        self.lists: list[tuple[str, int]] = []  # kind of numbering and next number, for each open list
        self.dropped: list[str] = []  # open elements since the first that is dropped
        self.pre = int(preformatted)
        self.looks: list[tuple[str, bool]] = [("", False)]  # symbol font and whether raised, of open inline elements

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if self.dropped or tag in _DROPPED or _hidden(attributes):
            if tag not in _VOID:
                self.dropped.append(tag)
        elif tag == "br":
            self.buffers[-1].newline()
        elif tag in ("td", "th"):
            self.buffers.append(_Buffer())
        elif tag == "tr":
            self.buffers[-1].end_line()
            self.rows.append([])
        else:
            self._open(tag, attributes)

    def _open(self, tag: str, attributes: Mapping[str, str]) -> None:
        buffer = self.buffers[-1]
        if tag in _PARAGRAPHS:
            buffer.end_paragraph()
        elif tag in _BLOCKS:
            buffer.end_line()
        if tag in _INLINE:
            style = attributes.get("style", "") + attributes.get("face", "")
            font = _SYMBOL_FONT.search(style)
            self.looks.append((font[0] if font else "", tag == "sup" or bool(_RAISED.search(style))))
        elif tag == "pre":
            self.pre += 1
        elif tag in ("ul", "ol"):
            start = attributes.get("start", "1")
            kind = attributes.get("type", "1") if tag == "ol" else ""
            self.lists.append((kind, int(start) if start.isdecimal() and len(start) < 9 else 1))
        elif tag == "li" and self.lists:
            kind, number = self.lists[-1]
            self.lists[-1] = (kind, number + 1)
            buffer.add(f"{_numbered(number, kind)}. " if kind else "- ")

    def end(self, tag: str) -> None:
        if self.dropped:
            if tag in self.dropped:
                del self.dropped[len(self.dropped) - 1 - self.dropped[::-1].index(tag) :]
            return
        if tag in ("td", "th"):
            if len(self.buffers) > 1:
                cell = self.buffers.pop().text()
                if self.rows:
                    self.rows[-1].append(cell)
                else:
                    self.buffers[-1].block(cell)
        elif tag == "tr":
            if self.rows:
                self.buffers[-1].block(row_text(self.rows.pop()))
        elif tag in _INLINE:
            if len(self.looks) > 1:
                self.looks.pop()
        elif tag in _PARAGRAPHS:
            self.pre -= tag == "pre"
            if tag in ("ul", "ol") and self.lists:
                self.lists.pop()
            self.buffers[-1].end_paragraph()
        elif tag in _BLOCKS:
            long = tag == "div" and self.buffers[-1].width() > _PARAGRAPH_LENGTH
            self.buffers[-1].end_paragraph() if long else self.buffers[-1].end_line()

    def data(self, text: str) -> None:
        if self.dropped:
            return
        if self.pre > 0:
            self.buffers[-1].verbatim(text)
            return
        font, is_raised = self.looks[-1]
        text = pictured(_SPACES.sub(" ", text.replace("\u00ad", "")), font)
        self.buffers[-1].add(raised(text) if is_raised else text)

    def close(self) -> str:
        while len(self.buffers) > 1:  # a file cut off inside a table
            cell = self.buffers.pop().text()
            self.buffers[-1].block(cell)
        return self.buffers[0].text()


class _Buffer:
    """Lines under way. A break is only remembered until text follows, so that breaks do not add up."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.line: list[str] = []
        self.gap = False  # a blank line is due before the next text

    def add(self, text: str) -> None:
        if not self.line:
            text = text.lstrip(" ")
        elif text.startswith(" ") and self.line[-1].endswith(" "):
            text = text[1:]
        if text:
            self.line.append(text)

    def verbatim(self, text: str) -> None:
        first, *rest = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        if first:
            self.line.append(first)
        for part in rest:
            self.newline(strip=False)
            if part:
                self.line.append(part)

    def block(self, text: str) -> None:
        self.end_line()
        if text:
            self._flush(text)

    def newline(self, strip: bool = True) -> None:
        line = "".join(self.line)
        self.line = []
        self._flush(line.strip(" ") if strip else line)

    def end_line(self) -> None:
        if self.line:
            self.newline(strip=False)

    def end_paragraph(self) -> None:
        self.end_line()
        self.gap = bool(self.lines)

    def width(self) -> int:
        return sum(map(len, self.line)) or (len(self.lines[-1]) if self.lines else 0)

    def text(self) -> str:
        self.end_line()
        return "\n".join(self.lines)

    def _flush(self, line: str) -> None:
        if self.gap and line.strip():
            self.lines.append("")
            self.gap = False
        self.lines.append(line)


def _hidden(attributes: Mapping[str, str]) -> bool:
    return "hidden" in attributes or bool(_HIDDEN.search(attributes.get("style", "")))


def _numbered(number: int, kind: str) -> str:
    """A list number; kind as the attribute ``type`` of ``<ol>`` names them."""
    if kind in ("a", "A"):
        return letters(number) if kind == "a" else letters(number).upper()
    if kind in ("i", "I"):
        return roman(number) if kind == "i" else roman(number).upper()
    return str(number)
