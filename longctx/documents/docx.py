"""DOCX: what Word would show with all tracked changes accepted."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any

from longctx.documents.base import Extract, Limits, Unreadable, one_line, size
from longctx.documents.docx_numbers import VAL, Numbers, W
from longctx.documents.symbols import pictured, raised, roman
from longctx.documents.tables import row_text

_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_GONE = {W + name for name in ("del", "moveFrom", "pPr", "rPr", "sdtPr", "sdtEndPr", "tblPr", "trPr", "tcPr", "rt")}
_GONE |= {W + name for name in ("instrText", "delText", "delInstrText", "tblGrid", "sectPr")}
_LITERAL = {W + "tab": "\t", W + "br": "\n", W + "cr": "\n", W + "noBreakHyphen": "-", W + "ptab": "\t"}
_MOST_PARTS = 20_000  # of a package; real documents have dozens


def read(data: bytes, limits: Limits) -> Extract:
    """Text of a Word document.

    Paragraphs with their automatic numbers, tables row by row (a merged cell once), text boxes after the
    paragraph that anchors them, footnotes after the one that refers to them, endnotes at the end. Headers
    come first and footers last, each different one once. Insertions are kept; deletions, comments and
    hidden text are dropped.

    Raises:
        Unreadable: too large when unpacked, or damaged.
    """
    _check_unpacked(data, limits)
    from docx.package import Package

    try:
        main = Package.open(io.BytesIO(data)).main_document_part
    except (MemoryError, RecursionError):
        raise
    except Exception as error:  # a damaged package gives KeyError, XMLSyntaxError, BadZipFile and more
        if b"purl.oclc.org/ooxml" in _member(data, "_rels/.rels"):
            raise Unreadable("saved as Strict Open XML: save it as an ordinary Word document") from error
        raise Unreadable(f"damaged: {one_line(error)}") from error
    return _Document(main).extract()


def _check_unpacked(data: bytes, limits: Limits) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
    except zipfile.BadZipFile as error:
        raise Unreadable(f"damaged or truncated: {one_line(error)}") from error
    # zipfile never unpacks more of a member than it declares, so the declared sizes are a bound.
    total = sum(member.file_size for member in members)
    if total > limits.file_bytes:
        raise Unreadable(f"unpacks to {size(total)}, more than the limit of {size(limits.file_bytes)}")
    if len(members) > _MOST_PARTS:
        raise Unreadable(f"has {len(members):,} parts, more than the limit of {_MOST_PARTS:,}")


def _member(data: bytes, name: str) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return archive.read(name)
    except (KeyError, zipfile.BadZipFile):
        return b""


class _Blocks:
    """Paragraphs and tables under way."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._tight = False  # the last one was a list item

    def add(self, text: str, item: bool = False) -> None:
        if not text.strip():
            return
        if self._parts:
            self._parts.append("\n" if item and self._tight else "\n\n")
        self._parts.append(text)
        self._tight = item

    def text(self) -> str:
        return "".join(self._parts)


class _Document:
    def __init__(self, main: Any) -> None:
        self.main = main
        parts = {rel.reltype.rpartition("/")[2]: rel.target_part for rel in _internal(main)}
        self.numbers = Numbers(_root(parts.get("numbering")), _root(parts.get("styles")))
        self.notes = {kind: _notes(_root(parts.get(kind + "s")), kind) for kind in ("footnote", "endnote")}
        self.used: dict[str, int] = {"footnote": 0, "endnote": 0}
        self.boxes: list[Any] = []  # text boxes and
        self.footnotes: list[tuple[str, Any]] = []  # footnotes met since the last block
        self.endnotes: list[tuple[str, Any]] = []

    def extract(self) -> Extract:
        root = _root(self.main)
        body = root.find(W + "body")
        if body is None:
            raise Unreadable("damaged: no body")
        blocks = _Blocks()
        for text in self.margins(root, "headerReference"):
            blocks.add(text)
        self.walk(body, blocks)
        for mark, note in self.endnotes:
            blocks.add(f"[{mark}] {self.story(note)}", item=True)
        for text in self.margins(root, "footerReference"):
            blocks.add(text)
        text = blocks.text()
        if not text.strip():
            pictures = any(rel.reltype.endswith("/image") for rel in _internal(self.main))
            raise Unreadable("no text in it" + (", only pictures" if pictures else ""))
        imported = any(True for _ in root.iter(W + "altChunk"))
        return Extract(text, ("a part imported from another file (altChunk) is not read",) if imported else ())

    def margins(self, root: Any, kind: str) -> list[str]:
        """Texts of all headers or footers in order, each different one once."""
        texts = []
        for reference in root.iter(W + kind):
            relation = self.main.rels.get(reference.get(_R + "id") or "")
            if relation is not None and not relation.is_external:
                texts.append(self.story(_root(relation.target_part)))
        return list(dict.fromkeys(texts))

    def story(self, container: Any) -> str:
        """Text of a header, note, cell or text box."""
        blocks = _Blocks()
        self.walk(container, blocks, nested=True)
        return blocks.text().replace("\n\n", "\n")

    def walk(self, container: Any, blocks: _Blocks, nested: bool = False) -> None:
        """Add the blocks of a container. `nested`: leave notes and boxes to the block around it."""
        carried = ""  # from a paragraph whose end was deleted: it goes on in the next one
        for element in _children(container):
            if element.tag == W + "p":
                text = carried + "".join(self.inline(element))
                if _mark_deleted(element):
                    carried = text
                    continue
                label = self.numbers.label(element) if text.strip() else ""
                blocks.add(label + text, item=bool(label))
                carried = ""
            elif element.tag == W + "tbl":
                blocks.add(self.table(element))
            if not nested:
                self.flush(blocks)
        blocks.add(carried)

    def flush(self, blocks: _Blocks) -> None:
        while self.boxes:
            blocks.add(self.story(self.boxes.pop(0)))
        while self.footnotes:
            mark, note = self.footnotes.pop(0)
            blocks.add(f"[{mark}] {self.story(note)}", item=True)

    def table(self, table: Any) -> str:
        rows = []
        for row in _children(table):
            if row.tag != W + "tr" or row.find(f"{W}trPr/{W}del") is not None:
                continue
            cells = [cell for cell in _children(row) if cell.tag == W + "tc" and not _continues_merge(cell)]
            rows.append(row_text([self.story(cell) for cell in cells]))
        return "\n".join(row for row in rows if row)

    def inline(self, parent: Any) -> Iterator[str]:
        """Text of everything inside a paragraph, in order."""
        for element in parent:
            tag = element.tag
            if tag in _GONE or not isinstance(tag, str):
                continue
            if tag in (W + "t", _MATH + "t"):
                yield _plain(element)
            elif tag in _LITERAL:
                yield _LITERAL[tag]
            elif tag == W + "r":
                if not _on(element, "vanish"):
                    text = "".join(self.inline(element))
                    yield raised(text) if _is_raised(element) else text
            elif tag == W + "sym":
                yield pictured(chr(int(element.get(W + "char") or "20", 16)), element.get(W + "font") or "")
            elif tag in (W + "footnoteReference", W + "endnoteReference"):
                yield self.reference(element)
            elif tag == W + "fldChar":
                yield _form_field(element)
            elif tag == _MC + "AlternateContent":
                if len(element):  # the first is what a current Word shows; the others repeat it for older ones
                    yield from self.inline(element[0])
            elif tag in (W + "drawing", W + "pict", W + "object"):
                self.boxes.extend(_text_boxes(element))
            else:
                yield from self.inline(element)

    def reference(self, element: Any) -> str:
        kind = "footnote" if element.tag == W + "footnoteReference" else "endnote"
        note = self.notes[kind].get(element.get(W + "id"))
        if note is None:
            return ""
        self.used[kind] += 1
        mark = str(self.used[kind]) if kind == "footnote" else roman(self.used[kind])
        (self.footnotes if kind == "footnote" else self.endnotes).append((mark, note))
        return f"[{mark}]"


def _root(part: Any) -> Any:
    """Root element of a part, or None."""
    if part is None:
        return None
    if hasattr(part, "element"):
        return part.element
    from docx.oxml import parse_xml

    return parse_xml(part.blob)


def _internal(part: Any) -> list[Any]:
    return [relation for relation in part.rels.values() if not relation.is_external]


def _notes(root: Any, kind: str) -> dict[str, Any]:
    return {note.get(W + "id"): note for note in root.iter(W + kind)} if root is not None else {}


def _children(parent: Any) -> Iterator[Any]:
    """Children of a block container, through content controls and tracked insertions."""
    for element in parent:
        if element.tag in _GONE or not isinstance(element.tag, str):
            continue
        if element.tag == _MC + "AlternateContent":
            if len(element):
                yield from _children(element[0])
        elif element.tag in (W + "sdt", W + "sdtContent", W + "customXml", W + "ins", W + "moveTo"):
            yield from _children(element)
        else:
            yield element


def _text_boxes(drawing: Any) -> list[Any]:
    """Contents of text boxes, each once: current and older Word formats stand side by side in a drawing."""
    for alternative in drawing.iter(_MC + "AlternateContent"):
        for other in alternative[1:]:
            alternative.remove(other)
    found = list(drawing.iter(W + "txbxContent"))
    return [box for box in found if not any(box in other.iterdescendants() for other in found if other is not box)]


def _mark_deleted(paragraph: Any) -> bool:
    mark = paragraph.find(f"{W}pPr/{W}rPr")
    return mark is not None and (mark.find(W + "del") is not None or mark.find(W + "moveFrom") is not None)


def _continues_merge(cell: Any) -> bool:
    for name in ("vMerge", "hMerge"):
        merge = cell.find(f"{W}tcPr/{W}{name}")
        if merge is not None and merge.get(VAL, "continue") == "continue":
            return True
    return False


def _on(run: Any, name: str) -> bool:
    """Whether a run property such as hidden is set."""
    element = run.find(f"{W}rPr/{W}{name}")
    return element is not None and element.get(VAL, "1") not in ("0", "false", "off")


def _is_raised(run: Any) -> bool:
    element = run.find(f"{W}rPr/{W}vertAlign")
    return element is not None and element.get(VAL) == "superscript"


def _plain(element: Any) -> str:
    """Text of a ``w:t`` without soft hyphens, and with symbols that a symbol font would show."""
    text = (element.text or "").replace("\u00ad", "")
    if not any("\uf000" <= character <= "\uf0ff" for character in text):
        return text
    fonts = element.getparent().find(f"{W}rPr/{W}rFonts")
    return pictured(text, (fonts.get(W + "ascii") if fonts is not None else None) or "Wingdings")


def _form_field(element: Any) -> str:
    """A check box of a form, or the chosen entry of its drop-down list."""
    box = element.find(f"{W}ffData/{W}checkBox")
    if box is not None:
        state = box.find(W + "checked")
        state = box.find(W + "default") if state is None else state
        return "☒" if state is not None and state.get(VAL, "1") not in ("0", "false") else "☐"
    entries = element.findall(f"{W}ffData/{W}ddList/{W}listEntry")
    chosen = element.find(f"{W}ffData/{W}ddList/{W}result")
    index = int(chosen.get(VAL) or 0) if chosen is not None else 0
    return entries[index].get(VAL) or "" if index < len(entries) else ""
