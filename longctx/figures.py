"""Heatmaps of accuracy over context length and needle depth: a frame in, Axes out.

Nothing here touches pyplot or global settings: every figure is its own object and leaks nowhere.
"""

from __future__ import annotations

import io
import math
import os
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from longctx import panel, stats
from longctx.errors import UsageError
from longctx.fonts import BASE, drawable, face
from longctx.textmap import distractors, names, panels, share, source, text_heatmap, wrap

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["grid", "heatmap", "save", "text_heatmap", "write"]

LEFT, RIGHT, TOP, BOTTOM = 1.05, 2.0, 1.2, 0.9  # inches around the cells: labels, margins and title, legend
DPI = 160


class Heatmap(Axes):
    """Axes that show their figure when they are a notebook cell's last line, without pyplot."""

    def _repr_png_(self) -> bytes:
        return _render(self.get_figure(root=True), "png")


def heatmap(
    frame: pd.DataFrame, *, ax: Axes | None = None, title: str | None = None, margins: bool = True, scale: bool = True
) -> Axes:
    """Draw accuracy over context length (across) and needle depth (down, the start on top).

    The scale is fixed at 0-1. Each cell says its accuracy in percent and its n, as far as there is
    room; cells that were not asked are hatched. Bars on top and on the right are the accuracies of
    each length and each depth with 95 % intervals. Samples without a length or a depth are left out.

    Args:
        frame: from `longctx.table.load`. Tasks and densities in it are pooled; see `grid`.
        ax: where to draw; a figure of fitting size unless given.
        title: its first line is printed bold; the model's name and the numbers unless given.
        margins: draw the bars.
        scale: draw the colour scale.

    Raises:
        UsageError: no sample has a length and a depth.
    """
    placed = frame.dropna(subset=["length_asked", "depth_asked"])
    if placed.empty:
        raise UsageError(f"Nothing to draw: none of {len(frame):,} samples has both a length and a depth.")
    cells = stats.cells(placed)
    lengths, depths = sorted(cells["length"].unique()), sorted(cells["depth"].unique())
    with mpl.style.context(["default", _style()]):
        ax = _figure(len(lengths), len(depths)) if ax is None else ax
        mesh = panel.colour(ax, cells, lengths, depths)
        panel.ticks(ax, lengths, depths, needle=bool(placed["depth"].notna().any()))
        panel.annotate(ax, cells, lengths, depths)
        panel.mask(ax, cells, lengths, depths)
        if margins:
            panel.margins(ax, placed, lengths, depths)
        if scale:
            panel.scale(ax, mesh, margins)
        if placed["double"].any():
            panel.watermark(ax, drawable(source(placed)))
        room = LEFT + panel.inches(ax)[0] + RIGHT
        lines = _caption(placed, cells, room) if title is None else drawable(title, lines=True).split("\n")
        _title(ax, lines, 72 * (panel.GAP + panel.BAR) + 16 if margins else 6)
    return ax


def grid(frame: pd.DataFrame) -> Figure:
    """Draw a heatmap for each task and density of a frame: tasks down and densities across where both vary.

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
    step_x, step_y, head = LEFT + width + RIGHT, TOP + height + BOTTOM, 0.8
    placed = frame.dropna(subset=["length_asked", "depth_asked"])
    with mpl.style.context(["default", _style()]):
        figure = Figure(figsize=(across * step_x, down * step_y + head), dpi=DPI)
        for place, (task, density, part) in enumerate(parts):
            row, column = divmod(place, across)
            ax = _axes(figure, column * step_x + LEFT, (down - 1 - row) * step_y + BOTTOM, width, height)
            heatmap(part, ax=ax, title=f"{task} · {distractors([density])}\n{share(stats.summary(part))}")
        lines = _caption(placed, stats.cells(placed, ["task", "density", "length", "depth"]), across * step_x)
        inch = 1 / figure.get_figheight()
        style: dict[str, Any] = {"va": "top", "parse_math": False}
        left, rest = 0.1 / figure.get_figwidth(), "\n".join(lines[1:])
        figure.text(left, 1 - 0.1 * inch, lines[0], size=13, **style, **face(lines[0], bold=True))
        figure.text(left, 1 - 0.36 * inch, rest, size=9, **style, **face(rest))
    return figure


def write(frame: pd.DataFrame, folder: Path) -> list[Path]:
    """Write heatmap.png and heatmap.svg, and one pair more for each task and density where there are several.

    Returns:
        What was written; nothing where no sample has a length and a depth.
    """
    parts = panels(frame)
    if not parts:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    if len(parts) == 1:
        return save(heatmap(frame), folder / "heatmap")
    written = save(grid(frame), folder / "heatmap")
    for task, density, part in parts:
        name = re.sub(r"[^\w.-]+", "-", f"heatmap-{task}-density-{density:g}", flags=re.ASCII)
        while folder / f"{name}.png" in written:  # two tasks whose names differ in signs only
            name += "-"
        written += save(heatmap(part), folder / name)
    return written


def save(figure: Figure | Axes, stem: Path) -> list[Path]:
    """Write a figure as PNG and SVG; the same figure gives the same bytes.

    Args:
        figure: it, or axes in it.
        stem: path without the suffix.

    Returns:
        Both paths.
    """
    written = []
    for kind in ("png", "svg"):
        path = stem.with_name(f"{stem.name}.{kind}")
        partial = path.with_name(f".{path.name}.part")  # a reader never meets half a file
        partial.write_bytes(_render(figure, kind))
        os.replace(partial, path)
        written.append(path)
    return written


def _render(figure: Any, kind: str) -> bytes:
    out = io.BytesIO()
    unstable = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    root = figure.get_figure(root=True)
    with mpl.style.context(["default", _style()]):
        root.savefig(out, format=kind, dpi=DPI, metadata=unstable, bbox_inches="tight", pad_inches=0.15)
    return out.getvalue()


def _style() -> dict[str, Any]:
    return {"font.family": BASE, "font.size": 8, "hatch.linewidth": 0.4, "svg.hashsalt": "longctx"}


def _size(across: int, down: int) -> tuple[float, float]:
    """Inches of the cells' area: roomy cells while there are few, then smaller ones, then a full page."""
    width = max(min(0.85, 9 / across), min(0.42, 13 / across)) * across
    height = max(min(0.52, 5 / down), min(0.2, 9 / down)) * down
    return max(width, 2.4), max(height, 1.2)


def _figure(across: int, down: int) -> Axes:
    width, height = _size(across, down)
    figure = Figure(figsize=(LEFT + width + RIGHT, BOTTOM + height + TOP), dpi=DPI)
    return _axes(figure, LEFT, BOTTOM, width, height)


def _axes(figure: Figure, x: float, y: float, width: float, height: float) -> Axes:
    total = figure.get_size_inches()
    rect = (x / total[0], y / total[1], width / total[0], height / total[1])
    return figure.add_axes(rect, axes_class=Heatmap)


def _caption(frame: pd.DataFrame, cells: pd.DataFrame, room: float) -> list[str]:
    """What was measured, in lines that fit into `room` inches: the model first, then the numbers."""
    found, counts = stats.summary(frame), cells["n"]
    n = f"n = {counts.min()}" + (f"–{counts.max()}" if counts.max() > counts.min() else "") + " a cell"
    items = [
        names(frame["task"]),
        names(frame["corpus"]),
        distractors(sorted(frame["density_asked"].dropna().unique())),
    ]
    items += [share(found), n]
    if found["errors"]:
        items.append(f"{found['errors']:,} failed calls (!) left out")
    head = textwrap.wrap(drawable(source(frame)), round(room * 9.5), max_lines=2, placeholder="…")
    return ["\n".join(head), *wrap([drawable(item) for item in items], round(room * 13.8))]


def _title(ax: Axes, lines: list[str], above: float) -> None:
    """First line bold, the rest below it, `above` points over the cells and at the figure's left edge."""
    x = 0.1 / panel.inches(ax)[0] - LEFT / panel.inches(ax)[0]
    style: dict[str, Any] = {"linespacing": 1.25, "parse_math": False}
    bold, rest = face(lines[0], bold=True), "\n".join(lines[1:])
    ax.set_title(lines[0], loc="left", x=x, pad=above + 3 + 12.6 * len(lines[1:]), size=10.5, **style, **bold)
    offset: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "bottom"}
    ax.annotate(rest, (x, 1), (0, above), size=8.5, **offset, **style, **face(rest))
