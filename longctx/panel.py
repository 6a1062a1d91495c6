"""The parts of one heatmap panel: labels, numbers, hatching, margins, scale, watermark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke

from longctx import stats
from longctx.fonts import face
from longctx.textmap import depth_labels, length_labels

if TYPE_CHECKING:
    import pandas as pd

COLOURS = "cividis"  # rises in lightness all the way: reads the same in grey and to the colour-blind
BAR = 0.5  # inches: height of the upper margin's bars
SIDE = 0.75  # inches: width of the right margin's bars
GAP = 0.06  # inches between cells and margins
_UNTESTED: dict[str, Any] = {"facecolor": "#ececec", "edgecolor": "#9a9a9a", "hatch": "////", "linewidth": 0}
_FAILED: dict[str, Any] = _UNTESTED | {"hatch": "xxxx"}


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


def matrix(cells: pd.DataFrame, column: str, lengths: Sequence[int], depths: Sequence[float]) -> Any:
    """A column of cells as (depths, lengths); NaN where there is no cell."""
    wide = cells.pivot(index="depth", columns="length", values=column)
    return wide.reindex(index=list(depths), columns=list(lengths)).to_numpy(dtype=float)


def colour(ax: Axes, cells: pd.DataFrame, lengths: Sequence[int], depths: Sequence[float]) -> Any:
    """Draw the cells on the fixed scale 0-1, the start of the haystack on top; returns the mesh."""
    values: Any = np.ma.masked_invalid(matrix(cells, "accuracy", lengths, depths))  # type: ignore[no-untyped-call]
    mesh = ax.pcolormesh(values, cmap=COLOURS, vmin=0, vmax=1, edgecolors="white", linewidth=0.6)
    ax.set(xlim=(0, len(lengths)), ylim=(len(depths), 0))
    ax.spines[:].set_visible(False)
    return mesh


def ticks(ax: Axes, lengths: Sequence[int], depths: Sequence[float], needle: bool = True) -> None:
    """Label both axes, and say so where no sample has a needle.

    Length labels stand upright where they would touch; some go where not all have room.
    """
    width, height = (72 * size for size in inches(ax))
    across, down = length_labels(lengths), depth_labels(depths)
    cell = width / len(lengths)
    turned = max(map(len, across)) * 4.9 + 4 > cell
    every = math.ceil(10 / cell) if turned else 1
    ax.set_xticks(np.arange(0, len(across), every) + 0.5, across[::every], rotation=90 if turned else 0)
    every = math.ceil(10 / (height / len(down)))
    ax.set_yticks(np.arange(0, len(down), every) + 0.5, down[::every])
    ax.tick_params(length=0, labelsize=8)
    ax.set_xlabel("context length (tokens)", size=9)
    ax.set_ylabel("depth of the needle" if needle else "depth asked for\n(there is no needle)", size=9)


def annotate(ax: Axes, cells: pd.DataFrame, lengths: Sequence[int], depths: Sequence[float]) -> None:
    """Accuracy and n in each cell; where room is short n goes first, then the accuracy."""
    width, height = (72 * size for size in inches(ax))
    width, height = width / len(lengths), height / len(depths)
    size = min(10.0, width / 2.1, height * 0.8)
    if size < 5:
        return
    both = width >= 36 and height >= 26
    column, row = {v: i for i, v in enumerate(lengths)}, {v: i for i, v in enumerate(depths)}
    colours = mpl.colormaps[COLOURS]
    tested: Any = cells[cells["n"] > 0].itertuples()
    for cell in tested:
        x, y = column[cell.length] + 0.5, row[cell.depth] + 0.5
        mark = "!" if cell.errors else ""
        words = f"{100 * cell.accuracy:.0f}" + (" %" if both else mark)
        style: dict[str, Any] = {"ha": "center", "va": "center_baseline", "color": ink(colours(cell.accuracy))}
        ax.text(x, y - 5 / height if both else y, words, size=size, zorder=4, **style)
        if both:
            failed = f" !{cell.errors}" if cell.errors else ""
            ax.text(x, y + 8 / height, f"n={cell.n}{failed}", size=min(6.5, width / 5), zorder=4, **style)


def mask(ax: Axes, cells: pd.DataFrame, lengths: Sequence[int], depths: Sequence[float]) -> None:
    """Hatch what has no accuracy, and say why in a legend."""
    n, errors = (np.nan_to_num(matrix(cells, name, lengths, depths)) for name in ("n", "errors"))
    legend = []
    for where, style, label in (
        ((n == 0) & (errors == 0), _UNTESTED, "not asked"),
        ((n == 0) & (errors > 0), _FAILED, "every call failed"),
    ):
        if where.any():
            boxes = [Rectangle((x, y), 1, 1) for y, x in np.argwhere(where)]
            ax.add_collection(PatchCollection(boxes, zorder=0.5, **style))
            legend.append(Patch(label=label, **style))
    if legend:
        labels = ax.get_xticklabels()
        turned = any(label.get_rotation() for label in labels)
        below = 0.36 + (max(len(label.get_text()) for label in labels) * 0.07 if turned else 0.08)
        place = (0, -below / inches(ax)[1])
        style = {"loc": "upper left", "ncols": 2, "frameon": False, "fontsize": 7.5, "borderpad": 0}
        ax.legend(handles=legend, bbox_to_anchor=place, **style)


def margins(ax: Axes, frame: pd.DataFrame, lengths: Sequence[int], depths: Sequence[float]) -> None:
    """Accuracy of each length (on top) and of each depth (on the right), with 95 % intervals."""
    width, height = inches(ax)
    top = ax.inset_axes((0, 1 + GAP / height, 1, BAR / height), label="all depths")
    side = ax.inset_axes((1 + GAP / width, 0, SIDE / width, 1), label="all lengths")
    found, room = stats.cells(frame, ["length"]), 72 * width / len(lengths)
    mean, low, high = _margin(found, "length", lengths)
    at = np.arange(len(lengths)) + 0.5
    top.bar(at, mean, 0.8, color="#c4c4c4")
    top.vlines(at, low, high, color="#222222", linewidth=min(1.2, room / 6))
    top.set(xlim=(0, len(lengths)), ylim=(0, 1), xticks=[])
    top.set_yticks([0, 0.5, 1], ["0", "50", "100 %"])
    top.set_ylabel("all depths", size=7, rotation=0, ha="right", va="center", labelpad=6)
    for x, value in zip(at, mean, strict=True):
        if room >= 17 and not math.isnan(value):
            top.text(x, 1.1, f"{100 * value:.0f}", size=7, ha="center", va="bottom")
    found, room = stats.cells(frame, ["depth"]), 72 * height / len(depths)
    mean, low, high = _margin(found, "depth", depths)
    at = np.arange(len(depths)) + 0.5
    side.barh(at, mean, 0.8, color="#c4c4c4")
    side.hlines(at, low, high, color="#222222", linewidth=min(1.2, room / 6))
    side.set(ylim=(len(depths), 0), xlim=(0, 1), yticks=[])
    side.set_xticks([0, 0.5, 1], ["0", "50", "100 %"])
    side.set_xlabel("all lengths", size=7)
    for y, value in zip(at, mean, strict=True):
        if room >= 8 and not math.isnan(value):
            side.text(1.32, y, f"{100 * value:.0f}", size=7, ha="right", va="center")
    for inset in (top, side):
        inset.tick_params(length=2, labelsize=6.5, colors="#555555")
        inset.spines[["top", "right"]].set_visible(False)


def _margin(found: pd.DataFrame, axis: str, asked: Sequence[float]) -> tuple[Any, Any, Any]:
    rows = found.set_index(axis).reindex(list(asked))
    mean, low, high = (rows[name].to_numpy(dtype=float) for name in ("accuracy", "low", "high"))
    return mean, low, high


def scale(ax: Axes, mesh: Any, beside_margin: bool) -> None:
    """The colour scale, on the far right."""
    width, _ = inches(ax)
    place = (1 + ((GAP + SIDE + 0.42) if beside_margin else 0.15) / width, 0, 0.12 / width, 1)
    figure: Any = ax.get_figure(root=True)
    bar = figure.colorbar(mesh, cax=ax.inset_axes(place, label="scale"))
    bar.set_ticks([0, 0.25, 0.5, 0.75, 1], labels=["0 %", "25 %", "50 %", "75 %", "100 %"])
    bar.ax.tick_params(length=2, labelsize=7)
    bar.outline.set_visible(False)
    bar.set_label("accuracy", size=8)


def watermark(ax: Axes, words: str) -> None:
    """Words across the cells, below their numbers, that no copy of the figure loses."""
    width, height = (72 * size for size in inches(ax))
    size = min(26.0, 0.92 * math.hypot(width, height) / (0.64 * len(words)))
    style: dict[str, Any] = {"size": size, "color": "#c00000", "alpha": 0.5, "zorder": 2.5}
    halo = [withStroke(linewidth=size / 8, foreground="white", alpha=0.6)]
    angle = math.degrees(math.atan2(height, width))
    place: dict[str, Any] = {"transform": ax.transAxes, "rotation": angle, "ha": "center", "va": "center"}
    ax.text(0.5, 0.5, words, path_effects=halo, **place, **style, **face(words, bold=True))
