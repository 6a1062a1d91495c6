"""How far reading, making, encoding and building are: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from longctx.sources import Progress

_EVERY_S = 5.0  # seconds between two lines where there is no terminal


@contextmanager
def steps() -> Iterator[Progress]:
    """A callback (what is being done, done, total) that shows it on stderr."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import Progress as Bars

        with Bars(console=Console(stderr=True), transient=True) as bars:
            tasks: dict[str, int] = {}

            def show(what: str, done: int, total: int) -> None:
                if what not in tasks:
                    tasks[what] = bars.add_task(what, total=total)
                bars.update(tasks[what], completed=done, total=total, visible=done < total)  # type: ignore[arg-type]

            yield show
        return
    said = time.monotonic()

    def tell(what: str, done: int, total: int) -> None:
        nonlocal said
        if time.monotonic() - said >= _EVERY_S:
            said = time.monotonic()
            print(f"longctx: {what}: {done:,} of {total:,}", file=sys.stderr)

    yield tell
