"""Heatmaps: accuracy over context length and needle depth, or over context length and density of distractors."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from longctx import stats
from longctx.errors import UsageError
from longctx.figures import canvas, panel
from longctx.figures.canvas import BOTTOM, LEFT, RIGHT, TOP
from longctx.figures.fonts import face, label
from longctx.textmap import distractors, length_labels, names, panels, share
from longctx.units import percent

if TYPE_CHECKING:
    import pandas as pd

THRESHOLD = 0.9
"""Accuracy that a figure measures against unless another is asked for."""


def heatmap(
    frame: pd.DataFrame, *, ax: Axes | None = None, title: str | None = None, margins: bool = True,
    scale: bool = True, threshold: float | None = THRESHOLD,
) -> Axes:  # fmt: skip
    """Draw accuracy over context length (across) and needle depth (down, the start on top).

    The scale is fixed at 0-1. Each cell says its accuracy in percent and its n, as far as there is
    room; cells that were not asked are masked. Cells whose 95 % interval holds the threshold are hatched: their n
    does not say on which side they are. Bars on top and on the right are the accuracies of
    each length and each depth with 95 % intervals. Samples without a length or a depth are left out.

    Args:
        frame: from `longctx.table.load`. Tasks and densities in it are pooled; see `grid`.
        ax: where to draw; a figure of fitting size unless given.
        title: its first line is printed bold; the model's name and the numbers unless given.
        margins: draw the bars.
        scale: draw the colour scale.
        threshold: accuracy, 0-1; None: no hatching.

    Raises:
        UsageError: no sample has a length and a depth.
    """
    placed = frame.dropna(subset=["length_asked", "depth_asked"])
    if placed.empty:
        raise UsageError(f"Nothing to draw: none of {len(frame):,} samples has both a length and a depth.")
    name = "depth of the needle" if placed["depth"].notna().any() else "depth asked for\n(there is no needle)"
    return _map(placed, "depth", name, ax, title, margins, scale, threshold)


def density_map(
    frame: pd.DataFrame, *, ax: Axes | None = None, title: str | None = None, threshold: float | None = THRESHOLD
) -> Axes:
    """Draw accuracy over context length (across) and distractors per 10,000 tokens (down), as `heatmap` does.

    Args:
        frame: from `longctx.table.load`. Tasks and depths in it are pooled.
        ax: where to draw; a figure of fitting size unless given.
        title: its first line is printed bold; the model's name and the numbers unless given.
        threshold: accuracy, 0-1; None: no hatching.

    Raises:
        UsageError: fewer than two densities were asked.
    """
    placed = frame.dropna(subset=["length_asked", "density_asked"])
    if placed["density_asked"].nunique() < 2:
        raise UsageError("Nothing to draw: density was not varied; at least two densities are needed.")
    return _map(placed, "density", "distractors\nper 10K tokens", ax, title, True, True, threshold)


def grid(frame: pd.DataFrame, *, threshold: float | None = THRESHOLD) -> Figure:
    """Draw a heatmap for each task and density of a frame: tasks down and densities across where both vary.

    Args:
        frame: from `longctx.table.load`.
        threshold: accuracy, 0-1, as for `heatmap`.

    Raises:
        UsageError: no sample has a length and a depth.
    """
    parts = panels(frame)
    if not parts:
        raise UsageError(f"Nothing to draw: none of {len(frame):,} samples has both a length and a depth.")
    tasks, densities = {task for task, _, _ in parts}, {density for _, density, _ in parts}
    crossed = 1 < len(tasks) < len(parts) == len(tasks) * len(densities)
    across = len(densities) if crossed and len(densities) <= 4 else math.ceil(math.sqrt(len(parts)))
    down = math.ceil(len(parts) / across)
    sizes = [_size(part["length_asked"].nunique(), part["depth_asked"].nunique()) for _, _, part in parts]
    width, height = (max(size) for size in zip(*sizes, strict=True))
    step_x, step_y = LEFT + width + RIGHT, TOP + height + BOTTOM
    placed = frame.dropna(subset=["length_asked", "depth_asked"])
    cells = stats.cells(placed, ["task", "density", "length", "depth"])
    lines = canvas.caption(placed, _finding(placed), _details(placed, cells), across * step_x)
    drop = 0.36 + 0.22 * lines[0].count("\n")
    head = max(0.8, drop + 0.16 * len(lines))
    with canvas.style():
        figure = canvas.Sheet(figsize=(across * step_x, down * step_y + head), dpi=canvas.DPI)
        for place, (task, density, part) in enumerate(parts):
            row, column = divmod(place, across)
            ax = canvas.place(figure, column * step_x + LEFT, (down - 1 - row) * step_y + BOTTOM, width, height)
            title = f"{label(task, 30)} · {distractors([density])}\n{share(stats.summary(part))}"
            heatmap(part, ax=ax, title=title, threshold=threshold)
        inch = 1 / figure.get_figheight()
        style: dict[str, Any] = {"va": "top", "parse_math": False}
        left, rest = 0.1 / figure.get_figwidth(), "\n".join(lines[1:])
        figure.text(left, 1 - 0.1 * inch, lines[0], size=13, **style, **face(lines[0], bold=True))
        figure.text(left, 1 - drop * inch, rest, size=9, **style, **face(rest))
    return figure


def _map(
    placed: pd.DataFrame, axis: str, name: str, ax: Axes | None, title: str | None, margins: bool, scale: bool,
    threshold: float | None,
) -> Axes:  # fmt: skip
    cells = stats.cells(placed, ["length", axis])
    layout = panel.Layout.of(cells, axis)
    with canvas.style():
        ax = canvas.axes(*_size(len(layout.lengths), len(layout.rows)), top=TOP + 0.6) if ax is None else ax
        mesh = panel.colour(ax, layout.matrix(cells, "accuracy"))
        panel.ticks(ax, layout, name)
        level = math.nan if threshold is None else threshold
        undecided = (layout.matrix(cells, "low") < level) & (level < layout.matrix(cells, "high"))
        panel.annotate(ax, layout, cells, mesh, undecided)
        explained = panel.mask(ax, layout, cells)
        explained += panel.hatch(ax, undecided, mesh, f"95 % interval holds {100 * level:g} %")
        panel.legend(ax, explained)
        if margins:
            panel.margins(ax, layout, placed)
        if scale:
            panel.scale(ax, mesh, margins)
        above = 72 * (panel.GAP + panel.BAR) + 16 if margins else 6
        return canvas.finish(ax, placed, _finding(placed), _details(placed, cells), title=title, above=above)


def _size(across: int, down: int) -> tuple[float, float]:
    """Inches of the cells' area: roomy cells while there are few, then smaller ones.

    Up to 36 lengths the width stays that of a page column: shown 800 pixels wide, numbers and labels can still be read.
    """
    width = max(min(0.85, 9 / across), min(0.25, 13 / across)) * across
    height = max(min(0.52, 5 / down), min(0.2, 9 / down)) * down
    return max(width, 2.4), max(height, 1.2)


def _finding(frame: pd.DataFrame) -> str:
    """The whole and its best and worst length."""
    found = stats.summary(frame)
    if not found["n"]:
        return "no answer"
    said = f"{percent(found['accuracy'])} % {'mean score' if found['partial'] else 'right'}"
    best, worst = (found[word].get("length") for word in ("best", "worst"))
    if not best or best["accuracy"] == worst["accuracy"]:
        return said
    ends = [f"{percent(end['accuracy'])} % at {length_labels([end['length']])[0]}" for end in (best, worst)]
    return f"{said}, {ends[0]}, {ends[1]}"


def _details(frame: pd.DataFrame, cells: pd.DataFrame) -> list[str]:
    """What was asked, and how often."""
    found, counts = stats.summary(frame), cells["n"]
    items = [*about(frame), share(found), canvas.times(counts, "a cell")]
    if found["errors"]:
        items.append(f"{found['errors']:,} failed calls (!) left out")
    return items


def about(frame: pd.DataFrame) -> list[str]:
    """Tasks, corpora and densities, for a figure's second line."""
    densities = sorted(frame["density_asked"].dropna().unique())
    return [names(frame["task"]), names(frame["corpus"]), distractors(densities)]
