"""Where content lies: generators and corpora that ship, that stand in the working folder, or that a flag names."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

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
