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
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa

from longctx import record_blocks, records
from longctx.columns import COLUMNS
from longctx.table_workers import Workers

PART = 64 << 20  # bytes of records.jsonl for each kept stretch
BLOCK = 2 << 20  # that are parsed at once: what fits into a processor's cache
_ENDS = 1 << 16
_NEWLINE = ord("\n")
_FORMAT = hashlib.sha256(json.dumps([3, COLUMNS]).encode()).hexdigest()[:16]


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
        wanted = [place for place in places[:-1] if place[0] not in known]
        kept: list[Stretch] = []
        line = 1
        with Workers(path, wanted, block, _made(folder) if wanted else None) as workers:
            for begin, end in places[:-1]:
                found = known.get(begin)
                data: Any = folder / found.name if found and found.end == end else None
                if data is None:
                    lines, data = workers.parsed(begin)
                    if lines is None:  # in this process, which says what is wrong
                        lines, tables = parse(file, path, begin, end, line, block, more=True)
                        data = packed(tables)
                    found = Stretch(begin, end, lines, _ends(file, begin, end))
                    data = _keep(folder, found, data, kept)
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
        whole, lines = memoryview(data)[:cut], int(np.count_nonzero(np.frombuffer(data, np.uint8, cut) == _NEWLINE))
        table = record_blocks.read(whole, lines) if data[cut - 1] == _NEWLINE else None
        if table is None:
            follows = more or at + cut < end
            written = bytes(whole).splitlines(keepends=True)
            found = list(records.rows(path, written, line, objects=False, last=not follows))
            table = _slow(found, path) if found else None
        if table is not None:
            tables.append(table)
        at, line, size = at + cut, line + lines, block
    return line - first, tables


def packed(tables: Sequence[pa.Table], draft: Path | None = None) -> bytes:
    """Tables as one Arrow file: its bytes, or none where they could be written to `draft`."""
    whole = pa.concat_tables([*tables, record_blocks.SCHEMA.empty_table()]).unify_dictionaries().combine_chunks()
    if draft is not None:
        try:
            with pa.OSFile(str(draft), "wb") as file:
                _write(whole, file)
            return b""
        except OSError:
            with contextlib.suppress(OSError):
                draft.unlink()
    sink = pa.BufferOutputStream()
    _write(whole, sink)
    return bytes(sink.getvalue())


def _write(table: pa.Table, sink: Any) -> None:
    with pa.ipc.new_file(sink, record_blocks.SCHEMA) as writer:  # not compressed: what is mapped costs nothing to load
        writer.write_table(table)


def unpacked(source: Path | bytes, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Some columns of an Arrow file, read without the others; nothing where it has no rows."""
    fields = [record_blocks.SCHEMA.get_field_index(name) for name in columns]
    # of a file that is read whole no field is named: naming all takes ten times as long
    options = pa.ipc.IpcReadOptions(included_fields=fields if len(fields) < len(record_blocks.SCHEMA) else None)
    with pa.memory_map(str(source)) if isinstance(source, Path) else pa.BufferReader(source) as file:
        found = pa.ipc.open_file(file, options=options).read_all()
    if found.num_rows:
        yield found.select(list(columns))


def _exactly(file: IO[bytes], begin: int, end: int) -> bytes:
    file.seek(begin)
    data = file.read(end - begin)
    while len(data) < end - begin and (more := file.read(end - begin - len(data))):
        data += more
    return data


def _slow(rows: list[dict[str, Any]], path: Path) -> pa.Table:
    axes = [{name: row[f"variant.{name}"] for name in row["variant"]} for row in rows]
    frame = records.as_frame([{**row, "variant": {}} for row in rows], path)
    frame = frame.astype({name: object for name in frame if COLUMNS[str(name)][0] == "category"})
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


def _made(folder: Path) -> Path | None:
    """The folder, without what nothing there says to be whole; None where none can be made."""
    try:
        if not _index(folder):
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(exist_ok=True)
    except OSError:
        return None
    return folder


def _keep(folder: Path, stretch: Stretch, data: Path | bytes, before: Sequence[Stretch]) -> Path | bytes:
    """Keep a stretch, its bytes or the draft of its file; where it can be read from now."""
    place, draft = folder / stretch.name, folder / f".{os.getpid()}-{stretch.name}"
    try:
        if isinstance(data, bytes):
            draft.write_bytes(data)
        os.replace(draft if isinstance(data, bytes) else data, place)
        data = place
        parts = [asdict(one) for one in (*before, stretch)]
        draft.write_text(json.dumps({"format": _FORMAT, "parts": parts}), encoding="utf-8")
        os.replace(draft, folder / "index.json")
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink()
    return data
