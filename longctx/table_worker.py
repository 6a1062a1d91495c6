"""A process that parses stretches of a records.jsonl: ``python -m longctx.table_worker``, started by `table_parts`."""

from __future__ import annotations

import contextlib
import gc
import signal
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa

from longctx import table_parts
from longctx.errors import RunError
from longctx.messages import answers_apart, receive, send


def main() -> None:
    """Answer requests on standard input until it closes: a table in a file or as bytes, none where it is damaged."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    gc.disable()  # a million records are a million objects, and none is part of a cycle
    requests, answers = answers_apart()
    _without_pandas()
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            header, _ = receive(requests)
            lines, data = _parsed(**header)
            send(answers, {"lines": lines}, data)


def _parsed(path: str, draft: str | None, begin: int, end: int, block: int) -> tuple[int | None, bytes]:
    try:
        with open(path, "rb", buffering=0) as file:
            lines, tables = table_parts.parse(file, Path(path), begin, end, block=block, more=True)
        return lines, table_parts.packed(tables, Path(draft) if draft else None)
    except (OSError, RunError):  # the parent will find it as well, and knows which line it is
        return None, b""


def _without_pandas() -> None:
    """Have pyarrow decide now that a list is no pandas object: it would import pandas to ask, which takes a second."""
    modules: dict[str, Any] = sys.modules
    modules["pandas"] = None
    with contextlib.suppress(AttributeError, ImportError):
        pa.array([0])
    del modules["pandas"]


if __name__ == "__main__":
    main()
