from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from longctx.documents import cache as caching
from longctx.documents.base import Reading
from longctx.documents.cache import ReadingCache

READING = Reading("partly read", "page 2: damaged", "pdf", "Größe 😀\n\ntwo", (0, 9))


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    cache = ReadingCache(tmp_path / "cache")
    assert cache.get(b"data", "a.pdf") is None
    cache.put(b"data", "a.pdf", READING)
    assert ReadingCache(tmp_path / "cache").get(b"data", "elsewhere/B.PDF") == READING


def test_bytes_suffix_and_readers_are_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = ReadingCache(tmp_path)
    cache.put(b"data", "a.pdf", READING)
    assert cache.get(b"date", "a.pdf") is None
    assert cache.get(b"data", "a.txt") is None
    monkeypatch.setattr(caching, "_readers", lambda: "another version")
    assert cache.get(b"data", "a.pdf") is None


def test_what_a_limit_had_a_part_in_is_not_kept(tmp_path: Path) -> None:
    cache = ReadingCache(tmp_path)
    cache.put(b"data", "a.pdf", Reading("skipped", "took longer", lasting=False))
    assert cache.get(b"data", "a.pdf") is None and files(tmp_path) == []


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "add"])
def test_a_damaged_entry_counts_as_missing(tmp_path: Path, damage: str) -> None:
    cache = ReadingCache(tmp_path)
    cache.put(b"data", "a.pdf", READING)
    (entry,) = files(tmp_path)
    content = bytearray(entry.read_bytes())
    if damage == "flip":
        content[-5] ^= 1
    entry.write_bytes({"cut": content[:-9], "empty": b"", "add": content + b" "}.get(damage, content))
    assert cache.get(b"data", "a.pdf") is None
    cache.put(b"data", "a.pdf", READING)
    assert cache.get(b"data", "a.pdf") == READING


def test_a_disk_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = ReadingCache(tmp_path / "file" / "cache")
    cache.put(b"data", "a.pdf", READING)
    assert cache.get(b"data", "a.pdf") is None


def _hammer(folder: Path) -> None:
    cache = ReadingCache(folder)
    for number in range(150):
        data = str(number % 7).encode()
        found = cache.get(data, "a.txt")
        assert found is None or found.text == f"text {number % 7} " * 2000
        cache.put(data, "a.txt", Reading("read", "", "text", f"text {number % 7} " * 2000))


def test_processes_may_share_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_hammer, args=(tmp_path,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert len(files(tmp_path)) == 7
