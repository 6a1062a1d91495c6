"""Messages between a process and its workers, over a pipe: a JSON header and bytes."""

from __future__ import annotations

import json
import os
import struct
import sys
from pathlib import Path
from typing import IO, Any

_LENGTHS = struct.Struct(">QQ")  # of the JSON header and of the bytes that follow it


def send(stream: IO[bytes], header: dict[str, Any], data: bytes) -> None:
    """Write one message."""
    head = json.dumps(header).encode()
    stream.write(_LENGTHS.pack(len(head), len(data)) + head)
    stream.write(data)
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    """Read one message.

    Raises:
        EOFError: the other side is gone.
    """
    head, data = _LENGTHS.unpack(_exactly(stream, _LENGTHS.size))
    return json.loads(_exactly(stream, head)), _exactly(stream, data)


def _exactly(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data


def answers_apart() -> tuple[IO[bytes], IO[bytes]]:
    """A worker's requests and its answers; whatever a library prints must not get into the answers."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return sys.stdin.buffer, answers


def environment() -> dict[str, str]:
    """A worker finds modules where this process does, wherever it was started from."""
    paths = [path for path in sys.path if path] + [str(Path(__file__).parents[1])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
