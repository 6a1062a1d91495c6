from __future__ import annotations

import io
from typing import Any

import pytest
import toy

from longctx.loop import cell_id
from longctx.progress import Progress, duration
from longctx.types import Cell


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def watch(cells: list[Cell], each_s: Any, until: int) -> tuple[Progress, Clock, io.StringIO]:
    clock, stream = Clock(), io.StringIO()
    progress = Progress({cell_id(c): c for c in cells}, [c.length for c in cells], (), stream, 0.0, clock)
    with progress:
        for cell in cells[:until]:
            clock.now += each_s(cell.length)
            progress.update({"cell": cell_id(cell), "outcome": "right", "score": 1.0})
    return progress, clock, stream


def test_time_left_counts_long_prompts_as_what_they_are() -> None:
    def law(length: int) -> float:
        return 1.5e-3 * length + 4e-7 * length**2

    cells = [Cell("t", "docs", length, i / 10) for length in (1024, 2048, 4096, 8192) for i in range(5)]
    progress, _, _ = watch(cells, law, until=7)
    left = sum(law(cell.length) for cell in cells[7:])
    assert progress._left_s == pytest.approx(left, rel=0.01)
    by_samples = sum(law(cell.length) for cell in cells[:7]) / 7 * 13
    assert left > 4 * by_samples


def test_progress_says_samples_speed_and_accuracy() -> None:
    cells = [Cell("t", "docs", 1000, i / 10) for i in range(4)]
    _, _, stream = watch(cells, lambda length: 2.0, until=4)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "1/4 samples · 500 prompt tokens/s · accuracy 1.00"  # one answer tells little about the rest
    assert lines[-1] == "4/4 samples · 500 prompt tokens/s · accuracy 1.00"


def test_progress_counts_earlier_answers_in_and_failed_calls_out() -> None:
    stream = io.StringIO()
    cells = [Cell("t", "docs", 1000, i / 10) for i in range(2)]
    with Progress({cell_id(c): c for c in cells}, [1000, 1000], [0.0, 0.0, 1.0], stream, 0.0) as progress:
        progress.update({"cell": cell_id(cells[0]), "outcome": "error", "score": None})
        progress.update({"cell": cell_id(cells[1]), "outcome": "right", "score": 1.0})
    assert "accuracy 0.33 · 1 failed" in stream.getvalue().splitlines()[0]
    assert "accuracy 0.50 · 1 failed" in stream.getvalue().splitlines()[1]


def test_progress_shows_no_accuracy_of_controls() -> None:
    stream = io.StringIO()
    control = Cell("t", "docs", 1000, 0.5, variant=(("control", "short"),))
    cells = [control, Cell("t", "docs", 1000, 0.5)]
    with Progress({cell_id(c): c for c in cells}, [1000, 1000], (), stream, 0.0) as progress:
        progress.update({"cell": cell_id(control), "outcome": "right", "score": 1.0})
        progress.update({"cell": cell_id(cells[1]), "outcome": "wrong", "score": 0.0})
    first, last = stream.getvalue().splitlines()
    assert "accuracy" not in first and "accuracy 0.00" in last


def test_progress_draws_a_bar_on_a_terminal() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    cells = toy.sweep().cells()
    with Progress({cell_id(c): c for c in cells}, [c.length for c in cells], (), terminal) as progress:
        for cell in cells:
            progress.update({"cell": cell_id(cell), "outcome": "right", "score": 1.0})
    assert "10/10 samples" in terminal.getvalue() and "100 %" in terminal.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (59.4, "59 s"), (65, "1 min 05 s"), (7800, "2 h 10 min"), (3599.9, "1 h 00 min")],
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text
