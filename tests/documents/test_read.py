from __future__ import annotations

import collections
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from document_files import docx, paragraph, pdf, shown

from longctx.documents import Limits, locate, pool, read_file, read_folder
from longctx.documents import read as reading
from longctx.errors import DocumentError
from longctx.types import Document, FileReport, Place


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "docs"
    (root / "b").mkdir(parents=True)
    (root / "z.txt").write_text("last\n")
    (root / "b" / "page.html").write_text("<p>A page")
    (root / "b" / "data.csv").write_text("a,b\n")
    (root / "empty.pdf").write_bytes(b"")
    (root / "link.txt").symlink_to("z.txt")
    return root


EXPECTED = [
    FileReport("b/data.csv", "read", "", "csv", 4),
    FileReport("b/page.html", "read", "", "html", 6),
    FileReport("empty.pdf", "skipped", "empty file"),
    FileReport("link.txt", "skipped", "link to z.txt"),
    FileReport("z.txt", "read", "", "text", 5),
]


def test_documents_and_one_report_for_everything(folder: Path) -> None:
    (folder / "b" / "lease.pdf").write_bytes(pdf(shown("Page one", 72, 700), shown("Page two", 72, 700)))
    (folder / "b" / "note.docx").write_bytes(docx(paragraph("A note")))
    documents, reports = read_folder(folder)
    lease = Document("b/lease.pdf", "Page one\n\nPage two", "pdf", (0, 10))
    assert documents == [
        Document("b/data.csv", "a,b\n", "csv"),
        lease,
        Document("b/note.docx", "A note", "docx"),
        Document("b/page.html", "A page", "html"),
        Document("z.txt", "last\n", "text"),
    ]
    others = [FileReport("b/lease.pdf", "read", "", "pdf", 18), FileReport("b/note.docx", "read", "", "docx", 6)]
    assert reports == sorted(EXPECTED + others, key=lambda report: report.path)
    assert locate(lease, lease.text.index("one")) == Place("b/lease.pdf", page=1)
    assert locate(lease, lease.text.index("two")) == Place("b/lease.pdf", page=2)
    assert locate(lease, len(lease.text)) == Place("b/lease.pdf", page=2)


@pytest.mark.parametrize("workers", [1, 7])
def test_the_number_of_workers_makes_no_difference(folder: Path, workers: int) -> None:
    assert read_folder(folder, workers=workers)[1] == EXPECTED


def test_progress_counts_every_file_once_in_the_calling_thread(folder: Path) -> None:
    import threading

    calls: list[tuple[int, int, str]] = []
    threads = set()

    def progress(done: int, total: int, path: str) -> None:
        calls.append((done, total, path))
        threads.add(threading.current_thread())

    read_folder(folder, progress=progress)
    assert [call[:2] for call in calls] == [(number, 5) for number in range(1, 6)]
    assert sorted(call[2] for call in calls) == [report.path for report in EXPECTED]
    assert threads == {threading.main_thread()}


def test_an_error_in_the_callback_ends_the_workers(folder: Path) -> None:
    before = set(_children())

    def progress(done: int, total: int, path: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_folder(folder, progress=progress)
    assert set(_children()) == before


def _children() -> list[str]:
    return [child for task in Path("/proc/self/task").iterdir() for child in (task / "children").read_text().split()]


def test_a_folder_by_way_of_a_link_and_a_file_instead(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "way").symlink_to(folder)
    assert read_folder(tmp_path / "way")[1] == EXPECTED
    documents, reports = read_folder(folder / "b" / "page.html")
    assert [document.path for document in documents] == [report.path for report in reports] == ["page.html"]


def test_one_file(folder: Path) -> None:
    document, report = read_file(folder / "b" / "page.html")
    assert document == Document("page.html", "A page", "html") and report.status == "read"
    assert read_file(folder / "empty.pdf") == (None, FileReport("empty.pdf", "skipped", "empty file"))
    with pytest.raises(DocumentError, match="is a folder; possible is a file"):
        read_file(folder)


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="There is no .*/gone; possible is a folder of documents or a file"):
        read_folder(tmp_path / "gone")
    with pytest.raises(DocumentError, match="There is no"):
        read_file(tmp_path / "gone.txt")
    with pytest.raises(DocumentError, match="There are no files in"):
        read_folder(tmp_path)


def test_nothing_readable_says_which_files_were_there_and_why(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"")
    with pytest.raises(DocumentError) as raised:
        read_folder(tmp_path)
    assert str(raised.value) == f"Nothing readable in {tmp_path}; the only file skipped:\n  a.pdf: empty file"
    for number in range(30):
        (tmp_path / f"b{number:02}.png").write_bytes(b"\x89PNG\r\n\x1a\n\0")
    with pytest.raises(DocumentError) as raised:
        read_folder(tmp_path)
    lines = str(raised.value).splitlines()
    assert lines[0].endswith("all 31 files skipped:")
    assert lines[2] == "  b00.png: PNG image: no text to read"
    assert lines[-1] == "  and 11 more" and len(lines) == 22


def test_limits_are_those_of_the_caller(folder: Path) -> None:
    (folder / "large.txt").write_text("x" * 3000)
    reports = {report.path: report for report in read_folder(folder, limits=Limits(file_bytes=2500, characters=5))[1]}
    assert reports["large.txt"].reason == "3,000 bytes, more than the limit of 2,500"
    assert reports["z.txt"].status == "read"
    page = reports["b/page.html"]
    assert (page.status, page.chars) == ("partly read", 5)
    assert page.reason == "the first 5 of 6 characters, the limit"


def test_changed_while_read_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = reading.folders.read_file
    monkeypatch.setattr(reading.folders, "read_file", lambda *all: (real(*all)[0], "changed while it was read"))
    reports = {report.path: report for report in read_folder(folder)[1]}
    assert (reports["z.txt"].status, reports["z.txt"].reason) == ("partly read", "changed while it was read")
    assert reports["empty.pdf"].reason == "empty file"


class _Counted:
    """Counts what is really read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names = collections.Counter[str]()
        real_worker, real_bytes = pool.Worker.read, reading.read_bytes

        def by_worker(worker: pool.Worker, data: bytes, name: str) -> Any:
            self.names[name] += 1
            return real_worker(worker, data, name)

        def inline(data: bytes, name: str, limits: Limits) -> Any:
            self.names[name] += 1
            return real_bytes(data, name, limits)

        monkeypatch.setattr(pool.Worker, "read", by_worker)
        monkeypatch.setattr(reading, "read_bytes", inline)

    def since(self) -> list[str]:
        names = sorted(self.names.elements())
        self.names.clear()
        return names


def test_a_folder_moved_or_touched_is_not_read_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted, cache = _Counted(monkeypatch), tmp_path / "cache"
    first = read_folder(folder, cache=cache)
    assert counted.since() == ["data.csv", "empty.pdf", "page.html", "z.txt"]
    moved = folder.rename(tmp_path / "moved")
    for path in moved.rglob("*"):
        os.utime(path, follow_symlinks=False)
    (moved / "b" / "data.csv").rename(moved / "b" / "renamed.csv")
    shutil.copy(moved / "z.txt", moved / "copy.txt")
    documents, reports = read_folder(moved, cache=cache)
    assert counted.since() == []
    texts = sorted(document.text for document in documents if document.path != "copy.txt")
    assert texts == sorted(document.text for document in first[0])
    (moved / "b" / "page.html").write_text("<p>Another page")
    assert [d.text for d in read_folder(moved, cache=cache)[0] if d.path == "b/page.html"] == ["Another page"]
    assert counted.since() == ["page.html"]


def test_lines_and_pages_without_text() -> None:
    plain = Document("a.txt", "one\ntwo\n\nfour", "text")
    assert [locate(plain, plain.text.index(word)).line for word in ("one", "two", "four")] == [1, 2, 4]
    blank_first = Document("x.pdf", "second", "pdf", (0, 0))
    assert locate(blank_first, 0).page == 2
