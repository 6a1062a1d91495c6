"""How far reading, making, encoding and building are: one line on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TextIO


class Steps:
    """A callback (what is being done, done, total) that shows it on stderr."""

    def __init__(self, stream: TextIO | None = None) -> None:
        """Begin silently: what takes less than the first interval is not shown."""
        self._stream = stream or sys.stderr
        self._moves = self._stream.isatty()
        self._every_s = 0.2 if self._moves else 5.0
        self._said = time.monotonic()
        self._open = False  # a line is on the terminal that has not ended

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show the step if it is time to."""
        if time.monotonic() - self._said >= self._every_s:
            self._said = time.monotonic()
            share = f" ({done / total:.0%})" if total else ""
            line = f"longctx: {what}: {done:,} of {total:,}{share}"
            self._stream.write(f"\r\x1b[K{line}" if self._moves else f"{line}\n")
            self._stream.flush()
            self._open = self._moves
        if self._open and done >= total:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._open = False
