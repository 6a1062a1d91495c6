"""Files with one JSON object a line, read so that an error names the file and the line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any

from longctx.errors import DataError

_BOM = b"\xef\xbb\xbf"


def read(file: IO[bytes], name: str) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Every line that is not blank: its number from 1, the byte offset at which it begins, the object.

    Args:
        file: opened for bytes.
        name: what to call it in errors.

    Raises:
        DataError: a line that is no JSON object, or no line at all.
    """
    offset = 0
    empty = True
    for number, raw in enumerate(file, 1):
        begin, offset = offset, offset + len(raw)
        line = raw.removeprefix(_BOM) if number == 1 else raw
        if line.strip():
            empty = False
            yield number, begin, parse(line, f"{name}, line {number}")
    if empty:
        raise DataError(f"{name} holds no line with a JSON object.")


def parse(line: bytes, where: str) -> dict[str, Any]:
    """The object that a line holds.

    Raises:
        DataError: it holds none; names `where`.
    """
    try:
        found = json.loads(line.removeprefix(_BOM))
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise DataError(f"{where}: no JSON ({str(error).partition(': line')[0]}).") from None
    if not isinstance(found, dict):
        raise DataError(f"{where}: {_shown(found)} is no JSON object.")
    return found


def target_of(found: dict[str, Any], where: str, name: str = "target") -> str | list[str]:
    """The field that holds what is right: a text or a list of texts; a number is taken for its text.

    Raises:
        DataError: it is missing or something else.
    """
    if name not in found:
        raise DataError(f"{where}: {name!r} is missing. There is: {', '.join(found) or 'nothing'}.")
    value = found[name]
    values = value if isinstance(value, list) else [value]
    for one in values:
        if isinstance(one, bool) or not isinstance(one, str | int | float):
            raise DataError(f"{where}: {name!r} is {_shown(value)}; possible are a text or a list of texts.")
    texts = [str(one) for one in values]
    return texts if isinstance(value, list) else texts[0]


def metadata_of(found: dict[str, Any], where: str) -> dict[str, Any]:
    """The object under ``metadata``; an empty one where there is none.

    Raises:
        DataError: it is something else.
    """
    metadata = found.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        raise DataError(f"{where}: 'metadata' is {_shown(metadata)}; it must be an object.")
    return metadata or {}


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:59] + "…"
