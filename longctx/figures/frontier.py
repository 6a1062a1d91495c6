"""The trust frontier: how far even the worst depth is shown to be right often enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes

from longctx import stats
from longctx.errors import UsageError
from longctx.figures import canvas, lines, panel
from longctx.figures.heatmaps import about
from longctx.textmap import length_labels

if TYPE_CHECKING:
    import pandas as pd

LEVELS = (0.0, 0.25, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0)
RIGHT = 1.9


def bounds(frame: pd.DataFrame, accuracy: float) -> pd.DataFrame:
    """For each density and length the worst depth: its ``accuracy``, its lower ``bound`` (one-sided), its ``n``."""
    import pandas as pd

    densities = sorted(stats.answered(frame)["density_asked"].dropna().unique().tolist())
    found = [stats.frontier(frame, accuracy, [density]).worst.assign(density=density) for density in densities]
    table = pd.concat(found, ignore_index=True) if found else pd.DataFrame()
    if table.empty or table["length"].nunique() < 2:
        raise UsageError("Nothing to draw: length was not varied; at least two lengths are needed.")
    return table[["density", "length", "depth", "n", "right", "accuracy", "bound"]]


def trust_frontier(
    frame: pd.DataFrame, accuracy: float = 0.9, *, ax: Axes | None = None, title: str | None = None
) -> Axes:
    """Draw what is shown about the worst depth: its lower bound over length and density.

    With one density the bound and the measured accuracy are lines over length. With several, lines of equal bound
    are drawn over length and density; dots are what was tested, between them the lines are interpolated.

    Args:
        frame: from `longctx.table.load`. Tasks in it are pooled.
        accuracy: that is asked for, 0-1.
        ax: where to draw; a figure of its own unless given.
        title: in place of the one that says the finding.

    Raises:
        UsageError: fewer than two lengths were answered.
    """
    worst = bounds(frame, accuracy)
    several = worst["density"].nunique() > 1
    with canvas.style():
        ax = canvas.axes(5.4, 3.3, right=RIGHT, top=0.9) if ax is None else ax
        (_contours if several else _lines)(ax, worst, accuracy)
        n = canvas.times(worst["n"], "at the worst depth")
        details = [*about(frame), f"{int((frame['outcome'] != 'error').sum()):,} answers", n, "one-sided 95 % bounds"]
        return canvas.finish(ax, frame, _finding(frame, accuracy, several), details, title=title, right=RIGHT)


def _finding(frame: pd.DataFrame, accuracy: float, several: bool) -> str:
    asked = f"{100 * accuracy:g} % at every depth"
    if not several:
        length = stats.frontier(frame, accuracy).length
        return (
            f"{asked} is shown up to {length_labels([length])[0]} tokens"
            if length
            else f"{asked} is shown at no length"
        )
    found = stats.frontiers(frame, accuracy)
    parts: list[tuple[float, str]] = []
    for density, one in found.items():
        reach = length_labels([one.length])[0] if one.length else "no length"
        if not parts or parts[-1][1] != reach:
            parts.append((density, reach))
    said = [f"{reach} with up to {density:g} distractors per 10K" for density, reach in parts[:3]]
    return f"{asked} is shown up to " + ", ".join(said) if any(one.length for one in found.values()) else (
        f"{asked} is shown at no length"
    )  # fmt: skip


def _lines(ax: Axes, worst: pd.DataFrame, accuracy: float) -> None:
    lines.percent_axis(ax, "accuracy at the worst depth")
    lines.length_axis(ax, worst["length"].tolist())
    lines.thresholds(ax, [accuracy])
    x = worst["length"].to_numpy(float)
    shown: Any = worst["bound"].to_numpy(float) >= accuracy
    ax.fill_between(x, 0, worst["bound"], color="#dfe5ee", linewidth=0, zorder=0.5)
    for number, column in enumerate(("accuracy", "bound")):
        ax.plot(x, worst[column], clip_on=False, **lines.look(number, 2, False))
    lines.name(ax, ["measured", "shown: at least"], [(x[-1], worst[c].iloc[-1]) for c in ("accuracy", "bound")], False)
    for place in x[shown & (np.cumprod(shown) > 0)]:
        ax.plot([place], [0.02], marker="^", color="#1b7f3b", markersize=7, zorder=4)


def _contours(ax: Axes, worst: pd.DataFrame, accuracy: float) -> None:
    lines.length_axis(ax, sorted(worst["length"].unique()))
    wide = worst.pivot(index="density", columns="length", values="bound")
    x, y = wide.columns.to_numpy(float), np.arange(len(wide), dtype=float)
    values: Any = np.ma.masked_invalid(wide.to_numpy(float))  # type: ignore[no-untyped-call]
    shades = mpl.colormaps[panel.COLOURS]
    norm = mpl.colors.Normalize(0, 1)
    mesh = ax.contourf(x, y, values, levels=LEVELS, cmap=shades, norm=norm)
    drawn = ax.contour(x, y, values, levels=LEVELS[1:-1], colors="white", linewidths=0.6)
    ax.clabel(drawn, fmt=lambda level: f"{100 * level:.0f} %", fontsize=7, inline=True)
    edge = ax.contour(x, y, values, levels=[accuracy], colors="#d55e00", linewidths=2.2)
    if len(edge.allsegs[0]) == 0:  # nowhere: every bound is on one side
        ax.text(0.5, 0.02, f"no bound reaches {100 * accuracy:g} %" if values.max() < accuracy else
                f"every bound reaches {100 * accuracy:g} %", transform=ax.transAxes, ha="center", va="bottom", size=8,
                color="#d55e00", bbox={"facecolor": "white", "alpha": 0.85, "linewidth": 0, "pad": 2})  # fmt: skip
    tested = np.argwhere(wide.notna().to_numpy())
    ax.plot(x[tested[:, 1]], y[tested[:, 0]], "o", color="black", markersize=3, markeredgecolor="white",
            markeredgewidth=0.6, clip_on=False, zorder=5)  # fmt: skip
    room = 72 * panel.inches(ax)[1] / max(len(y) - 1, 1)
    every = int(np.ceil(10 / room))
    ax.set_yticks(y[::every], [f"{density:g}" for density in wide.index[::every]])
    ax.set_ylim(-0.15, len(y) - 0.85)
    ax.set_ylabel("distractors per 10K tokens", size=9)
    ax.spines[["top", "right"]].set_visible(False)
    width, _ = panel.inches(ax)
    figure: Any = ax.get_figure(root=True)
    bar = figure.colorbar(mesh, cax=ax.inset_axes((1 + 0.2 / width, 0, 0.12 / width, 1), label="scale"))
    bar.set_ticks(LEVELS, labels=[f"{100 * level:.0f} %" for level in LEVELS])
    bar.ax.tick_params(length=2, labelsize=7)
    bar.outline.set_visible(False)
    bar.set_label("worst depth: at least", size=8)
