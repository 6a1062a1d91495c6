"""Runs of characters to lines of text in reading order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from statistics import median_low

from longctx.documents.pdf_runs import Run, smallest_gap
from longctx.documents.symbols import raised
from longctx.documents.tables import MARKER

_CELL_GAP = 1.5  # em; a wider gap separates columns of a table
_CELL_GAP_TEXT = "  "
_PARAGRAPH_STEP = 1.35  # times the usual distance of lines; a larger step begins a paragraph


@dataclass(slots=True)
class _Line:
    text: str
    start: float
    end: float
    base: float
    size: float
    last: Run


def page_text(runs: list[Run]) -> str:
    """Text of one page. Each writing direction is laid out by itself, the one with most text first."""
    weight = Counter[int]()
    for run in runs:
        weight[run.turn] += len(run.text)
    parts = [_layout([run for run in runs if run.turn == turn]) for turn, _ in weight.most_common()]
    return "\n\n".join(part for part in parts if part)


def _layout(runs: list[Run]) -> str:
    lines: list[_Line] = []
    for run in runs:
        if lines and _continues(lines[-1], run):
            _append(lines[-1], run)
        else:
            lines.append(_Line(run.text, run.start, run.end, run.base, run.size, run))
    return _paragraphs(_in_reading_order(lines))


def _continues(line: _Line, run: Run) -> bool:
    if abs(run.base - line.base) >= 0.5 * max(run.size, line.size):
        return False
    # Kerning and slanted fonts overlap a little; a narrow run may be followed by one that begins within it.
    overlap = 1.2 if run.start > line.last.start else 0.6
    return run.start > line.end - overlap * run.size or _same_again(line, run)


def _same_again(line: _Line, run: Run) -> bool:
    """Bold type is at times drawn twice, a hair apart."""
    return run.text == line.last.text and abs(run.start - line.last.start) < 0.15 * run.size


def _append(line: _Line, run: Run) -> None:
    if _same_again(line, run):
        return
    text = run.text
    if run.size < 0.8 * line.size and run.base > line.base + 0.1 * line.size:
        text = raised(text)
    line.text += _separator(line.text, run.start - line.end, run, min(run.space, line.last.space)) + text
    line.end = max(line.end, run.end)
    line.last = run
    if run.size > line.size and len(run.text.strip()) > 3:  # the line began with a raised mark
        line.size, line.base = run.size, run.base


def _separator(before: str, gap: float, run: Run, blank: float) -> str:
    """What stands between the text before and a run: nothing, a blank, or the gap between table cells."""
    if gap > _CELL_GAP * run.size:
        if before[-1] in "$€£¥":
            return ""
        return " " if MARKER.fullmatch(before) else _CELL_GAP_TEXT
    return " " if run.after_blank or gap > smallest_gap(blank, run.size) else ""


def _in_reading_order(lines: list[_Line]) -> list[_Line]:
    """The order of drawing, which is right for columns of prose, or rows from top to bottom for tables.

    Tables are drawn by rows, by columns or backwards. Signs of one: pieces side by side that are too
    short to be lines of prose, or drawing that keeps jumping upwards, which columns do once each.
    """
    rows = _rows(lines)
    beside = [line for row in rows if len(row) > 1 for line in row]
    prose = sum(len(line.text.split()) >= 5 for line in beside)
    jumps = sum(b.base > a.base + 0.5 * a.size for a, b in pairwise(lines))
    if jumps <= max(6, 0.15 * len(lines)) and (not beside or prose >= 0.3 * len(beside)):
        return lines
    ordered: list[_Line] = []
    for row in rows:
        row.sort(key=lambda line: line.start)
        whole = row[0]
        for line in row[1:]:
            gap = line.start - whole.end
            if gap < -0.6 * line.size:  # one above the other after all
                ordered.append(whole)
                whole = line
                continue
            whole.text += _CELL_GAP_TEXT + line.text if gap > _CELL_GAP * line.size else " " + line.text
            whole.end = max(whole.end, line.end)
        ordered.append(whole)
    return ordered


def _rows(lines: list[_Line]) -> list[list[_Line]]:
    rows: list[list[_Line]] = []
    for line in sorted(lines, key=lambda line: -line.base):
        if rows and rows[-1][0].base - line.base < 0.35 * min(line.size, rows[-1][0].size):
            rows[-1].append(line)
        else:
            rows.append([line])
    return rows


def _paragraphs(lines: list[_Line]) -> str:
    """Lines, with a blank line where the distance to the next one is larger than usual."""
    steps = [(a.base - b.base) / max(a.size, b.size) for a, b in pairwise(lines)]
    usual = median_low([round(step, 2) for step in steps if 0.5 < step < 3] or [1.2])
    parts = [line.text.rstrip() for line in lines]
    for index, step in enumerate(steps):
        if step > _PARAGRAPH_STEP * usual or step < -1:
            parts[index] += "\n"
    return "\n".join(parts)
