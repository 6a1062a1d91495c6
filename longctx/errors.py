"""Everything longctx raises on purpose.

LongctxError                 base; the command line prints it as one line and exits with 1
├── UsageError               an argument or sweep that cannot be; exits with 2
├── DocumentError            a folder with nothing readable in it
├── DataError                a file of samples or predictions that cannot be used; names the line
├── CorpusError              a corpus that is unknown, damaged, or too small for the length
├── TokenizerError           a tokenizer that cannot be loaded or lacks what is needed
├── ImpossibleSample         a sample that cannot be built as asked; says what is possible
├── BackendError             a backend that cannot start or is not installed
│   └── ContractError        the engine received something else than was built: a defect, the run stops
└── RunError                 a run folder that does not fit: another sweep, another process, damage
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class LongctxError(Exception):
    """Base of all errors that a user can act upon."""


class UsageError(LongctxError):
    """An argument or a sweep that cannot be."""


class DocumentError(LongctxError):
    """A folder with nothing readable in it."""


class DataError(LongctxError):
    """A file of samples or predictions that cannot be used."""


class CorpusError(LongctxError):
    """A corpus that is unknown, damaged, or too small for the length."""


class TokenizerError(LongctxError):
    """A tokenizer that cannot be loaded or lacks what is needed."""


class ImpossibleSample(LongctxError):  # noqa: N818 - reads as what it is
    """A sample that cannot be built as asked."""


class BackendError(LongctxError):
    """A backend that cannot start or is not installed."""


class ContractError(BackendError):
    """The engine received something else than was built."""


class RunError(LongctxError):
    """A run folder that does not fit."""


def unknown(kind: str, given: str, available: Iterable[str]) -> str:
    """Message for a name that is not there: what was given, the nearest, and all that are."""
    names = sorted(available)
    near = difflib.get_close_matches(given, names, n=1)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    return f"Unknown {kind} {given!r}.{guess} Available: {', '.join(names) or 'none'}."
