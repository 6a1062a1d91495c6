"""Where content lies: generators and corpora that ship, that stand in the working folder, or that a flag names."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import platformdirs

from longctx.errors import UsageError

_PACKAGE = Path(__file__).resolve().parent


def folders(kind: str, extra: Iterable[Path] = ()) -> list[Path]:
    """Folders to search, in order: shipped, ``./KIND``, then `extra`; each once.

    Args:
        kind: ``generators`` or ``corpora``.
        extra: folders named with ``--generators`` or ``--corpora``.

    Raises:
        UsageError: a folder of `extra` does not exist.
    """
    # In a wheel the content lies inside the package, in a checkout beside it.
    inside = _PACKAGE / kind
    found = [inside if inside.is_dir() else _PACKAGE.parent / kind, Path.cwd() / kind]
    for folder in extra:
        if not folder.is_dir():
            raise UsageError(f"--{kind} {folder} is not a folder.")
        found.append(folder)
    return list(dict.fromkeys(folder.resolve() for folder in found if folder.is_dir()))


def cache_folder(name: str) -> Path:
    """A folder of the user's cache, made if it is not there; ``LONGCTX_CACHE`` moves the whole cache."""
    root = os.environ.get("LONGCTX_CACHE") or platformdirs.user_cache_dir("longctx")
    folder = Path(root) / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def digests(axes: Iterable[tuple[str, Any]]) -> dict[str, str]:
    """SHA-256 of every file that a further axis of a sweep names: a sample is made from its content, not its path.

    Args:
        axes: (name, value) pairs.
    """
    named = ((name, Path(value)) for name, value in axes if isinstance(value, str) and 0 < len(value) < 4096)
    found = ((name, path) for name, path in named if path.is_file())
    return {name: _digest(path, path.stat().st_mtime_ns, path.stat().st_size) for name, path in found}


@lru_cache(maxsize=64)
def _digest(path: Path, modified: int, size: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
