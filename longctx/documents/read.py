"""A folder in, documents and a report on every file out."""

from __future__ import annotations

import os
import queue
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from longctx.documents import folder as folders
from longctx.documents import formats
from longctx.documents.base import Limits, Reading, Unreadable
from longctx.documents.cache import ReadingCache
from longctx.documents.pool import Worker
from longctx.documents.readers import read_bytes
from longctx.errors import DocumentError

if TYPE_CHECKING:  # imports numpy, which a worker process, importing this package, has no use for
    from longctx.types import Document, FileReport, Place

Progress = Callable[[int, int, str], None]
_LIMITS = Limits()
_NAMED = 20  # files that an error names
_INLINE = 1 << 20  # bytes of plain text up to which it is not worth sending them to a worker


def read_folder(
    folder: Path | str,
    *,
    limits: Limits = _LIMITS,
    workers: int | None = None,
    progress: Progress | None = None,
    cache: Path | None = None,
) -> tuple[list[Document], list[FileReport]]:
    """Read a folder with everything below it, or a single file.

    Args:
        folder: the folder; of a file, that file alone is read.
        limits: what each file may cost.
        workers: processes at most; by default one for each core.
        progress: called in the calling thread after each file with the number of files done, the number
            of all, and the path.
        cache: folder in which readings are kept between runs; shared by any number of folders and processes.

    Returns:
        The documents and one report for every file, link and folder not entered, both sorted by path.

    Raises:
        DocumentError: there is no such folder, or nothing readable in it.
    """
    root, entries = _entries(Path(folder))
    reader = _Reader(root, limits, ReadingCache(cache) if cache else None)
    readings: list[tuple[folders.Entry, Reading]] = []
    for entry, reading in reader.run(entries, max(workers or len(os.sched_getaffinity(0)), 1)):
        readings.append((entry, reading))
        if progress:
            progress(len(readings), len(entries), entry.path)
    results = sorted((_result(entry.path, reading) for entry, reading in readings), key=lambda result: result[1].path)
    documents = [document for document, _ in results if document is not None]
    reports = [report for _, report in results]
    if not documents:
        raise DocumentError(_nothing(Path(folder), reports))
    return documents, reports


def read_file(
    path: Path | str, *, limits: Limits = _LIMITS, cache: Path | None = None
) -> tuple[Document | None, FileReport]:
    """Read one file.

    Returns:
        The document, or None if it was skipped, and the report, which says why.

    Raises:
        DocumentError: there is no such file, or it is a folder.
    """
    if Path(path).is_dir():
        raise DocumentError(f"{path} is a folder; possible is a file.")
    root, entries = _entries(Path(path))
    reader = _Reader(root, limits, ReadingCache(cache) if cache else None)
    (entry, reading), *_ = reader.run(entries, 1)
    return _result(entry.path, reading)


def locate(document: Document, offset: int) -> Place:
    """Where a character of a document's text stands: on which page, or on which line where there are no pages.

    Args:
        document: the document.
        offset: of the character in its text.
    """
    from longctx.types import Place

    if document.pages:
        return Place(document.path, page=max(bisect_right(document.pages, offset), 1))
    return Place(document.path, line=document.text.count("\n", 0, offset) + 1)


class _Reader:
    """Reads the files of one folder in threads; risky formats in a worker process for each thread."""

    def __init__(self, root: Path, limits: Limits, cache: ReadingCache | None) -> None:
        self._root, self._limits, self._cache = root, limits, cache
        self._results: queue.SimpleQueue[tuple[folders.Entry, Reading] | BaseException] = queue.SimpleQueue()
        self._lock = threading.Lock()

    def run(self, entries: list[folders.Entry], count: int) -> Iterator[tuple[folders.Entry, Reading]]:
        """Readings as they are finished. Leaving early, by Ctrl-C as well, ends all workers."""
        # The largest first: one that comes last would keep all others waiting.
        todo = iter(sorted((entry for entry in entries if not entry.reason), key=lambda entry: -entry.size))
        files = sum(not entry.reason for entry in entries)
        processes = [Worker(self._limits) for _ in range(min(count, files))]
        threads = [threading.Thread(target=self._serve, args=(todo, worker), daemon=True) for worker in processes]
        try:
            for thread in threads:
                thread.start()
            for entry in entries:
                if entry.reason:
                    yield entry, Reading("skipped", entry.reason)
            for _ in range(files):
                result = self._results.get()
                if isinstance(result, BaseException):
                    raise result
                yield result
        finally:
            with self._lock:
                for _ in todo:  # nothing more to begin
                    pass
            for worker in processes:
                worker.stop()
            for thread in threads:
                if thread.ident:
                    thread.join()

    def _serve(self, todo: Iterator[folders.Entry], worker: Worker) -> None:
        try:
            while True:
                with self._lock:
                    entry = next(todo, None)
                if entry is None:
                    return
                self._results.put((entry, self._read(entry, worker)))
        except BaseException as error:  # raised again in the calling thread
            self._results.put(error)

    def _read(self, entry: folders.Entry, worker: Worker) -> Reading:
        name = entry.parts[-1]
        try:
            data, note = folders.read_file(self._root, entry.parts, self._limits.file_bytes)
        except Unreadable as reason:
            return Reading("skipped", str(reason))
        reading = self._cache.get(data, name) if self._cache else None
        if reading is None:
            plain = len(data) <= _INLINE and _is_plain(data, name)
            reading = read_bytes(data, name, self._limits) if plain else worker.read(data, name)
            if self._cache:
                self._cache.put(data, name, reading)
        if note and reading.status != "skipped":
            return replace(reading, status="partly read", reason="; ".join(filter(None, (reading.reason, note))))
        return reading


def _is_plain(data: bytes, name: str) -> bool:
    """Whether reading it takes decoding only, or nothing at all."""
    try:
        return formats.recognise(data, name) in formats.PLAIN
    except Unreadable:
        return True


def _entries(path: Path) -> tuple[Path, list[folders.Entry]]:
    """Folder that the entries are in, and the entries."""
    try:
        root = path.resolve(strict=True)
        if not root.is_dir():
            return root.parent, [folders.Entry((root.name,))]
        return root, sorted(folders.walk(root), key=lambda entry: entry.path)
    except FileNotFoundError as error:
        raise DocumentError(f"There is no {path}; possible is a folder of documents or a file.") from error
    except OSError as error:
        raise DocumentError(f"{path} cannot be opened: {(error.strerror or str(error)).lower()}.") from error


def _result(path: str, reading: Reading) -> tuple[Document | None, FileReport]:
    from longctx.types import Document, FileReport

    report = FileReport(path, reading.status, reading.reason, reading.format, len(reading.text))
    if reading.status == "skipped":
        return None, report
    return Document(path, reading.text, reading.format, reading.pages), report


def _nothing(folder: Path, reports: list[FileReport]) -> str:
    if not reports:
        return f"There are no files in {folder}."
    lines = [f"  {report.path}: {report.reason}" for report in reports[:_NAMED]]
    if len(reports) > _NAMED:
        lines.append(f"  and {len(reports) - _NAMED:,} more")
    count = "the only file" if len(reports) == 1 else f"all {len(reports):,} files"
    return f"Nothing readable in {folder}; {count} skipped:\n" + "\n".join(lines)
