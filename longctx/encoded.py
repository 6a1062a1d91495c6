"""Documents as tokens, each encoded once for a tokenizer and kept by content."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from longctx.seams import Piece, Run, Slice, splice
from longctx.starts import Starts
from longctx.tokens import Offsets, Tokenizer
from longctx.types import Ids

_CHUNK = 1 << 15  # characters that one core encodes at a time: long documents go to all cores
_BATCH = 1 << 22  # characters handed to the tokenizer in one call: bounds memory
_MANY = 1 << 16  # characters for which looking up the lengths of all tokens is worth it
_LAYOUT = 1  # of the rows; other layouts are ignored


@dataclass(frozen=True, slots=True, eq=False)
class TextStore:
    """Text with its tokens in memory (a `seams.Store`)."""

    text: npt.NDArray[np.uint8]
    ids: Ids
    starts: Offsets


def gather(runs: Sequence[Run]) -> tuple[Ids, Offsets]:
    """Ids of runs, and byte offsets in the text that they are the tokens of."""
    ids = np.concatenate([run.ids for run in runs])
    starts = np.concatenate([run.starts + run.shift for run in runs])
    return ids.astype(np.uint32, copy=False), starts.astype(np.int64, copy=False)


def encode_documents(
    texts: Sequence[str], tokenizer: Tokenizer, cache: Path, progress: Callable[[int, int], None] | None = None
) -> Iterator[TextStore]:
    """Tokens of each text, in order; what `cache` holds already is not encoded again.

    Args:
        texts: documents.
        tokenizer: the model's.
        cache: an SQLite file, made if it is not there. Two processes may share it; one that is damaged is made anew.
        progress: called with characters done and characters in all.
    """
    total, done = sum(map(len, texts)), 0
    connection = _open(cache)
    with closing(connection):
        for batch in _batches(texts):
            keys = [hashlib.sha256(text.encode()).digest() for text in batch]
            known = [_load(connection, key, text) for key, text in zip(keys, batch, strict=True)]
            missing = [index for index, store in enumerate(known) if store is None]
            fresh = dict(zip(missing, encode_texts([batch[index] for index in missing], tokenizer), strict=True))
            _save(connection, [(keys[index], store) for index, store in fresh.items()])
            for index, store in enumerate(known):
                yield store if store is not None else fresh[index]
            done += sum(map(len, batch))
            if progress:
                progress(done, total)


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in texts:
        batch.append(text)
        size += len(text)
        if size >= _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def encode_texts(texts: Sequence[str], tokenizer: Tokenizer) -> list[TextStore]:
    """Tokens of each text: encoded in chunks on all cores, then mended at the seams between a text's chunks."""
    chunks = [_chunks(text) for text in texts]
    encodings = _encoded([chunk for parts in chunks for chunk in parts], tokenizer)
    stores = []
    for text, parts in zip(texts, chunks, strict=True):
        ids, starts, pieces = [], [], list[Piece]()
        offset = 0
        for _ in parts:
            own_ids, own_starts, size = next(encodings)
            ids.append(own_ids)
            starts.append(own_starts + offset)
            pieces.append(Slice(offset, offset + size))
            offset += size
        raw = np.frombuffer(text.encode(), np.uint8)
        store = TextStore(raw, np.concatenate(ids), np.concatenate(starts))
        if len(parts) > 1:
            store = TextStore(raw, *gather(splice(store, pieces, tokenizer)))
        stores.append(store)
    return stores


def _encoded(chunks: Sequence[str], tokenizer: Tokenizer) -> Iterator[tuple[Ids, Offsets, int]]:
    """Ids of each chunk, the bytes at which they begin, and its bytes."""
    known = Starts.find(tokenizer, max(chunks, key=len)) if sum(map(len, chunks)) > _MANY else None
    if known is None:
        for encoding, chunk in zip(tokenizer.encode_many(chunks), chunks, strict=True):
            yield encoding.ids, encoding.starts, len(chunk.encode())
        return
    for ids, chunk in zip(tokenizer.ids_many(chunks), chunks, strict=True):
        raw = np.frombuffer(chunk.encode(), np.uint8)
        starts = known.of(ids, raw)
        if starts is None:  # an added token that took blanks with it, for example
            encoding = tokenizer.encode(chunk)
            ids, starts = encoding.ids, encoding.starts
        yield ids, starts, len(raw)


def _chunks(text: str) -> list[str]:
    parts, begin = [], 0
    while len(text) - begin > 2 * _CHUNK:
        end = text.find("\n", begin + _CHUNK, begin + 2 * _CHUNK)
        end = begin + _CHUNK if end < 0 else end
        parts.append(text[begin:end])
        begin = end
    return [*parts, text[begin:]]


def _open(cache: Path) -> sqlite3.Connection:
    try:
        return _prepare(cache)
    except sqlite3.DatabaseError:
        # Not a database any more: it holds nothing that cannot be made again.
        for suffix in ("", "-wal", "-shm"):
            cache.with_name(cache.name + suffix).unlink(missing_ok=True)
        return _prepare(cache)


def _prepare(cache: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(cache, timeout=60)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS encoded (text BLOB, layout INT, ids BLOB, starts BLOB, digest BLOB, "
            "PRIMARY KEY (text, layout))"
        )
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def _digest(ids: bytes, starts: bytes) -> bytes:
    return hashlib.blake2b(ids + starts, digest_size=16).digest()


def _load(connection: sqlite3.Connection, key: bytes, text: str) -> TextStore | None:
    try:
        query = "SELECT ids, starts, digest FROM encoded WHERE text = ? AND layout = ?"
        row = connection.execute(query, (key, _LAYOUT)).fetchone()
    except sqlite3.DatabaseError:  # a damaged page: this text is encoded again
        return None
    if row is None or _digest(row[0], row[1]) != row[2]:
        return None
    raw = np.frombuffer(text.encode(), np.uint8)
    return TextStore(raw, np.frombuffer(row[0], np.uint32), np.frombuffer(row[1], np.uint32).astype(np.int64))


def _save(connection: sqlite3.Connection, rows: Sequence[tuple[bytes, TextStore]]) -> None:
    blobs = [(key, store.ids.tobytes(), store.starts.astype(np.uint32).tobytes()) for key, store in rows]
    try:
        with connection:
            connection.executemany(
                "INSERT OR REPLACE INTO encoded VALUES (?, ?, ?, ?, ?)",
                [(key, _LAYOUT, ids, starts, _digest(ids, starts)) for key, ids, starts in blobs],
            )
    except sqlite3.DatabaseError:
        return  # a full disk or a damaged file: the cache saves time, nothing depends on it
