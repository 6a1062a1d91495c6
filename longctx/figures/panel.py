"""The parts of one heatmap: labels, numbers, hatching, margins, scale, watermark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke

from longctx import stats
from longctx.figures.fonts import face
from longctx.textmap import depth_labels, length_labels
from longctx.units import percent

if TYPE_CHECKING:
    import pandas as pd

COLOURS = "cividis"  # rises in lightness all the way: reads the same in grey and to the colour-blind
BAR = 0.5  # inches: height of the upper margin's bars
SIDE = 0.75  # inches: width of the right margin's bars
GAP = 0.06  # inches between cells and margins
_UNTESTED: dict[str, Any] = {"facecolor": "#ececec", "edgecolor": "#9a9a9a", "hatch": "////", "linewidth": 0}
_FAILED: dict[str, Any] = _UNTESTED | {"hatch": "xxxx"}
_OPEN = "\\\\\\"  # leans the other way than what was not asked


@dataclass(frozen=True, slots=True)
class Layout:
    """What lies across and down."""

    lengths: Sequence[int]
    rows: Sequence[float]
    axis: str = "depth"  # or "density"

    @classmethod
    def of(cls, cells: pd.DataFrame, axis: str = "depth") -> Layout:
        """All lengths and rows of the cells."""
        return cls(sorted(cells["length"].unique()), sorted(cells[axis].unique()), axis)

    def labels(self) -> list[str]:
        """Names of the rows."""
        return depth_labels(self.rows) if self.axis == "depth" else [f"{row:g}" for row in self.rows]

    def matrix(self, cells: pd.DataFrame, column: str) -> Any:
        """A column of cells as (rows, lengths); NaN where there is no cell."""
        wide = cells.pivot(index=self.axis, columns="length", values=column)
        return wide.reindex(index=list(self.rows), columns=list(self.lengths)).to_numpy(dtype=float)


def ink(colour: Any) -> str:
    """Black or white, whichever has the higher WCAG contrast on an RGB(A) colour of 0-1; never below 4.5."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour[:3]]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "black" if (luminance + 0.05) / 0.05 >= 1.05 / (luminance + 0.05) else "white"


def inches(ax: Axes) -> tuple[float, float]:
    """Width and height of the cells' area."""
    box, figure = ax.get_window_extent(), ax.get_figure(root=True)
    assert figure is not None  # axes that are being drawn on
    return box.width / figure.dpi, box.height / figure.dpi


def colour(ax: Axes, values: Any, colours: str = COLOURS, low: float = 0.0, high: float = 1.0) -> Any:
    """Draw values (rows, lengths) on the fixed scale from `low` to `high`, the first row on top; returns the mesh."""
    masked: Any = np.ma.masked_invalid(values)  # type: ignore[no-untyped-call]
    mesh = ax.pcolormesh(masked, cmap=colours, vmin=low, vmax=high, edgecolors="white", linewidth=0.6)
    ax.set(xlim=(0, values.shape[1]), ylim=(values.shape[0], 0))
    ax.spines[:].set_visible(False)
    return mesh


def ticks(ax: Axes, layout: Layout, name: str) -> None:
    """Label both axes; `name` is what the rows are.

    Length labels stand upright where they would touch; some go where not all have room.
    """
    width, height = (72 * size for size in inches(ax))
    across, down = length_labels(layout.lengths), layout.labels()
    cell = width / len(across)
    turned = max(map(len, across)) * 4.9 + 4 > cell
    every = math.ceil(10 / cell) if turned else 1
    ax.set_xticks(np.arange(0, len(across), every) + 0.5, across[::every], rotation=90 if turned else 0)
    every = math.ceil(10 / (height / len(down)))
    ax.set_yticks(np.arange(0, len(down), every) + 0.5, down[::every])
    ax.tick_params(length=0, labelsize=8)
    ax.set_xlabel("context length (tokens)", size=9)
    ax.set_ylabel(name, size=9)


def annotate(ax: Axes, layout: Layout, cells: pd.DataFrame, mesh: Any, hatched: Any, column: str = "accuracy") -> None:
    """A cell's value in percent and its n; where room is short n goes first, then the value.

    Args:
        ax: where.
        layout: what lies where.
        cells: with the column, ``n`` and ``errors``.
        mesh: what `colour` gave.
        hatched: cells (rows, lengths) in which digits need room around them.
        column: a signed one if it is called ``difference``.
    """
    width, height = (72 * size for size in inches(ax))
    width, height = width / len(layout.lengths), height / len(layout.rows)
    size = min(10.0, width / (2.5 if column == "difference" else 2.1), height * 0.8)
    if size < 4:
        return
    both = width >= 36 and height >= 26
    at_x, at_y = ({v: i for i, v in enumerate(values)} for values in (layout.lengths, layout.rows))
    sign = "+" if column == "difference" else ""
    for cell in cells[cells["n"] > 0].to_dict("records"):
        x, y = at_x[cell["length"]] + 0.5, at_y[cell[layout.axis]] + 0.5
        shade = mesh.cmap(mesh.norm(cell[column]))
        style: dict[str, Any] = {"ha": "center", "va": "center_baseline", "color": ink(shade)}
        if hatched[int(y), int(x)]:
            style["path_effects"] = [withStroke(linewidth=2.2, foreground=shade)]
        mark = "!" if cell["errors"] else ""
        value = percent(cell[column], sign=sign).replace("-", "−")
        value = value.replace("+0", "0") if value == "+0" else "0" if value == "−0" else value
        words = value + ("" if sign else " %") if both else value + mark
        ax.text(x, y - 5 / height if both else y, words, size=size, zorder=4, **style)
        if both:
            failed = f" !{cell['errors']}" if cell["errors"] else ""
            ax.text(x, y + 8 / height, f"n={cell['n']}{failed}", size=min(6.5, width / 5), zorder=4, **style)


def mask(ax: Axes, layout: Layout, cells: pd.DataFrame) -> list[Patch]:
    """Hatch what has no value; returns what explains it, for `legend`."""
    n, errors = (np.nan_to_num(layout.matrix(cells, name)) for name in ("n", "errors"))
    explained = []
    for where, style, label in (
        ((n == 0) & (errors == 0), _UNTESTED, "not asked"),
        ((n == 0) & (errors > 0), _FAILED, "every call failed"),
    ):
        if where.any():
            boxes = [Rectangle((x, y), 1, 1) for y, x in np.argwhere(where)]
            ax.add_collection(PatchCollection(boxes, zorder=0.5, **style))
            explained.append(Patch(label=label, **style))
    return explained


def hatch(ax: Axes, where: Any, mesh: Any, label: str) -> list[Patch]:
    """Hatch cells (rows, lengths) in the ink that stands out from each; returns what explains it, for `legend`."""
    values = mesh.get_array().reshape(where.shape)
    inks = np.array([[ink(mesh.cmap(mesh.norm(value))) for value in row] for row in np.ma.filled(values, 0.5)])
    for colour in ("black", "white"):
        boxes = [Rectangle((x, y), 1, 1) for y, x in np.argwhere(where & (inks == colour))]
        if boxes:
            style: dict[str, Any] = {
                "facecolor": "none",
                "edgecolor": colour,
                "linewidth": 0,
                "alpha": 0.4,
                "hatch": _OPEN,
            }
            ax.add_collection(PatchCollection(boxes, zorder=2, **style))
    if not where.any():
        return []
    return [Patch(label=label, facecolor="white", edgecolor="#555555", linewidth=0.6, hatch=2 * _OPEN)]


def legend(ax: Axes, explained: Sequence[Patch]) -> None:
    """What hatches mean, below the labels of the lengths."""
    if not explained:
        return
    labels = ax.get_xticklabels()
    turned = any(label.get_rotation() for label in labels)
    below = 0.36 + (max(len(label.get_text()) for label in labels) * 0.07 if turned else 0.08)
    place = (0, -below / inches(ax)[1])
    style: dict[str, Any] = {"loc": "upper left", "ncols": 3, "frameon": False, "fontsize": 7.5, "borderpad": 0}
    ax.legend(handles=list(explained), bbox_to_anchor=place, **style)


def margins(ax: Axes, layout: Layout, frame: pd.DataFrame) -> None:
    """Accuracy of each length (on top) and of each row (on the right), with 95 % intervals."""
    lengths, depths = layout.lengths, layout.rows
    every = {"depth": "all depths", "density": "all densities"}[layout.axis]
    width, height = inches(ax)
    top = ax.inset_axes((0, 1 + GAP / height, 1, BAR / height), label=every)
    side = ax.inset_axes((1 + GAP / width, 0, SIDE / width, 1), label="all lengths")
    found, room = stats.cells(frame, ["length"]), 72 * width / len(lengths)
    mean, low, high = _margin(found, "length", lengths)
    at = np.arange(len(lengths)) + 0.5
    top.bar(at, mean, 0.8, color="#c4c4c4")
    top.vlines(at, low, high, color="#222222", linewidth=min(1.2, room / 6))
    top.set(xlim=(0, len(lengths)), ylim=(0, 1), xticks=[])
    top.set_yticks([0, 0.5, 1], ["0", "50", "100 %"])
    top.set_ylabel(every, size=7, rotation=0, ha="right", va="center", labelpad=6)
    for x, value in zip(at, mean, strict=True):
        if room >= 17 and not math.isnan(value):
            top.text(x, 1.1, percent(value), size=7, ha="center", va="bottom")
    found, room = stats.cells(frame, [layout.axis]), 72 * height / len(depths)
    mean, low, high = _margin(found, layout.axis, depths)
    at = np.arange(len(depths)) + 0.5
    side.barh(at, mean, 0.8, color="#c4c4c4")
    side.hlines(at, low, high, color="#222222", linewidth=min(1.2, room / 6))
    side.set(ylim=(len(depths), 0), xlim=(0, 1), yticks=[])
    side.set_xticks([0, 0.5, 1], ["0", "50", "100 %"])
    side.set_xlabel("all lengths", size=7)
    for y, value in zip(at, mean, strict=True):
        if room >= 8 and not math.isnan(value):
            side.text(1.32, y, percent(value), size=7, ha="right", va="center")
    for inset in (top, side):
        inset.tick_params(length=2, labelsize=6.5, colors="#555555")
        inset.spines[["top", "right"]].set_visible(False)


def _margin(found: pd.DataFrame, axis: str, asked: Sequence[float]) -> tuple[Any, Any, Any]:
    rows = found.set_index(axis).reindex(list(asked))
    mean, low, high = (rows[name].to_numpy(dtype=float) for name in ("accuracy", "low", "high"))
    return mean, low, high


def scale(ax: Axes, mesh: Any, beside_margin: bool, name: str = "accuracy") -> None:
    """The colour scale, on the far right."""
    width, _ = inches(ax)
    place = (1 + ((GAP + SIDE + 0.42) if beside_margin else 0.15) / width, 0, 0.12 / width, 1)
    figure: Any = ax.get_figure(root=True)
    low, high = mesh.norm.vmin, mesh.norm.vmax
    bar = figure.colorbar(mesh, cax=ax.inset_axes(place, label="scale"), extend="neither" if low == 0 else "both")
    marks = np.linspace(low, high, 5)
    words = [f"{percent(mark)} %" if low == 0 else percent(mark, sign="+") for mark in marks]
    bar.set_ticks(marks, labels=["0" if word == "+0" else word.replace("-", "−") for word in words])
    bar.ax.tick_params(length=2, labelsize=7)
    bar.outline.set_visible(False)
    bar.set_label(name, size=8)


def watermark(ax: Axes, words: str) -> None:
    """Words across the cells, below their numbers, that no copy of the figure loses."""
    width, height = (72 * size for size in inches(ax))
    size = min(26.0, 0.92 * math.hypot(width, height) / (0.64 * len(words)))
    style: dict[str, Any] = {"size": size, "color": "#c00000", "alpha": 0.5, "zorder": 2.5}
    halo = [withStroke(linewidth=size / 8, foreground="white", alpha=0.6)]
    angle = math.degrees(math.atan2(height, width))
    place: dict[str, Any] = {"transform": ax.transAxes, "rotation": angle, "ha": "center", "va": "center"}
    ax.text(0.5, 0.5, words, path_effects=halo, **place, **style, **face(words, bold=True))
