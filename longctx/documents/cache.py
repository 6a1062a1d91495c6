"""Readings kept between runs, by what was read: the bytes of the file and everything that has a say in its text.

A file moved, touched or copied is not read again, one changed file alone is. Several processes may use one
cache: entries are written aside and renamed into place, and each begins with the checksum of the rest, so a
damaged one counts as missing.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from longctx.documents.base import READER_VERSION, Reading
from longctx.documents.formats import suffix_of

_LIBRARIES = ("pypdf", "cryptography", "python-docx", "lxml", "charset-normalizer")


class ReadingCache:
    """Readings in a folder.

    Args:
        folder: created when the first reading is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, data: bytes, name: str) -> Reading | None:
        """The reading of these bytes under a name with this suffix, or None."""
        try:
            stored = self._file(data, name).read_bytes()
        except OSError:
            return None
        checksum, _, body = stored.partition(b"\n")
        if hashlib.sha256(body).hexdigest().encode() != checksum:
            return None
        fields = json.loads(body)
        return Reading(**(fields | {"pages": tuple(fields["pages"])}))

    def put(self, data: bytes, name: str, reading: Reading) -> None:
        """Keep a reading, if it follows from the bytes alone. A full or read-only disk is no error."""
        if not reading.lasting:
            return
        fields = {field: getattr(reading, field) for field in Reading.__slots__}
        body = json.dumps(fields, ensure_ascii=False).encode()
        file = self._file(data, name)
        with contextlib.suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=".")
            try:
                with os.fdopen(handle, "wb") as stream:
                    stream.write(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
                os.replace(temporary, file)
            except BaseException:
                os.unlink(temporary)
                raise

    def _file(self, data: bytes, name: str) -> Path:
        key = hashlib.sha256(f"{_readers()}\n{suffix_of(name)}\n".encode() + hashlib.sha256(data).digest()).hexdigest()
        return self._folder / key[:2] / key[2:]


@cache
def _readers() -> str:
    """What reads: this package's version of the readers and those of the libraries they rest on."""
    versions = [READER_VERSION]
    for library in _LIBRARIES:
        try:
            versions.append(f"{library} {version(library)}")
        except PackageNotFoundError:
            versions.append(library)
    return ", ".join(versions)
