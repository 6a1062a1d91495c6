from __future__ import annotations

import pytest
from document_files import docx, paragraph, pdf, shown, zipped
from hypothesis import given, settings
from hypothesis import strategies as st

from longctx.documents import SUFFIXES
from longctx.documents.base import Limits, Unreadable
from longctx.documents.formats import recognise
from longctx.documents.readers import read_bytes

PDF = pdf(shown("x", 72, 700))
DOCX = docx(paragraph("x"))
HTML = b"\n<!DOCTYPE html><html><body><p>x"
MAIL = b"Received: by mail\nFrom: a@example.org\nSubject: s\n\nbody"


@pytest.mark.parametrize(
    ("data", "name", "expected"),
    [
        (PDF, "a.pdf", "pdf"),
        (PDF, "a.html", "pdf"),
        (PDF, "a", "pdf"),
        (b"\r\n\r\nprinter noise" + PDF, "a.pdf", "pdf"),
        (b"The header of such a file is %PDF-1.7.", "a.txt", "text"),
        (DOCX, "a.docx", "docx"),
        (DOCX, "a.txt", "docx"),
        (DOCX, "a.pdf", "docx"),
        (HTML, "a.pdf", "html"),
        (HTML, "a.docx", "html"),
        (HTML, "a", "html"),
        (HTML, "a.txt", "html"),
        (HTML, "a.php", "code"),
        (HTML, "a.md", "markdown"),
        (MAIL, "a.eml", "email"),
        (MAIL, "12.", "email"),
        (MAIL, "a.txt", "text"),
        (b"Note: this is\nno mail\n", "note", "text"),
        (b"plain words", "a.pdf", "text"),
        (b"plain words", "a.docx", "text"),
        (b"BMW and MZ are makers of motorcycles", "a.txt", "text"),
        (b"a,b", "A.CSV", "csv"),
        (b"all:", "Makefile", "text"),
        (b"x", "a.unknown", "text"),
        (b"[1]", "a.jsonl", "json"),
        (b"# x", "a.md", "markdown"),
        (b"fn main", "a.rs", "code"),
    ],
)
def test_content_decides_and_the_suffix_where_content_leaves_it_open(data: bytes, name: str, expected: str) -> None:
    assert recognise(data, name) == expected


@pytest.mark.parametrize(
    ("data", "name", "reason"),
    [
        (b"", "a.pdf", "empty file"),
        (b"\x05user", "~$ase.docx", "lock file"),
        (b"\x89PNG\r\n\x1a\n\0", "a.txt", "PNG image"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "scan.pdf", "JPEG image"),
        (b"{\\rtf1 x}", "a.doc", "RTF document: no reader for it, save it as DOCX or PDF"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "WordDocument".encode("utf-16-le"), "a.doc", r"old Word document"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"),
            "a.docx",
            "a password is needed",
        ),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a.xls", "old Office file"),
        (zipped([("[Content_Types].xml", "spreadsheetml.sheet.main+xml")]), "a.xlsx", "Excel workbook"),
        (zipped([("mimetype", "application/vnd.oasis.opendocument.text")]), "a.odt", "opendocument.text: no reader"),
        (zipped([("a.txt", "x")]), "a.pdf", "ZIP archive: unpack it"),
        (DOCX[:200], "a.docx", "damaged or truncated"),
        (b"garbage \0\0\0", "a.pdf", "not the beginning of a PDF file"),
    ],
)
def test_what_no_reader_takes_is_named(data: bytes, name: str, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        recognise(data, name)


def test_every_suffix_has_a_reader() -> None:
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in SUFFIXES)
    assert {".pdf", ".docx", ".txt", ".md", ".rst", ".html", ".eml", ".json", ".jsonl", ".csv", ".py"} <= set(SUFFIXES)


BEGINNINGS = [
    b"",
    b"%PDF-1.7\n",
    b"PK\x03\x04",
    DOCX[:60],
    PDF[:300],
    HTML,
    MAIL,
    b"\xff\xfe",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
]
NAMES = ["a.pdf", "a.docx", "a.html", "a.eml", "a.txt", "a.py", "a", "~$a.docx", ".x", ""]


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(BEGINNINGS), st.binary(max_size=300), st.sampled_from(NAMES))
def test_no_bytes_make_a_reader_raise(beginning: bytes, rest: bytes, name: str) -> None:
    reading = read_bytes(beginning + rest, name, Limits())
    assert (reading.status == "read") == (reading.reason == "")
    assert (reading.status == "skipped") == (reading.text == "")
    reading.text.encode("utf-8")


@settings(deadline=None, max_examples=60)
@given(st.sampled_from([PDF, DOCX, HTML, MAIL]), st.data())
def test_no_damage_makes_a_reader_raise(data: bytes, draw: st.DataObject) -> None:
    damaged = bytearray(data)
    for _ in range(draw.draw(st.integers(1, 20))):
        place = draw.draw(st.integers(0, len(damaged) - 1))
        damaged[place] = draw.draw(st.integers(0, 255))
    cut = draw.draw(st.integers(0, len(damaged)))
    for piece in (damaged, damaged[:cut]):
        assert read_bytes(bytes(piece), "a.pdf", Limits()).status in ("read", "partly read", "skipped")


def test_text_beyond_the_limit_is_cut_and_not_kept() -> None:
    reading = read_bytes(b"0123456789" * 10, "a.txt", Limits(characters=25))
    assert reading.text == "0123456789012345678901234"[:25] and not reading.lasting
    assert (reading.status, reading.reason) == ("partly read", "the first 25 of 100 characters, the limit")


def test_lines_of_plain_files_stay_where_they_are() -> None:
    source = b"a\r\n\r\n\r\n\r\n  b \r\n"
    assert read_bytes(source, "a.py", Limits()).text == "a\n\n\n\n  b \n"
