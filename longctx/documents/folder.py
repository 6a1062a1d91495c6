"""What lies in a folder: every file, link and folder that cannot be entered, whatever its name or depth.

Folders are opened relative to each other, so that neither a path longer than the system allows nor a link
put in place meanwhile leads astray. Links are never followed: what they lead to inside the folder is found
in its own place, and what lies outside was not asked for.
"""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from longctx.documents.base import Unreadable

_CACHES = {"node_modules": "installed packages", "__pycache__": "compiled code", "__MACOSX": "archive leftovers"}
_PIECE = 2000  # bytes of path handed to the system at once; it takes 4,096
_DEEPEST = 1000  # folders within folders; each is opened from the top, so the time grows with the square
_KINDS = {stat.S_IFIFO: "named pipe", stat.S_IFSOCK: "socket", stat.S_IFCHR: "device", stat.S_IFBLK: "device"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in a folder."""

    parts: tuple[str, ...]  # names from the folder down
    reason: str = ""  # why it is not read; empty for a file to read
    is_folder: bool = False
    size: int = 0  # bytes

    @property
    def path(self) -> str:
        """Path as reports show it: forward slashes, printable, valid UTF-8; a folder ends with a slash."""
        return "/".join(map(printable, self.parts)) + ("/" if self.is_folder else "")


def printable(name: str) -> str:
    r"""A file name without bytes that are no UTF-8, control characters or direction overrides; those are escaped.

    >>> printable("a\nb\udcfc")
    'a\\nb\\xfc'
    """
    if name.isascii() and name.isprintable():
        return name
    shown = []
    for character in name:
        if "\udc80" <= character <= "\udcff":  # how Python shows a byte that is not UTF-8
            shown.append(f"\\x{ord(character) - 0xDC00:02x}")
        elif unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
            shown.append(character.encode("unicode_escape").decode("ascii"))
        else:
            shown.append(character)
    return "".join(shown)


def walk(folder: Path) -> Iterator[Entry]:
    """Everything in a folder, in no particular order.

    Hidden files, and folders that hold no documents (hidden ones such as ``.git``, installed packages,
    virtual environments), are not entered: one entry each, which says how many files are in it.

    Args:
        folder: an existing folder, resolved.

    Raises:
        OSError: the folder itself cannot be opened.
    """
    root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        pending: list[tuple[str, ...]] = [()]
        while pending:
            parts = pending.pop()
            try:
                for entry in _list(root, parts, folder):
                    if entry.is_folder and not entry.reason:
                        pending.append(entry.parts)
                    else:
                        yield entry
            except OSError as error:
                if not parts:
                    raise
                yield Entry(parts, f"folder cannot be opened: {_why(error)}", is_folder=True)
    finally:
        os.close(root)


def read_file(folder: Path, parts: tuple[str, ...], limit: int) -> tuple[bytes, str]:
    """Bytes of a file found by `walk`, and a note if it changed meanwhile ("" if not).

    Raises:
        Unreadable: no regular file any more, larger than `limit` bytes, or not to be opened.
    """
    try:
        with _opened(folder, parts) as file:
            before = os.fstat(file)
            if what := _irregular(before.st_mode):
                raise Unreadable(what)
            if before.st_size > limit:
                raise Unreadable(f"{before.st_size:,} bytes, more than the limit of {limit:,}")
            data = _read(file, before.st_size)  # a file that grows meanwhile would have no end
            after = os.fstat(file)
    except OSError as error:
        raise Unreadable(_why(error)) from error
    changed = (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns)
    return data, "changed while it was read" if changed else ""


def _list(root: int, parts: tuple[str, ...], folder: Path) -> list[Entry]:
    with _descended(root, parts, os.O_DIRECTORY) as here, os.scandir(here) as found:
        entries = [_entry(item, parts, here, folder) for item in found]
    names = {entry.parts[-1] for entry in entries}
    if parts and "pyvenv.cfg" in names:
        count = sum(_count(root, entry) for entry in entries)
        return [Entry(parts, f"virtual environment; {_files(count)} in it not read", is_folder=True)]
    return [_judged(root, entry) for entry in entries]


def _entry(item: os.DirEntry[str], parts: tuple[str, ...], here: int, folder: Path) -> Entry:
    """What a directory entry is, as it is: whether to enter or read it is judged later."""
    own = (*parts, item.name)
    try:
        status = item.stat(follow_symlinks=False)
    except OSError as error:  # gone meanwhile
        return Entry(own, _why(error))
    if stat.S_ISLNK(status.st_mode):
        return Entry(own, _link(folder, own, here))
    if stat.S_ISDIR(status.st_mode):
        return Entry(own, is_folder=True)
    return Entry(own, _irregular(status.st_mode), size=status.st_size)


def _irregular(mode: int) -> str:
    """What it is if it is no regular file, which could block or never end; "" if it is one."""
    return "" if stat.S_ISREG(mode) else _KINDS.get(stat.S_IFMT(mode), "not a file")


def _judged(root: int, entry: Entry) -> Entry:
    name = entry.parts[-1]
    if entry.is_folder:
        if len(entry.parts) > _DEEPEST:
            return Entry(entry.parts, f"nested deeper than {_DEEPEST:,} folders", is_folder=True)
        what = "hidden folder" if name.startswith(".") else _CACHES.get(name)
        if what:
            return Entry(entry.parts, f"{what}; {_files(_count(root, entry))} in it not read", is_folder=True)
    elif name.startswith(".") and not entry.reason:
        return Entry(entry.parts, "hidden file")
    elif entry.parts == ("corpus.toml",):
        return Entry(entry.parts, "describes the corpus")
    return entry


def _count(root: int, entry: Entry) -> int:
    """Files and links at or below an entry."""
    if not entry.is_folder:
        return 1
    count, pending = 0, [entry.parts]
    while pending:
        parts = pending.pop()
        try:
            with _descended(root, parts, os.O_DIRECTORY) as here, os.scandir(here) as found:
                for item in found:
                    if item.is_dir(follow_symlinks=False) and len(parts) < _DEEPEST:
                        pending.append((*parts, item.name))
                    else:
                        count += 1
        except OSError:
            continue
    return count


def _files(count: int) -> str:
    return f"{count:,} {'file' if count == 1 else 'files'}"


def _link(folder: Path, parts: tuple[str, ...], here: int) -> str:
    """Why a link is not read."""
    try:
        target = Path(os.path.realpath(os.path.join(folder, *parts), strict=True))
    except FileNotFoundError:
        return f"broken link to {printable(os.readlink(parts[-1], dir_fd=here))}"
    except OSError as error:
        return f"link cannot be followed: {_why(error)}"
    if target == folder:
        return "link to the folder itself"
    if target.is_relative_to(folder):
        return f"link to {'/'.join(map(printable, target.relative_to(folder).parts))}"
    return "link leads outside the folder"


@contextmanager
def _opened(folder: Path, parts: tuple[str, ...]) -> Iterator[int]:
    root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with _descended(root, parts, os.O_NONBLOCK) as file:  # without it a pipe would wait for its writer
            yield file
    finally:
        os.close(root)


@contextmanager
def _descended(root: int, parts: tuple[str, ...], flags: int) -> Iterator[int]:
    """Open what lies at `parts` below the folder `root`, in as many steps as its length takes."""
    current = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=root)
    try:
        pieces = _pieces(parts)
        for index, piece in enumerate(pieces):
            last = index == len(pieces) - 1
            deeper = os.open(piece, os.O_RDONLY | os.O_NOFOLLOW | (flags if last else os.O_DIRECTORY), dir_fd=current)
            os.close(current)
            current = deeper
        yield current
    finally:
        os.close(current)


def _pieces(parts: tuple[str, ...]) -> list[str]:
    pieces: list[str] = []
    length = 0
    for part in parts:
        size = 4 * len(part) + 1  # at most, in UTF-8
        if pieces and length + size <= _PIECE:
            pieces[-1] += "/" + part
            length += size
        else:
            pieces.append(part)
            length = size
    return pieces


def _read(file: int, size: int) -> bytes:
    chunks = []
    while size > 0 and (chunk := os.read(file, min(size, 1 << 24))):
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)


def _why(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
