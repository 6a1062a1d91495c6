"""What passes between the readers, the worker processes and the folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # longctx.types imports numpy, which a worker process has no use for
    from longctx.types import FileStatus

READER_VERSION = "1"
"""Changes whenever some file's extracted text changes; part of every cache key that rests on the text."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may cost before it is given up."""

    file_bytes: int = 256 * 1024**2  # size of the file, and unpacked size of a DOCX
    seconds: float = 120.0  # wall time of its reader
    memory_bytes: int = 2 * 1024**3  # memory of the process that reads it
    characters: int = 100_000_000  # of text; what is beyond is cut off


@dataclass(frozen=True, slots=True)
class Extract:
    """What a reader takes from the bytes of one file."""

    text: str
    notes: tuple[str, ...] = ()  # what is missing and why; empty when nothing is
    pages: tuple[int, ...] = ()  # character offset at which each page begins
    lasting: bool = True  # as in `Reading`


@dataclass(frozen=True, slots=True)
class Reading:
    """What became of the bytes of one file, whatever its path."""

    status: FileStatus
    reason: str = ""  # why skipped or read in part
    format: str = ""  # the reader's name; empty when none took it
    text: str = ""
    pages: tuple[int, ...] = ()
    lasting: bool = True  # follows from the bytes alone; False when a limit or a crash had a part in it


class Unreadable(Exception):  # noqa: N818 - reads as what it is
    """The file cannot be read; its message is the reason for the report."""


class OutOfTime(BaseException):
    """The time for this file is over. Not an Exception, so that no library's `except Exception` swallows it."""


def size(count: int) -> str:
    """Number of bytes as people read it.

    >>> size(500), size(1536), size(3 * 1024**3)
    ('500 bytes', '1.5 KiB', '3 GiB')
    """
    for unit, factor in (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if count >= factor:
            return f"{count / factor:.1f}".removesuffix(".0") + " " + unit
    return f"{count} bytes"


def one_line(error: BaseException, most: int = 160) -> str:
    """An error of a library as a short reason, at most `most` characters long."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= most else text[: most - 1] + "…"


def too_much_time(limits: Limits) -> str:
    """Reason for a file whose reader was stopped."""
    return f"took longer than the limit of {limits.seconds:g} seconds"


def too_much_memory(limits: Limits) -> str:
    """Reason for a file whose reader was refused memory."""
    return f"needs more memory than the limit of {size(limits.memory_bytes)}"
