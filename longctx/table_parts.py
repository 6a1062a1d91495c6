"""Records as Arrow tables, block by block; of large runs kept beside the records, so that each is parsed once.

A run's records only ever grow. What was parsed lies in ``.table`` inside the run's folder, a Parquet file for each
stretch of records.jsonl, with its length and a hash of its two ends: where these no longer fit, it is parsed again.
Where nothing can be written there, nothing is.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from longctx import record_blocks, records
from longctx.columns import COLUMNS

PART = 256 << 20  # bytes of records.jsonl for each kept stretch
BLOCK = 32 << 20  # that are parsed at once
_ENDS = 1 << 16
_FORMAT = hashlib.sha256(json.dumps([1, COLUMNS]).encode()).hexdigest()[:16]


def read(path: Path, part: int = PART, block: int = BLOCK) -> Iterator[pa.Table | Path]:
    """Tables of `record_blocks.SCHEMA` in the order of the lines, or Parquet files that hold such a table.

    Args:
        path: of records.jsonl.
        part: bytes of a stretch that is kept; what remains at the end is parsed anew each time.
        block: bytes that are parsed at once.

    Raises:
        RunError: a damaged line.
        OSError: the file cannot be read.
    """
    folder = path.parent / ".table"
    with path.open("rb") as file:
        size, begin, line = os.fstat(file.fileno()).st_size, 0, 1
        if size < part:
            yield from _blocks(file, path, 0, size, line, block)
            return
        known = _index(folder)
        kept: list[dict[str, Any]] = []
        while begin < size:
            stretch = known.get(begin)
            if stretch and stretch["end"] <= size and _fits(stretch, file, folder):
                yield folder / stretch["name"]
            elif (end := _line_end(file, begin + part, size)) is None:
                yield from _blocks(file, path, begin, size, line, block)
                return
            else:
                name, tables, counted = f"{begin:015}.parquet", [], 0
                for table in _blocks(file, path, begin, end, line, block, more=end < size):
                    tables.append(table)
                    counted += table.num_rows
                stretch = {"name": name, "end": end, "ends": _ends(file, begin, end), "lines": counted}
                written = _write(folder, name, tables, [*kept, {"begin": begin, **stretch}])
                yield from [folder / name] if written else tables
            kept.append({"begin": begin, **stretch})
            begin, line = stretch["end"], line + stretch["lines"]


def _blocks(
    file: IO[bytes], path: Path, begin: int, end: int, line: int, block: int, more: bool = False
) -> Iterator[pa.Table]:
    """Parse a stretch."""
    rest = b""
    at = begin
    while at < end or rest:
        file.seek(at)
        data = rest + file.read(min(block, end - at))
        at = min(at + block, end)
        cut = data.rfind(b"\n") + 1 if at < end else len(data)
        data, rest = data[:cut], data[cut:]
        if not data:
            continue
        table = record_blocks.read(data) if data.endswith(b"\n") else None
        if table is None:
            follows = more or at < end or bool(rest)
            found = list(records.rows(path, data.splitlines(keepends=True), line, nested=False, last=not follows))
            table = _slow(found, path) if found else None
        line += data.count(b"\n")
        if table is not None and table.num_rows:
            yield table
        data = b""


def _slow(rows: list[dict[str, Any]], path: Path) -> pa.Table:
    axes = [{name: row[f"variant.{name}"] for name in row["variant"]} for row in rows]
    frame = records.as_frame([{**row, "variant": {}} for row in rows], path)
    frame = frame.astype({name: object for name, (dtype, _) in COLUMNS.items() if dtype == "category"})
    frame["variant"] = [json.dumps(axis) if axis else "" for axis in axes]
    return pa.Table.from_pandas(frame, record_blocks.SCHEMA, preserve_index=False)


def _line_end(file: IO[bytes], near: int, size: int) -> int | None:
    """Where the line that holds byte `near` ends; None where it is not complete."""
    if near >= size:
        return None
    file.seek(near)
    line = file.readline()
    return file.tell() if line.endswith(b"\n") else None


def _fits(stretch: dict[str, Any], file: IO[bytes], folder: Path) -> bool:
    """True where a kept stretch is what stands in the file, and whole."""
    if stretch["ends"] != _ends(file, stretch["begin"], stretch["end"]):
        return False
    try:
        return bool(pq.read_metadata(folder / stretch["name"]).num_rows)
    except (OSError, pa.ArrowException):
        return False


def _ends(file: IO[bytes], begin: int, end: int) -> str:
    found = hashlib.sha256(str(end - begin).encode())
    for place in (begin, max(begin, end - _ENDS)):
        file.seek(place)
        found.update(file.read(min(_ENDS, end - place)))
    return found.hexdigest()


def _index(folder: Path) -> dict[int, dict[str, Any]]:
    """Stretches by where they begin; none where they are of another version or their files are gone."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        if index["format"] == _FORMAT:
            return {one["begin"]: one for one in index["parts"] if (folder / one["name"]).is_file()}
    return {}


def _write(folder: Path, name: str, tables: list[pa.Table], parts: list[dict[str, Any]]) -> bool:
    """Keep a stretch; False where it cannot be."""
    draft = folder / f".{os.getpid()}-{name}"
    try:
        if not (folder / "index.json").exists():
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(exist_ok=True)
        with pq.ParquetWriter(draft, record_blocks.SCHEMA, compression="lz4") as writer:
            for table in tables:
                writer.write_table(table)
        os.replace(draft, folder / name)
        draft.write_text(json.dumps({"format": _FORMAT, "parts": parts}), encoding="utf-8")
        os.replace(draft, folder / "index.json")
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink()
        return False
    return True
