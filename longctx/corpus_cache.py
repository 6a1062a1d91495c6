"""Building a corpus once and keeping it: the key is content, the write is atomic, damage is noticed."""

from __future__ import annotations

import bisect
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

from longctx import sources
from longctx.content import cache_folder
from longctx.cuts import CUTS_VERSION, PARAGRAPH, find_cuts, in_bytes
from longctx.encoded import TextStore, encode_documents, gather
from longctx.errors import DocumentError
from longctx.seams import Piece, Slice, splice
from longctx.sources import Progress, Source
from longctx.tokens import Tokenizer, byte_offsets
from longctx.types import Document

_LAYOUT = "1"  # of the cached files
_BORDER = "\n\n"  # between two documents


@dataclass(frozen=True, slots=True)
class Stretch:
    """Where one document lies in a corpus."""

    path: str
    format: str
    begin: int  # byte
    end: int
    pages: tuple[int, ...]  # byte offset in the corpus at which each page begins


def cached(source: Source, chars: int, tokenizer: Tokenizer, progress: Progress | None) -> tuple[Path, dict[str, Any]]:
    """The cached corpus's folder and what stands in its meta.json; built where it is missing or damaged."""
    reading = None
    if source.grows:
        print_of = sources.fingerprint(source, chars)
    else:
        reading = sources.read(source, chars, progress)
        print_of = json.dumps(
            [[d.path, d.format, d.pages, _sha(d.text)] for d in reading.documents]
            + [asdict(file) for file in reading.files]
        )
    key = _sha("\n".join((_LAYOUT, CUTS_VERSION, tokenizer.hash, source.language, print_of)))
    folder = cache_folder("corpora") / key[:32]
    meta = _check(folder)
    if meta is None:
        reading = reading or sources.read(source, chars, progress)
        meta = _build(folder, source, reading, tokenizer, progress)
    return folder, meta


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _check(folder: Path) -> dict[str, Any] | None:
    """Meta of a cached corpus; None where it is not there or damaged."""
    try:
        meta: dict[str, Any] = json.loads((folder / "meta.json").read_text("utf-8"))
        digests = meta["digests"]
        if all(_digest(folder / name) == digest for name, digest in digests.items()):
            return meta
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return None


def _digest(path: Path) -> str:
    digest = xxhash.xxh3_128()
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()


def _build(
    folder: Path, source: Source, reading: sources.Reading, tokenizer: Tokenizer, progress: Progress | None
) -> dict[str, Any]:
    documents, defused = _defuse(reading.documents, tokenizer)
    documents = [document for document in documents if document.text.strip()]
    if not documents:
        raise DocumentError(f"Corpus {source.name!r}: no text in {len(reading.files)} files.")

    def report(done: int, total: int) -> None:
        if progress:
            progress("encoding", done, total)

    cache = cache_folder("encoded") / f"{tokenizer.hash[:32]}.sqlite"
    stores = list(encode_documents([document.text for document in documents], tokenizer, cache, report))
    joined, stretches = _join(documents, stores, tokenizer)
    arrays: dict[str, npt.NDArray[Any]] = {
        "text": joined.text,
        "ids": joined.ids,
        "starts": joined.starts,
        "cuts": _all_cuts(documents, stretches),
    }
    meta: dict[str, Any] = {
        "hash": _sha(json.dumps([CUTS_VERSION] + [[d.path, d.format, d.pages, _sha(d.text)] for d in documents])),
        "language": source.language or guess_language(documents),
        "code": 2 * sum(len(d.text) for d in documents if d.format == "code") > sum(len(d.text) for d in documents),
        "defused": defused,
        "files": [asdict(file) for file in reading.files],
        "documents": [asdict(stretch) for stretch in stretches],
    }
    _store(folder, arrays, meta)
    return meta


def _defuse(documents: Iterable[Document], tokenizer: Tokenizer) -> tuple[list[Document], int]:
    result, count = [], 0
    for document in documents:
        text, places = tokenizer.defuse(document.text)
        pages = tuple(page + bisect.bisect_left(places, page) for page in document.pages)
        result.append(Document(document.path, text.rstrip(), document.format, pages))
        count += len(places)
    return result, count


def _join(
    documents: Sequence[Document], stores: Sequence[TextStore], tokenizer: Tokenizer
) -> tuple[TextStore, list[Stretch]]:
    """One store with a blank line between documents, and where each document lies in it."""
    loose = TextStore(
        np.concatenate([store.text for store in stores]),
        np.concatenate([store.ids for store in stores]),
        np.concatenate([store.starts + base for store, base in zip(stores, _bases(stores), strict=True)]),
    )
    pieces: list[Piece] = []
    stretches: list[Stretch] = []
    position = 0
    for document, store, base in zip(documents, stores, _bases(stores), strict=True):
        if pieces:
            pieces.append(_BORDER)
            position += len(_BORDER)
        pieces.append(Slice(base, base + len(store.text)))
        to_bytes = byte_offsets(document.text)
        pages = tuple(
            position + (page if to_bytes is None else int(to_bytes[min(page, len(document.text))]))
            for page in document.pages
        )
        stretches.append(Stretch(document.path, document.format, position, position + len(store.text), pages))
        position += len(store.text)
    ids, starts = gather(splice(loose, pieces, tokenizer))
    text = np.frombuffer(_BORDER.encode().join(store.text.tobytes() for store in stores), np.uint8)
    return TextStore(text, ids, starts), stretches


def _bases(stores: Sequence[TextStore]) -> list[int]:
    return [0, *np.cumsum([len(store.text) for store in stores])[:-1].tolist()]


def _all_cuts(documents: Sequence[Document], stretches: Sequence[Stretch]) -> npt.NDArray[np.int64]:
    """(3, k) end, begin and rank of every cut of the corpus; document borders are cuts between paragraphs."""
    parts: list[npt.NDArray[np.int64]] = []
    border = 0  # where the text before the next border ends
    for document, stretch in zip(documents, stretches, strict=True):
        to_bytes = byte_offsets(document.text)
        first = len(document.text) - len(document.text.lstrip())
        opening = first if to_bytes is None else int(to_bytes[first])
        parts.append(np.array([[border], [stretch.begin + opening], [PARAGRAPH]]))
        cuts = in_bytes(find_cuts(document), to_bytes)
        parts.append(np.stack([cuts.end + stretch.begin, cuts.begin + stretch.begin, cuts.rank.astype(np.int64)]))
        border = stretch.end
    parts.append(np.array([[border], [border], [PARAGRAPH]]))
    return np.concatenate(parts, axis=1)


def _store(folder: Path, arrays: dict[str, npt.NDArray[Any]], meta: dict[str, Any]) -> None:
    """Write beside, then move into place: a reader sees a whole corpus or none."""
    beside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".building-"))
    try:
        for name, array in arrays.items():
            np.save(beside / f"{name}.npy", array)
        meta["digests"] = {f"{name}.npy": _digest(beside / f"{name}.npy") for name in arrays}
        (beside / "meta.json").write_text(json.dumps(meta, ensure_ascii=True), "utf-8")
        if folder.exists() and _check(folder) is None:  # damaged
            folder.rename(beside / "damaged")
        try:
            os.rename(beside, folder)
        except OSError:
            if _check(folder) is None:  # neither ours nor another process's
                raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        shutil.rmtree(folder / "damaged", ignore_errors=True)


def guess_language(documents: Sequence[Document]) -> str:
    """Two-letter code of the language that most of the text is in, by py3langid on passages from all documents."""
    import py3langid  # its model takes 0.2 s to load

    prose = [document for document in documents if document.format != "code"] or list(documents)
    votes: dict[str, int] = {}
    for document in prose[:: max(1, len(prose) // 40)]:
        passage = document.text[len(document.text) // 3 :][:1500]
        language = py3langid.classify(passage)[0]
        votes[language] = votes.get(language, 0) + len(passage)
    return max(sorted(votes), key=lambda language: votes[language])
