"""Which reader takes a file. Its content decides; the suffix only where the content leaves it open."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import PurePosixPath

from longctx.documents.base import Unreadable

PLAIN = ("text", "markdown", "json", "csv", "code")
"""Formats whose text is the file itself, decoded."""

_BY_FORMAT = {
    "pdf": "pdf",
    "docx": "docx docm dotx dotm",
    "html": "html htm xhtml",
    "email": "eml mht mhtml",
    "markdown": "md markdown mdx",
    "text": "txt text rst asc adoc log tex",
    "json": "json jsonl ndjson geojson",
    "csv": "csv tsv psv",
    "code": (
        "py pyi pyx ipynb js mjs cjs jsx ts mts cts tsx vue svelte java kt kts scala groovy gradle clj cljs c h cc cpp"
        " cxx hh hpp hxx ino cu cuh cs fs fsx vb go rs swift m mm d zig nim v dart lua pl pm t rb erb php r jl f f90"
        " f95 for cob cbl pas ada adb ads hs lhs ml mli elm ex exs erl hrl lisp el scm rkt tcl sh bash zsh fish ps1 bat"
        " cmd awk sed sql proto thrift graphql css scss sass less xml xsd xsl xslt svg yaml yml toml ini cfg conf"
        " properties tf hcl nix cmake mk diff patch asm s vhd vhdl sv sol bas abap rpy jsp asp aspx cshtml"
    ),
}
SUFFIXES: dict[str, str] = {f".{suffix}": name for name, some in _BY_FORMAT.items() for suffix in some.split()}
"""Suffix, in lower case with its dot → format. Text in a file of any other suffix is read as "text"."""

_MAGIC = (  # (beginning of the file, what it is)
    (b"\x89PNG", "PNG image"),
    (b"\xff\xd8\xff", "JPEG image"),
    (b"GIF8", "GIF image"),
    (b"BM", "BMP image"),
    (b"II*\0", "TIFF image"),
    (b"MM\0*", "TIFF image"),
    (b"\x1f\x8b", "gzip archive"),
    (b"BZh", "bzip2 archive"),
    (b"\xfd7zXZ\0", "xz archive"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip archive"),
    (b"Rar!", "RAR archive"),
    (b"\x28\xb5\x2f\xfd", "zstd archive"),
    (b"\x7fELF", "program"),
    (b"MZ", "program"),
    (b"SQLite format 3\0", "SQLite database"),
    (b"RIFF", "RIFF sound, video or image"),
    (b"OggS", "Ogg sound"),
    (b"ID3", "MP3 sound"),
    (b"PAR1", "Parquet table"),
    (b"wOFF", "font"),
)
_OFFICE = (  # (mark in [Content_Types].xml, what it is)
    (b"wordprocessingml.document.main", "docx"),
    (b"wordprocessingml.template.main", "docx"),
    (b"ms-word.document.macroEnabled.main", "docx"),
    (b"ms-word.template.macroEnabledTemplate.main", "docx"),
    (b"spreadsheetml", "Excel workbook: no reader for it, save it as CSV or PDF"),
    (b"presentationml", "PowerPoint presentation: no reader for it, save it as PDF"),
)
_HTML = re.compile(rb"\s*(<\?xml[^>]*>\s*)?(<!--.{0,4000}?-->\s*)*<(!doctype\s+html|html|head|body)\b", re.I | re.S)
_HEADER_LINE = re.compile(rb"[\w-]+:|[ \t]|From ")
_MAIL_ONLY = re.compile(rb"^(?:Message-ID|Received|MIME-Version):", re.I | re.M)
_WORD_LOCK = "~$"


def suffix_of(name: str) -> str:
    """Suffix of a file name in lower case with its dot, or ""."""
    return PurePosixPath(name).suffix.lower()


def recognise(data: bytes, name: str) -> str:
    """Format of a file.

    Args:
        data: its bytes.
        name: its name, of which only the suffix and Word's lock-file prefix count.

    Raises:
        Unreadable: there is nothing to read or no reader for it; says what it is.
    """
    if not data:
        raise Unreadable("empty file")
    if name.startswith(_WORD_LOCK):
        raise Unreadable("lock file of an open Office document")
    if data[:64].lstrip().startswith(b"%PDF-") or (suffix_of(name) == ".pdf" and b"%PDF-" in data[:1024]):
        return "pdf"
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zipped(data)
    if data.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        raise Unreadable(_ole(data))
    if data.startswith(b"{\\rtf"):
        raise Unreadable("RTF document: no reader for it, save it as DOCX or PDF")
    for magic, what in _MAGIC:
        if data.startswith(magic) and (len(magic) > 3 or b"\0" in data[:4096]):  # "BM" and "MZ" begin words, too
            raise Unreadable(f"{what}: no text to read")
    by_suffix = SUFFIXES.get(suffix_of(name), "")
    if by_suffix in ("", "pdf", "docx", "text") and _HTML.match(data[:8192]):
        return "html"
    if by_suffix in ("pdf", "docx"):
        if b"\0" in data:
            raise Unreadable(f"damaged: not the beginning of a {by_suffix.upper()} file")
        return "text"
    if not by_suffix and _is_mail(data[:8192]):
        return "email"
    return by_suffix or "text"


def _is_mail(head: bytes) -> bool:
    lines = head.replace(b"\r\n", b"\n").partition(b"\n\n")[0]
    return bool(_MAIL_ONLY.search(lines)) and all(map(_HEADER_LINE.match, lines.split(b"\n")[:-1]))


def _zipped(data: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = set(archive.namelist())
            if "[Content_Types].xml" in names:
                with archive.open("[Content_Types].xml") as stream:
                    types = stream.read(1 << 20)
                for mark, what in _OFFICE:
                    if mark in types:
                        if what == "docx":
                            return what
                        raise Unreadable(what)
            if "mimetype" in names:
                with archive.open("mimetype") as stream:
                    raise Unreadable(f"{stream.read(80).decode('ascii', 'replace')}: no reader for it")
    except Unreadable:
        raise
    except Exception as error:  # zipfile raises a dozen kinds, NotImplementedError and struct.error among them
        raise Unreadable(f"damaged or truncated ZIP or Office file: {error}") from error
    raise Unreadable("ZIP archive: unpack it to have its files read")


def _ole(data: bytes) -> str:
    """What an OLE compound file is, told by the names of its streams."""
    for name, what in (
        ("EncryptedPackage", "encrypted Office document: a password is needed"),
        ("WordDocument", "old Word document (.doc): no reader for it, save it as DOCX or PDF"),
        ("Workbook", "old Excel workbook (.xls): no reader for it, save it as CSV or PDF"),
        ("PowerPoint Document", "old PowerPoint presentation (.ppt): no reader for it, save it as PDF"),
        ("__substg1.0_", "Outlook message (.msg): no reader for it, save it as EML"),
    ):
        if name.encode("utf-16-le") in data:
            return what
    return "old Office file: no reader for it"
