"""Plain text, Markdown, JSON, CSV and source code: the file itself, decoded."""

from __future__ import annotations

from longctx.documents.base import Extract, Unreadable
from longctx.documents.encoding import decode


def read(data: bytes) -> Extract:
    """Decoded text.

    Raises:
        Unreadable: binary data, or nothing but blanks.
    """
    decoded = decode(data)
    if decoded is None:
        raise Unreadable("binary data, or text in an unknown encoding")
    text, note = decoded
    if not text.strip():
        raise Unreadable("no text in it, only blanks")
    return Extract(text, (note,) if note else ())
