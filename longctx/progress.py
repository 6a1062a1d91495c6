"""How far a run is: a bar where somebody watches, a line now and then where nobody does."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TextIO

import numpy as np

from longctx.controls import control_of
from longctx.cost import CostCurve
from longctx.types import Cell

_REFIT_S = 1.0
_ENOUGH = 3  # answers before the time left is more than a guess: the first holds the engine's warming up


class Progress:
    """Watches records come in.

    The time left is what the remaining prompts should cost by the curve fitted to those that were answered, so that
    long prompts at the end of a sweep count as what they are.
    """

    def __init__(
        self,
        cells: Mapping[str, Cell],
        fresh: Sequence[int],
        earlier: Sequence[float] = (),
        stream: TextIO | None = None,
        every_s: float = 10.0,
        clock: Any = time.monotonic,
    ) -> None:
        """Begin to watch.

        Args:
            cells: cell id → cell, of those that are still to be asked.
            fresh: prompt tokens of each that are not in a prefix cache.
            earlier: scores of answers that a run had before, without controls.
            stream: where to write; stderr by default. A bar is drawn only on a terminal.
            every_s: seconds between two lines where there is no terminal.
            clock: seconds, monotonic.
        """
        self._place = {cell: index for index, cell in enumerate(cells)}
        self._lengths = np.array([cell.length for cell in cells.values()])
        self._fresh = np.array(fresh)
        self._controls = {name for name, cell in cells.items() if control_of(cell)}
        self._open = np.ones(len(cells), bool)
        self._scores = list(earlier)
        self._errors = 0
        self._curve = CostCurve()
        self._stream = stream or sys.stderr
        self._every_s = every_s
        self._clock = clock
        self._begun = self._last = self._said = self._fitted = clock()
        self._left_s: float | None = None
        self._bar: Any = None

    def __enter__(self) -> Self:
        self._begun = self._last = self._said = self._clock()
        if self._stream.isatty():
            self._bar = _bar(self._stream)
            self._task = self._bar.add_task("", total=int(self._lengths.sum()), state="waiting for the first answer")
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, record: Mapping[str, Any]) -> None:
        """Take note of a record."""
        now = self._clock()
        index = self._place[record["cell"]]
        self._open[index] = False
        if record["outcome"] == "error":
            self._errors += 1  # how long a failed call took says nothing about the others
        else:
            if record["cell"] not in self._controls:  # asked without a haystack: not what a run measures
                self._scores.append(record["score"])
            self._curve.add(int(self._lengths[index]), int(self._fresh[index]), now - self._last)
        self._last = now
        if self._left_s is None or now - self._fitted >= _REFIT_S or not self._open.any():
            self._left_s = self._curve.seconds(self._lengths[self._open], self._fresh[self._open])
            self._fitted = now
        if self._bar is not None:
            self._bar.update(self._task, advance=int(self._lengths[index]), state=self.state(now))
        elif now - self._said >= self._every_s or not self._open.any():
            self._said = now
            print(self.state(now), file=self._stream, flush=True)

    def state(self, now: float) -> str:
        """One line: samples, speed, time left, accuracy so far."""
        done = ~self._open
        tokens = self._lengths[done].sum() / max(now - self._begun, 1e-9)
        parts = [f"{done.sum():,}/{len(done):,} samples", f"{tokens:,.0f} prompt tokens/s"]
        if self._open.any() and done.sum() >= _ENOUGH:
            parts.append(f"{duration(self._left_s or 0.0)} left")
        if self._scores:
            parts.append(f"accuracy {sum(self._scores) / len(self._scores):.2f}")
        if self._errors:
            parts.append(f"{self._errors} failed")
        return " · ".join(parts)


def duration(seconds: float) -> str:
    """Seconds as a person says them: 42 s, 3 min 05 s, 2 h 10 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60:02} min"


def _bar(stream: TextIO) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(bar_width=24), TextColumn("{task.percentage:>3.0f} %"), TextColumn("{task.fields[state]}"))
    return Bar(*columns, console=Console(file=stream))
