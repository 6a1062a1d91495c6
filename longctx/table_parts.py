"""Records as Arrow tables; of large runs parsed by all cores at once and kept beside the records, so that it is once.

A run's records only ever grow. What was parsed lies in ``.table`` inside the run's folder, an Arrow file for each
stretch of records.jsonl, with its length and a hash of its two ends: where these no longer fit, it is parsed again.
Where nothing can be written there, nothing is.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import queue
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from longctx import record_blocks, records
from longctx.columns import COLUMNS
from longctx.messages import environment, receive, send

PART = 64 << 20  # bytes of records.jsonl for each kept stretch
BLOCK = 2 << 20  # that are parsed at once: what fits into a processor's cache
_ENDS = 1 << 16
_FORMAT = hashlib.sha256(json.dumps([2, COLUMNS]).encode()).hexdigest()[:16]
_COMMAND = (sys.executable, "-P", "-m", "longctx.table_worker")


@dataclass(frozen=True, slots=True)
class Stretch:
    """What is known of some lines of records.jsonl.

    Attributes:
        begin: byte at which they begin.
        end: byte after the last.
        lines: how many.
        ends: hash of their two ends.
    """

    begin: int
    end: int
    lines: int
    ends: str

    @property
    def name(self) -> str:
        """Of the file that is kept."""
        return f"{self.begin:015}.arrow"


def read(path: Path, columns: Sequence[str] | None = None, part: int = PART, block: int = BLOCK) -> Iterator[pa.Table]:
    """Tables of `record_blocks.SCHEMA` in the order of the lines.

    Args:
        path: of records.jsonl.
        columns: of the schema; all by default.
        part: bytes of a stretch that is kept; what remains at the end is parsed anew each time.
        block: bytes that are parsed at once.

    Raises:
        RunError: a damaged line.
        OSError: the file cannot be read.
    """
    folder = path.parent / ".table"
    names = list(record_blocks.SCHEMA.names if columns is None else columns)
    with path.open("rb", buffering=0) as file:
        places = list(_places(file, os.fstat(file.fileno()).st_size, part))
        known = {one.begin: one for one in _index(folder) if _fits(one, file, folder)} if len(places) > 1 else {}
        kept: list[Stretch] = []
        line = 1
        with _Workers(path, [at for at in places[:-1] if at[0] not in known], block) as workers:
            for begin, end in places[:-1]:
                found = known.get(begin)
                data: Any = folder / found.name if found and found.end == end else None
                if data is None:
                    lines, data = workers.parsed(begin)
                    if lines is None:  # in this process, which says what is wrong
                        lines, tables = parse(file, path, begin, end, line, block, more=True)
                        data = packed(tables)
                    found = Stretch(begin, end, lines, _ends(file, begin, end))
                    data = folder / found.name if _keep(folder, found, data, kept) else data
                assert found is not None
                kept.append(found)
                line += found.lines
                yield from unpacked(data, names)
        yield from (table.select(names) for table in parse(file, path, *places[-1], line, block)[1])


def parse(
    file: IO[bytes], path: Path, begin: int, end: int, line: int = 1, block: int = BLOCK, more: bool = False
) -> tuple[int, list[pa.Table]]:
    """Parse a stretch: its lines and their tables.

    Args:
        file: records.jsonl, opened for bytes without a buffer.
        path: of it, for messages.
        begin: byte of the first line.
        end: byte after the last.
        line: number of the first line, from 1.
        block: bytes that are parsed at once.
        more: lines follow the last, so that it cannot be torn.

    Raises:
        RunError: a damaged line.
    """
    first, tables, at, size = line, [], begin, block
    while at < end:
        data = _exactly(file, at, min(at + size, end))
        cut = data.rfind(b"\n") + 1 if at + size < end else len(data)
        if not cut:  # a line that is longer
            size *= 2
            continue
        whole, lines = memoryview(data)[:cut], data.count(b"\n", 0, cut)
        table = record_blocks.read(whole, lines) if data[cut - 1] == ord("\n") else None
        if table is None:
            follows = more or at + cut < end
            written = bytes(whole).splitlines(keepends=True)
            found = list(records.rows(path, written, line, nested=False, last=not follows))
            table = _slow(found, path) if found else None
        if table is not None:
            tables.append(table)
        at, line, size = at + cut, line + lines, block
    return line - first, tables


def packed(tables: Sequence[pa.Table]) -> bytes:
    """Tables as the bytes of one Arrow file."""
    sink = pa.BufferOutputStream()
    whole = pa.concat_tables([*tables, record_blocks.SCHEMA.empty_table()]).unify_dictionaries().combine_chunks()
    with pa.ipc.new_file(sink, record_blocks.SCHEMA) as writer:  # not compressed: what is mapped costs nothing to load
        writer.write_table(whole)
    return bytes(sink.getvalue().to_pybytes())


def unpacked(source: Path | bytes, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Some columns of an Arrow file, read without the others; nothing where it has no rows."""
    fields = [record_blocks.SCHEMA.get_field_index(name) for name in columns]
    with pa.memory_map(str(source)) if isinstance(source, Path) else pa.BufferReader(source) as file:
        options = pa.ipc.IpcReadOptions(included_fields=fields)
        found = pa.ipc.open_file(file, options=options).read_all()
    if found.num_rows:
        yield found.select(list(columns))


class _Workers:
    """Processes that parse stretches, all cores at once; plain subprocesses, which work from any script or notebook."""

    def __init__(self, path: Path, places: Sequence[tuple[int, int]], block: int) -> None:
        self._path, self._block = path, block
        self._idle: queue.SimpleQueue[subprocess.Popen[bytes]] = queue.SimpleQueue()
        self._all: list[subprocess.Popen[bytes]] = []
        count = min(len(places), _cores()) if len(places) > 1 else 0
        self._threads = ThreadPoolExecutor(max(count, 1))
        for _ in range(count):
            with contextlib.suppress(OSError):
                self._all.append(
                    subprocess.Popen(
                        _COMMAND,
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.DEVNULL,
                        env=environment(),
                    )  # fmt: skip
                )
        for process in self._all:
            self._idle.put(process)
        self._found: dict[int, Future[tuple[int | None, bytes]]] = (
            {at[0]: self._threads.submit(self._ask, *at) for at in places} if self._all else {}
        )

    def __enter__(self) -> _Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for process in self._all:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                assert pipe
                with contextlib.suppress(OSError):
                    pipe.close()
        self._threads.shutdown()

    def parsed(self, begin: int) -> tuple[int | None, bytes]:
        """Lines and packed table of a stretch; None where no worker could parse it."""
        return self._found.pop(begin).result() if begin in self._found else (None, b"")

    def _ask(self, begin: int, end: int) -> tuple[int | None, bytes]:
        process = self._idle.get()
        assert process.stdin and process.stdout
        try:
            request = {"path": str(self._path.absolute()), "begin": begin, "end": end, "block": self._block}
            send(process.stdin, request, b"")
            header, data = receive(process.stdout)
            return header["lines"], data
        except (EOFError, OSError, ValueError):  # it died, or cannot be started here
            return None, b""
        finally:
            self._idle.put(process)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _exactly(file: IO[bytes], begin: int, end: int) -> bytes:
    file.seek(begin)
    data = file.read(end - begin)
    while len(data) < end - begin and (more := file.read(end - begin - len(data))):
        data += more
    return data


def _slow(rows: list[dict[str, Any]], path: Path) -> pa.Table:
    axes = [{name: row[f"variant.{name}"] for name in row["variant"]} for row in rows]
    frame = records.as_frame([{**row, "variant": {}} for row in rows], path)
    frame = frame.astype({name: object for name, (dtype, _) in COLUMNS.items() if dtype == "category"})
    frame["variant"] = [json.dumps(axis) if axis else "" for axis in axes]
    return pa.Table.from_pandas(frame, record_blocks.SCHEMA, preserve_index=False)


def _places(file: IO[bytes], size: int, part: int) -> Iterator[tuple[int, int]]:
    """Where stretches begin and end: at the end of the line that holds their last byte. The last is the rest."""
    begin = 0
    while begin + part < size:
        at, found = begin + part, -1
        while at < size and found < 0:
            data = _exactly(file, at, min(at + _ENDS, size))
            found = data.find(b"\n")
            at += found + 1 if found >= 0 else len(data)
        if found < 0:  # a line that is not complete
            break
        yield begin, at
        begin = at
    yield begin, size


def _fits(stretch: Stretch, file: IO[bytes], folder: Path) -> bool:
    """True where a kept stretch is what stands in the file, and whole."""
    if stretch.ends != _ends(file, stretch.begin, stretch.end):
        return False
    try:
        with pa.memory_map(str(folder / stretch.name)) as kept:
            return bool(pa.ipc.open_file(kept).schema.equals(record_blocks.SCHEMA))
    except (OSError, pa.ArrowException):
        return False


def _ends(file: IO[bytes], begin: int, end: int) -> str:
    found = hashlib.sha256(str(end - begin).encode())
    for place in (begin, max(begin, end - _ENDS)):
        found.update(_exactly(file, place, min(place + _ENDS, end)))
    return found.hexdigest()


def _index(folder: Path) -> list[Stretch]:
    """Stretches that are kept; none where they are of another version."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        if index["format"] == _FORMAT:
            return [Stretch(**one) for one in index["parts"]]
    return []


def _keep(folder: Path, stretch: Stretch, data: bytes, before: Sequence[Stretch]) -> bool:
    """Keep a stretch; False where it cannot be."""
    draft = folder / f".{os.getpid()}-{stretch.name}"
    try:
        if not before and not _index(folder):
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(exist_ok=True)
        draft.write_bytes(data)
        os.replace(draft, folder / stretch.name)
        parts = [asdict(one) for one in (*before, stretch)]
        draft.write_text(json.dumps({"format": _FORMAT, "parts": parts}), encoding="utf-8")
        os.replace(draft, folder / "index.json")
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink()
        return False
    return True
