"""A run on disk: one process writes, nothing finished is lost, nothing foreign is mixed in."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import numpy as np

from longctx.errors import LongctxError, RunError
from longctx.sweep import Sweep, differences

_ELSEWHERE = "Continue it as it was begun, or choose another folder with --out."


class RunFolder:
    """Folder ``runs/NAME``, held by this process until it is closed.

    ``records.jsonl`` only grows, by one synced line per answer, so that a killed process loses at most the
    sample in flight. Where a sample was asked again, its newest record counts.

    Attributes:
        path: the folder.
        scores: cell id → score of its answer, for cells that were answered; a failed call is no answer.
        errors: cell id → message, for cells whose newest record is a failed call.
        written: records that this process has added.
        damaged_bytes: length of a torn last line that was dropped when the folder was opened.
    """

    def __init__(self, path: Path | str, sweep: Sweep) -> None:
        """Create the folder or open it to go on.

        Raises:
            RunError: it is no run, belongs to another sweep or process, is damaged, or cannot be written.
        """
        self.path = Path(path)
        self.scores: dict[str, float] = {}
        self.errors: dict[str, str] = {}
        self.written = self.damaged_bytes = 0
        self._lock = self._records = -1
        try:
            self._prepare(sweep)
        except OSError as error:
            self.close()
            raise RunError(f"Run folder {self.path} cannot be used: {error.strerror or error}.") from None
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let another process have the folder. May be called twice."""
        for descriptor in (self._records, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._lock = self._records = -1

    @property
    def begun(self) -> bool:
        """Whether any record was written."""
        return bool(self.scores or self.errors)

    def check(self, manifest: Mapping[str, Any], corpora: Mapping[str, Any]) -> None:
        """Make sure that what the run is made of has not changed since its first record.

        Args:
            manifest: as it would be written for a new run; the version, the tokenizer's hash and files that are
                named count.
            corpora: contents of ``corpora.json``: name → ``hashes`` (length → hash of what its samples are cut
                from) and more.

        Raises:
            RunError: records would mix versions, tokenizers, corpora or other files; names both.
        """
        if not self.begun:
            return
        old, old_corpora = self._read_json("manifest.json"), self._read_json("corpora.json")
        pairs = [
            ("longctx", old.get("longctx"), manifest.get("longctx")),
            ("tokenizer hash", old.get("tokenizer", {}).get("hash"), manifest.get("tokenizer", {}).get("hash")),
        ]
        files = {**old.get("files", {}), **manifest.get("files", {})}
        pairs += [(name, old.get("files", {}).get(name), manifest.get("files", {}).get(name)) for name in files]
        for name, corpus in corpora.items():
            before = old_corpora.get(name, {}).get("hashes", {})
            pairs += [(f"corpus {name!r} hash", before.get(length), now) for length, now in corpus["hashes"].items()]
        changed = list(dict.fromkeys(f"{what}: {before} → {now}" for what, before, now in pairs if before != now))
        if changed:
            raise RunError(
                f"Run {self.path} is half done, and what it is made of has changed since: "
                f"{'; '.join(changed)}. {_ELSEWHERE}"
            )

    def describe(self, manifest: Mapping[str, Any], corpora: Mapping[str, Any]) -> None:
        """Write ``manifest.json`` and ``corpora.json``.

        A run that goes on keeps its first manifest; only where and when it went on is added to ``sessions``.

        Raises:
            RunError: they cannot be written.
        """
        files = {"manifest.json": dict(manifest), "corpora.json": dict(corpora)}
        if self.begun:
            old = self._read_json("manifest.json")
            sessions = [*old.get("sessions", ()), *manifest.get("sessions", ())]
            files = {"manifest.json": {**old, "sessions": sessions}}
        try:
            for name, content in files.items():
                write_whole(self.path / name, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
        except RunError as error:
            raise RunError(f"{error} Nothing was asked.") from None

    def append(self, record: Mapping[str, Any]) -> None:
        """Add one record and wait until it is on the disk.

        Raises:
            RunError: it cannot be written; what was there before is unharmed.
        """
        line = _line(record)
        end = os.lseek(self._records, 0, os.SEEK_END)
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[os.write(self._records, rest) :]
            os.fsync(self._records)
        except BaseException as error:
            with contextlib.suppress(OSError):  # if this fails as well, the torn line is dropped at resume
                os.ftruncate(self._records, end)
            if not isinstance(error, OSError):
                raise
            raise RunError(
                f"{self.path / 'records.jsonl'} cannot be written: {error.strerror}. The {len(self.scores):,} answers "
                "before it are kept; when there is room, the same command goes on."
            ) from None
        self._note(_answer(record))
        self.written += 1

    def _prepare(self, sweep: Sweep) -> None:
        file = self.path / "sweep.toml"
        if self.path.is_dir() and not file.exists():
            foreign = sorted(item.name for item in self.path.iterdir() if not item.name.startswith("."))
            if foreign:
                raise RunError(f"{self.path} is not a run but holds {', '.join(foreign[:5])}; choose another --out.")
        self.path.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        if file.exists():
            try:
                old = Sweep.from_fields(tomllib.loads(file.read_text(encoding="utf-8"))).to_fields()
            except (LongctxError, ValueError) as error:
                raise RunError(f"{file} is damaged or from another version of longctx: {error}") from None
            if changed := differences(old, sweep.to_fields()):
                raise RunError(f"{self.path} holds another sweep ({'; '.join(changed)}). {_ELSEWHERE}")
        else:
            write_whole(file, sweep.to_toml())
        records = self.path / "records.jsonl"
        self._records = os.open(records, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        end = 0
        for size, answer in _whole_lines(records):
            end += size
            self._note(answer)
        self.damaged_bytes = records.stat().st_size - end
        if self.damaged_bytes:
            os.ftruncate(self._records, end)

    def _take_lock(self) -> None:
        # POSIX locks belong to the process: they end with it even after kill -9, and unlike flock()
        # an engine's worker process that outlives its parent does not keep them.
        self._lock = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            holder = os.read(self._lock, 32).decode(errors="replace").strip() or "unknown"
            raise RunError(f"{self.path} is being written by another process (pid {holder}).") from None
        os.ftruncate(self._lock, 0)
        os.write(self._lock, f"{os.getpid()}\n".encode())

    def _note(self, answer: _Answer) -> None:
        self.scores.pop(answer.cell, None)
        self.errors.pop(answer.cell, None)
        if answer.score is None:
            self.errors[answer.cell] = answer.error
        else:
            self.scores[answer.cell] = answer.score

    def _read_json(self, name: str) -> dict[str, Any]:
        try:
            content = json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(
                f"Run {self.path} has records, but its {name} cannot be read ({error}): it cannot be told whether "
                f"new answers would fit to them. {_ELSEWHERE}"
            ) from None
        if not isinstance(content, dict):
            raise RunError(f"{self.path / name} is damaged: not a JSON object.")
        return content


class _Answer(msgspec.Struct, gc=False):
    """What a run needs to know of a record to go on: the rest of the line is checked, but not made into objects."""

    cell: str
    outcome: str
    score: float | None = None
    error: str = ""


_DECODER = msgspec.json.Decoder(_Answer)


def _whole_lines(path: Path) -> Iterator[tuple[int, _Answer]]:
    """Every complete line's bytes and answer; a torn last line, which a killed process leaves, is left out."""
    damaged = 0
    with path.open("rb", buffering=1 << 20) as file:
        for number, line in enumerate(file, 1):
            if damaged:
                raise RunError(f"{path} is damaged: line {damaged} is not a record, and more lines follow it.")
            answer = _read(line) if line.endswith(b"\n") else None
            if answer is None:
                damaged = number
            else:
                yield len(line), answer


def _read(line: bytes) -> _Answer | None:
    """The answer that a line records; None where it is no complete record."""
    try:
        line.isascii() or line.decode()  # msgspec does not look at the bytes of texts that it skips
        found: _Answer = _DECODER.decode(line)
        if found.outcome == "error":
            found.score = None
        elif found.score is None:
            return None
        return found
    except (msgspec.MsgspecError, ValueError):  # not as a run writes it, or halves of surrogates, as a model may
        with contextlib.suppress(ValueError):
            record = json.loads(line)
            if isinstance(record, dict) and _complete(record):
                return _answer(record)
    return None


def _answer(record: Mapping[str, Any]) -> _Answer:
    score = None if record["outcome"] == "error" else float(record["score"])
    return _Answer(record["cell"], record["outcome"], score, str(record.get("error", "")))


def _complete(record: dict[str, Any]) -> bool:
    scored = isinstance(record.get("score"), int | float) or record.get("outcome") == "error"
    return isinstance(record.get("cell"), str) and isinstance(record.get("outcome"), str) and scored


def _line(record: Mapping[str, Any]) -> bytes:
    """One record as a line of JSON, readable where it is valid Unicode (half a surrogate pair is escaped)."""
    try:
        text = json.dumps(record, ensure_ascii=False, allow_nan=False, default=_unwrapped)
    except (TypeError, ValueError) as error:
        raise RunError(f"The record of sample {record.get('id')} cannot be written as JSON: {error}.") from None
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(record, default=_unwrapped).encode() + b"\n"


def _unwrapped(value: Any) -> Any:
    """A numpy number as a plain one: generators compute with them."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} is no JSON value")


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all.

    Raises:
        RunError: it cannot be written.
    """
    draft = path.with_name(f".{path.name}.draft")
    try:
        with draft.open("w", encoding="utf-8", errors="replace") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise RunError(f"{path} cannot be written: {error.strerror or error}.") from None
