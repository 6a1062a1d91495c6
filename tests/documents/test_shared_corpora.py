"""Real documents, read as a lawyer or an accountant would check them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from longctx.documents import locate, read_folder
from longctx.types import Document, FileReport

LONG = {
    "pdf-long-irs-manual-400-pages.pdf",
    "pdf-two-column-paper-dense-passage-retrieval.pdf",
    "docx-us-doj-chapter-13-trustee-handbook.docx",
    "chinese-civil-code-contracts-utf8.md",
    "pdf-chinese-quarterly-report.pdf",
    "pdf-table-california-warn-report.pdf",
}
PHRASES = {
    "docx-all-features-word-2006.docx": [
        "This should have a footnote[1]",
        "[1]  And this is the footnote",
        "R1c1 | R1c2",
    ],
    "docx-german-grant-application-form.docx": ["1. Ich (Wir) erkläre(n)", "a) die „Allgemeine Förderungsrichtlinien"],
    "docx-tables-incomplete-rows.docx": ["a | b\nc | d"],
    "docx-tracked-changes-city-ordinance.docx": [
        "ATTACHMENT 2",
        "by allowing accessory dwelling units to locate on lots which contain existing or proposed",
    ],
    "html-named-as.pdf": ["Common stock, without par value | JWN | New York Stock Exchange", "2022 Bonus¹"],
    "html-native-latin1-libxslt-news.html": ["Fix typos (Jan Pokorný)"],
    "pdf-chinese-quarterly-report.pdf": ["营业收入（元）  4,755,785.11  5,699,227.63  -16.55%"],
    "pdf-encrypted-empty-password-pge-earnings.pdf": ["Wildfire-related costs, net of insurance (post-tax)  $9"],
    "pdf-french-council-minutes.pdf": ["ATTENDU la demande 2023-0379, visant la démolition partielle d’un\nbâtiment"],
    "pdf-german-ministry-page.pdf": ["Alt-Moabit 101 D, 10559 Berlin (Hausanschrift)"],
    "pdf-table-california-warn-report.pdf": [
        "06/22/2015 03/25/2016 07/01/2015  Maxim Integrated Product  San Jose  150  Closure Permanent"
    ],
    "pdf-table-rotated-nics-background-checks.pdf": [
        "Alabama  18,870  23,022  22,650  859  1,178  0  14  15  0  2,179  2,307  11  0  0  0"
        "  13  14  0  3  2  0  71,137\n"
    ],
    "pdf-three-column-federal-register.pdf": [
        "SUMMARY: The FAA proposes to\nsupersede Airworthiness Directive (AD)\n2018–23–51, which applies to all The"
    ],
}
SKIPPED = {
    "docx-truncated-city-ordinance.docx": "damaged or truncated",
    "pdf-image-only-rotated-no-text.pdf": "no text layer in 1 page: seems scanned",
    "pdf-password-needed.pdf": "encrypted: a password is needed",
    "pdf-truncated-amcor-earnings.pdf": "damaged or truncated",
    "pdf-zero-bytes.pdf": "empty file",
}


@pytest.fixture(scope="module")
def mixed(shared_corpora: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Document], list[FileReport]]:
    """The folder of odd forms without the longest files."""
    folder = tmp_path_factory.mktemp("mixed")
    for path in (shared_corpora / "mixed").iterdir():
        if path.name not in LONG:
            shutil.copy(path, folder)
    return read_folder(folder)


def test_every_file_is_accounted_for(mixed: tuple[list[Document], list[FileReport]]) -> None:
    documents, reports = mixed
    assert {report.path: report.reason for report in reports if report.status == "skipped"} == {
        report.path: report.reason for report in reports if report.path in SKIPPED
    }
    for report in reports:
        assert SKIPPED.get(report.path, "") in report.reason
    (partly,) = [report for report in reports if report.status == "partly read"]
    assert partly.path == "pdf-broken-page-code-of-federal-regulations.pdf"
    assert [part.split(":")[0] for part in partly.reason.split("; ")] == ["page 2", "page 12", "page 13"]
    assert [d.path for d in documents] == [report.path for report in reports if report.status != "skipped"]


@pytest.mark.parametrize("name", sorted(set(PHRASES) - LONG))
def test_text_reads_as_the_page_does(mixed: tuple[list[Document], list[FileReport]], name: str) -> None:
    document = next(document for document in mixed[0] if document.path == name)
    for phrase in PHRASES[name]:
        assert phrase in document.text


def test_deleted_text_is_gone(mixed: tuple[list[Document], list[FileReport]]) -> None:
    ordinance = next(d for d in mixed[0] if d.path == "docx-tracked-changes-city-ordinance.docx")
    assert "delText" not in ordinance.text and "18.33.010 Purpose." in ordinance.text


def test_pages_are_found(mixed: tuple[list[Document], list[FileReport]]) -> None:
    register = next(d for d in mixed[0] if d.path == "pdf-three-column-federal-register.pdf")
    assert len(register.pages) == 15
    assert locate(register, register.text.index("SUMMARY: The FAA proposes")).page == 1
    assert locate(register, register.text.index("Costs of Compliance")).page == 5


@pytest.mark.slow
@pytest.mark.parametrize("name", ["contracts", "disclosures", "mixed", "policies", "support"])
def test_whole_corpora(shared_corpora: Path, name: str) -> None:
    documents, reports = read_folder(shared_corpora / name)
    files = [path for path in (shared_corpora / name).rglob("*") if path.is_file()]
    assert len(reports) == len(files)
    skipped = [report.path for report in reports if report.status == "skipped"]
    assert skipped == (sorted(SKIPPED) if name == "mixed" else [])
    for document in documents:
        document.text.encode("utf-8")
        assert "\ufffd" not in document.text[:2000] and "\0" not in document.text
        for phrase in PHRASES.get(document.path, []):
            assert phrase in document.text
