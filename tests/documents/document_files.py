"""Small documents made byte by byte, so that tests know what is in them."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterable, Sequence

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_WORD_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml"


def pdf(
    *contents: str | bytes, objects: Sequence[bytes] = (), resources: str = "", fonts: str = "", page: str = ""
) -> bytes:
    """A PDF with one page for each content stream, and Helvetica as /F.

    Args:
        contents: operators of each page.
        objects: further objects, numbered from 10 on.
        resources: entries added to each page's resources.
        fonts: entries added to each page's fonts.
        page: entries added to each page.
    """
    pages = range(100, 100 + 2 * len(contents), 2)
    numbered: dict[int, bytes] = {
        1: b"<</Type/Catalog/Pages 2 0 R>>",
        2: f"<</Type/Pages/Kids[{' '.join(f'{n} 0 R' for n in pages)}]/Count {len(pages)}>>".encode(),
        3: b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
    }
    numbered |= dict(enumerate(objects, 10))
    for number, content in zip(pages, contents, strict=True):
        raw = content if isinstance(content, bytes) else content.encode("cp1252")
        packed = zlib.compress(raw)
        numbered[number] = (
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents {number + 1} 0 R"
            f"/Resources<</Font<</F 3 0 R{fonts}>>{resources}>>{page}>>"
        ).encode()
        numbered[number + 1] = stream(packed, "/Filter/FlateDecode")
    out, places = b"%PDF-1.7\n", {}
    for number, body in numbered.items():
        places[number] = len(out)
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n" + b"".join(b"%d 1\n%010d 00000 n \n" % item for item in places.items())
    return out + b"trailer<</Root 1 0 R/Size %d>>\nstartxref\n%d\n%%%%EOF" % (max(numbered) + 1, start)


def stream(data: bytes, entries: str = "") -> bytes:
    """A stream object."""
    return f"<<{entries}/Length {len(data)}>>stream\n".encode() + data + b"\nendstream"


def shown(text: str, x: float, y: float, size: float = 10) -> str:
    """Operators that draw text at a place."""
    return f"BT /F {size} Tf {x} {y} Td ({text}) Tj ET "


def docx(body: str, parts: dict[str, str] | None = None, settings: str = "") -> bytes:
    """A Word document with the given XML as its body.

    Args:
        body: paragraphs and tables, with the prefixes w and r.
        parts: kind of a further part ("header", "footnotes", "numbering", ...) → XML inside its root element;
            kinds may end in a digit. It has the relationship id "r" + kind.
        settings: attributes and declarations before the root, such as a DOCTYPE.
    """
    roots = {"header": "hdr", "footer": "ftr"}
    parts = parts or {}
    files = {
        "[Content_Types].xml": f'<Types xmlns="{_TYPES}">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/word/document.xml" ContentType="{_WORD_TYPE}.document.main+xml"/>'
        + "".join(
            f'<Override PartName="/word/{kind}.xml" ContentType="{_WORD_TYPE}.{kind.rstrip("0123456789")}+xml"/>'
            for kind in parts
        )
        + "</Types>",
        "_rels/.rels": f'<Relationships xmlns="{_RELATIONS}">'
        f'<Relationship Id="r1" Type="{_OFFICE}/officeDocument" Target="word/document.xml"/></Relationships>',
        "word/_rels/document.xml.rels": f'<Relationships xmlns="{_RELATIONS}">'
        + "".join(
            f'<Relationship Id="r{kind}" Type="{_OFFICE}/{kind.rstrip("0123456789")}" Target="{kind}.xml"/>'
            for kind in parts
        )
        + "</Relationships>",
        "word/document.xml": f'{settings}<w:document xmlns:w="{WORD}" xmlns:r="{_OFFICE}"'
        ' xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
        f' xmlns:v="urn:schemas-microsoft-com:vml"><w:body>{body}</w:body></w:document>',
    }
    for kind, xml in parts.items():
        plain = kind.rstrip("0123456789")
        root = roots.get(plain, plain)
        files[f"word/{kind}.xml"] = f'<w:{root} xmlns:w="{WORD}">{xml}</w:{root}>'
    return zipped(files.items())


def zipped(files: Iterable[tuple[str, str | bytes]]) -> bytes:
    """A ZIP archive."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return packed.getvalue()


def paragraph(text: str, properties: str = "") -> str:
    """A Word paragraph."""
    return f"<w:p>{f'<w:pPr>{properties}</w:pPr>' if properties else ''}{run(text)}</w:p>"


def line(*runs: str) -> str:
    """A Word paragraph of runs."""
    return f"<w:p>{''.join(runs)}</w:p>"


def run(text: str, properties: str = "") -> str:
    """A Word run."""
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def table(*rows: Sequence[str]) -> str:
    """A Word table; each cell is the XML inside it, or plain text."""
    return "<w:tbl>" + "".join(f"<w:tr>{''.join(map(cell, row))}</w:tr>" for row in rows) + "</w:tbl>"


def cell(content: str, properties: str = "") -> str:
    """A Word table cell."""
    inner = content if content.startswith("<") else paragraph(content)
    return inner if inner.startswith("<w:tc>") else f"<w:tc><w:tcPr>{properties}</w:tcPr>{inner}</w:tc>"
