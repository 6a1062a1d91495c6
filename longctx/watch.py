"""Follows a run from outside while it goes on: its records as a heatmap in the terminal, again and again."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import psutil  # type: ignore[import-untyped]

from longctx import findings, stats, table, textmap
from longctx.errors import RunError
from longctx.progress import duration

if TYPE_CHECKING:
    import pandas as pd

TRIES = 3  # readings of a file that is being written, before a damaged line is taken for one


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """Where a run stands."""

    frame: pd.DataFrame | None  # None: no record yet
    planned: int | None
    written: bool | None  # a process of this machine holds the run; None: it does not say
    age_s: float  # seconds since the last record

    @property
    def asked(self) -> int:
        """Samples with a record, answers and failed calls."""
        return 0 if self.frame is None else len(self.frame)

    @property
    def complete(self) -> bool:
        """Everything is asked, and no failed call is being asked again."""
        if self.frame is None or self.planned is None or self.asked < self.planned:
            return False
        return not (self.frame["outcome"] == "error").any() or not self.written

    def line(self) -> str:
        """It in one line."""
        if self.frame is None:
            return "no record yet: samples are being built, or the engine is starting"
        found = stats.summary(self.frame)
        total = "" if self.planned is None else f"/{self.planned:,}"
        parts = [f"{self.asked:,}{total} samples"]
        if found["n"]:
            parts.append(f"accuracy {found['accuracy']:.2f}")
        if found["errors"]:
            parts.append(f"{found['errors']:,} failed")
        if self.complete:
            return " · ".join([*parts, "complete"])
        parts.append(f"last record {duration(self.age_s)} ago")
        if self.written is False:
            parts.append("no process of this machine writes it")
        return " · ".join(parts)


def look(run: Path) -> State:
    """Where a run stands now.

    Raises:
        RunError: no run there, or a damaged one.
    """
    records = run / "records.jsonl"
    if not records.exists() and (run / "sweep.toml").exists() or records.exists() and not records.stat().st_size:
        return State(None, None, _written(run), 0.0)
    for attempt in range(TRIES):
        try:
            frame = table.load(run)
            break
        except RunError as error:
            if "holds no complete record" in str(error):
                return State(None, None, _written(run), 0.0)
            if attempt == TRIES - 1 or not records.exists():
                raise
            time.sleep(0.2)  # half a line was read, and the rest of it came while reading
    manifest = table.read_json(run, "manifest.json")
    planned = len(frame) if manifest.get("adaptive") and _searched(run, records) else findings.planned(manifest)
    return State(frame, planned, _written(run), max(0.0, time.time() - records.stat().st_mtime))


def _searched(run: Path, records: Path) -> bool:
    """Whether a search for the frontier has ended: it says what it found behind its last answer."""
    found = run / "frontier.json"
    return found.exists() and found.stat().st_mtime_ns >= records.stat().st_mtime_ns


def follow(
    run: Path, draw: Callable[[State], None], every_s: float, sleep: Callable[[float], None] = time.sleep
) -> State:
    """Draw a run again whenever it has grown, until it is complete.

    Reading takes longer the more records there are: the pause grows with it, so that watching takes at most a fifth of
    one processor.

    Args:
        run: its folder.
        draw: is given every state.
        every_s: seconds between two looks, at least.
        sleep: waits.

    Raises:
        RunError: no run there, or a damaged one.
        KeyboardInterrupt: somebody has seen enough.
    """
    while True:
        begun = time.monotonic()
        state = look(run)
        draw(state)
        if state.complete:
            return state
        sleep(max(every_s, 4 * (time.monotonic() - begun)))


def picture(
    state: State, width: int, height: int | None = None, shades: str = textmap.BLOCKS, colour: bool = False
) -> str:
    """The heatmaps and the line; one heatmap over everything where they are higher than `height` lines.

    While a run goes on, what even then is too high loses its end rather than the line.
    """
    line = "\n".join(textmap.wrap(state.line().split(" · "), width))
    if state.frame is None:
        return line
    options: Any = {"width": width, "shades": shades, "colour": colour}
    text = textmap.text_heatmap(state.frame, **options)
    if height is not None and text.count("\n") + line.count("\n") + 3 > height:
        text = textmap.text_heatmap(state.frame, pooled=True, **options)
        if not state.complete:
            text = "\n".join(text.split("\n")[: max(height - line.count("\n") - 2, 0)])
    return f"{text}\n\n{line if shades != textmap.ASCII else line.replace('·', '-')}"


def on_terminal(run: Path, stream: TextIO, every_s: float, colour: bool) -> State:
    """Follow a run in place on a terminal, without colours where it has none."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(file=stream, no_color=None if colour else True, highlight=False)
    shades = textmap.shades_for(getattr(stream, "encoding", None))

    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:

        def draw(state: State) -> None:
            size = console.size
            coloured = colour and not console.no_color and console.color_system is not None
            live.update(Text.from_ansi(picture(state, size.width, size.height, shades, coloured)), refresh=True)

        return follow(run, draw, every_s)


def as_lines(run: Path, stream: TextIO, every_s: float) -> State:
    """Follow a run where nobody can be drawn over: every picture below the last one."""
    shades = textmap.shades_for(getattr(stream, "encoding", None))
    last: list[str] = []

    def draw(state: State) -> None:
        text = picture(state, shutil.get_terminal_size().columns, None, shades)
        if text.split(" · last record")[0] not in last or state.complete:
            print(text + "\n", file=stream, flush=True)
            last[:] = [text.split(" · last record")[0]]

    return follow(run, draw, every_s)


def _written(run: Path) -> bool | None:
    try:
        return bool(psutil.pid_exists(int((run / ".lock").read_text())))
    except (OSError, ValueError):
        return None


def is_terminal(stream: TextIO = sys.stdout) -> bool:
    """True where a picture can be drawn over."""
    import os

    return stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb")
