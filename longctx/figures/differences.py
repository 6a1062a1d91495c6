"""Two runs over the same samples: a heatmap of differences, and a forest of them by stratum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from longctx import stats
from longctx.errors import UsageError
from longctx.figures import canvas, panel
from longctx.figures.fonts import face, label
from longctx.figures.heatmaps import _size, about
from longctx.textmap import depth_labels, length_labels, names
from longctx.units import points as signed

if TYPE_CHECKING:
    import pandas as pd

COLOURS = "PuOr"  # apart for the colour-blind; in grey the sign and the hatch tell the ends apart
ROWS = 60  # strata in a forest
_FOREST_LEFT, _FOREST_RIGHT = 2.6, 2.4


def difference(first: pd.DataFrame, second: pd.DataFrame, *, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw the second run's accuracy less the first's over length and depth, of samples that both answered.

    The scale is fixed at -50 to 50 points; what is beyond has the ends' colours. Losses are hatched. Cells that differ
    beyond chance (as `stats.compare` tests it, corrected for all cells) have a frame.

    Args:
        first: from `longctx.table.load`, of one run.
        second: the other's.
        ax: where to draw; a figure of fitting size unless given.
        title: in place of the one that says the finding.

    Raises:
        UsageError: the runs have no answered sample in common, or none with a length and a depth.
    """
    placed = [frame.dropna(subset=["length_asked", "depth_asked"]) for frame in (first, second)]
    if placed[0].empty or placed[1].empty:
        raise UsageError("Nothing to draw: no sample of both runs has both a length and a depth.")
    found = stats.compare(placed[0], placed[1], ["length", "depth"])
    cells = found.assign(difference=found["points"] / 100, errors=0)
    layout = panel.Layout.of(cells)
    with canvas.style():
        ax = canvas.axes(*_size(len(layout.lengths), len(layout.rows)), right=1.4, top=0.9) if ax is None else ax
        values = layout.matrix(cells, "difference")
        mesh = panel.colour(ax, values, COLOURS, -0.5, 0.5)
        panel.ticks(ax, layout, "depth of the needle")
        worse = np.nan_to_num(values) < 0
        panel.annotate(ax, layout, cells, mesh, worse, "difference")
        explained = panel.mask(ax, layout, cells)
        explained += panel.hatch(ax, worse, mesh, "the second run is worse")
        clear = layout.matrix(cells, "p_holm") < 0.05
        for y, x in np.argwhere(clear):
            ax.add_patch(
                Rectangle((x + 0.03, y + 0.03), 0.94, 0.94, fill=False, edgecolor="black", linewidth=1.4, zorder=3)
            )
        panel.legend(ax, explained)
        panel.scale(ax, mesh, False, "difference in points")
        both = _both(first, second)
        framed = f"{clear.sum():,} of {len(found):,} cells differ beyond chance (framed)"
        details = [*about(stats.pairs(*placed)), canvas.times(found["n"], "pairs a cell"), framed]
        return canvas.finish(
            ax, _stack(first, second), _finding(first, second), [*both, *details], title=title, right=1.4
        )


def forest(
    first: pd.DataFrame, second: pd.DataFrame, by: Sequence[str] = ("task", "length"), *, ax: Axes | None = None,
    title: str | None = None,
) -> Axes:  # fmt: skip
    """Draw the difference of two runs in each stratum with its 95 % interval: YaRN's tax, where one run has YaRN.

    Args:
        first: from `longctx.table.load`, of one run, such as the one without YaRN.
        second: the other's.
        by: columns that make strata.
        ax: where to draw; a figure of fitting size unless given.
        title: in place of the one that says the finding.

    Raises:
        UsageError: the runs have no answered sample in common, or there are more than `ROWS` strata.
    """
    found = stats.compare(first, second, list(by))
    if len(found) > ROWS:
        raise UsageError(f"{len(found)} strata do not fit into one figure; possible are {ROWS}.")
    whole = stats.compare(first, second)
    labels = [label(_label(row, by), 38) for row in found.to_dict("records")] + ["all"]
    points, low, high, n, p = (
        np.append(found[name].to_numpy(float), whole[name].to_numpy(float))
        for name in ("points", "low", "high", "n", "p_holm")
    )
    with canvas.style():
        rows = len(labels)
        height = max(1.0, 0.2 * rows)
        ax = canvas.axes(3.6, height, left=_FOREST_LEFT, right=_FOREST_RIGHT, top=0.9, bottom=0.7) if ax is None else ax
        reach = max(10.0, float(np.ceil(np.nanmax(np.abs([low, high])) / 10) * 10))
        ax.set(xlim=(-reach, reach), ylim=(rows - 0.4, -0.6))
        ax.axvline(0, color="#444444", linewidth=0.9)
        at = np.arange(rows)
        ax.hlines(at, low, high, color="#0b3c6f", linewidth=1.3)
        sizes = 10 + 50 * np.sqrt(n / n.max())
        ax.scatter(points[:-1], at[:-1], sizes[:-1], marker="s", color="#0b3c6f", zorder=3)
        ax.scatter(points[-1:], at[-1:], 70, marker="D", color="#d55e00", edgecolor="black", linewidth=0.8, zorder=3)
        ax.axhline(rows - 1.5, color="#cccccc", linewidth=0.6)
        ax.set_yticks(at, labels, parse_math=False)
        for tick, said in zip(ax.get_yticklabels(), labels, strict=True):
            tick.set(**face(said, bold=said == "all"))
        ax.tick_params(axis="y", length=0, labelsize=7.5)
        ax.grid(axis="x", color="#e4e4e4", linewidth=0.6)
        ax.spines[["top", "right", "left"]].set_visible(False)
        ax.set_xlabel("second run less first, percentage points", size=9)
        for y in at:
            star = " *" if p[y] < 0.05 else ""
            change, lowest, highest = map(signed, (points[y], low[y], high[y]))
            words = f"{change} ({lowest} to {highest}), n = {n[y]:,.0f}{star}"
            ax.annotate(words, (1, y), (6, 0), xycoords=("axes fraction", "data"), textcoords="offset points", size=7,
                        va="center_baseline")  # fmt: skip
        details = [
            *_both(first, second),
            *about(stats.pairs(first, second)),
            "95 % intervals",
            "* beyond chance after Holm's correction",
        ]
        return canvas.finish(ax, _stack(first, second), _finding(first, second), details, title=title,
                             left=_FOREST_LEFT, right=_FOREST_RIGHT)  # fmt: skip


def _finding(first: pd.DataFrame, second: pd.DataFrame) -> str:
    whole = stats.compare(first, second).iloc[0]
    change, low, high = (signed(whole[name]) for name in ("points", "low", "high"))
    return f"{change} points ({low} to {high}) over {whole['n']:,.0f} pairs"


def _both(first: pd.DataFrame, second: pd.DataFrame) -> list[str]:
    return [f"first: {names(first['run'])}", f"second: {names(second['run'])}"]


def _stack(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Both runs' models, for the title."""
    import pandas as pd

    columns = ["model", "backend", "double"]
    return pd.concat([first[columns].astype(object), second[columns].astype(object)], ignore_index=True).astype(
        {"double": bool}
    )


def _label(row: dict[Any, Any], by: Sequence[str]) -> str:
    words = []
    for name in by:
        value = row[name]
        if name == "length":
            words.append(length_labels([value])[0])
        elif name == "depth":
            words.append("none" if value != value else depth_labels([value])[0])
        else:
            words.append(f"{value:g} per 10K" if name == "density" else str(value))
    return ", ".join(words)
