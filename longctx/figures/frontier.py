"""The trust frontier: how far even the worst depth is shown to be right often enough."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes

from longctx import stats
from longctx.errors import UsageError
from longctx.figures import canvas, lines, panel
from longctx.figures.heatmaps import about
from longctx.textmap import distractors, length_labels
from longctx.units import percent

if TYPE_CHECKING:
    import pandas as pd

LINES = 3  # densities drawn as lines; between so few, lines of equal bound would be guesses
LEVELS = (0.0, 0.25, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0)
RIGHT = 1.9


def bounds(frame: pd.DataFrame, accuracy: float) -> pd.DataFrame:
    """For each density and length the worst depth: its ``accuracy``, its lower ``bound`` (one-sided), its ``n``.

    The bounds hold for all densities at once, as those of `stats.frontiers` do.
    """
    import pandas as pd

    densities = sorted(stats.answered(frame)["density_asked"].dropna().unique().tolist())
    level = 1 - 0.05 / max(len(densities), 1)
    found = [
        stats.frontier(frame, accuracy, [density], level=level).worst.assign(density=density) for density in densities
    ]
    table = pd.concat(found, ignore_index=True) if found else pd.DataFrame()
    if table.empty or table["length"].nunique() < 2:
        raise UsageError("Nothing to draw: length was not varied; at least two lengths are needed.")
    return table[["density", "length", "depth", "n", "right", "accuracy", "bound"]]


def trust_frontier(
    frame: pd.DataFrame, accuracy: float = 0.9, *, ax: Axes | None = None, title: str | None = None
) -> Axes:
    """Draw what is shown about the worst depth: its lower bound over length and density.

    With one density the bound and the measured accuracy are lines over length, with up to `LINES` each density's bound
    is one. With more, lines of equal bound are drawn over length and density; dots are what was tested, between them
    the lines are interpolated.

    Args:
        frame: from `longctx.table.load`. Tasks in it are pooled.
        accuracy: that is asked for, 0-1.
        ax: where to draw; a figure of its own unless given.
        title: in place of the one that says the finding.

    Raises:
        UsageError: fewer than two lengths were answered.
    """
    worst = bounds(frame, accuracy)
    several = worst["density"].nunique()
    with canvas.style():
        ax = canvas.axes(5.4, 3.3, right=RIGHT, top=0.9) if ax is None else ax
        (_contours if several > LINES else _lines)(ax, worst, accuracy)
        n = canvas.times(worst["n"], "at the worst depth")
        details = [*about(frame), f"{int((frame['outcome'] != 'error').sum()):,} answers", n, "one-sided 95 % bounds"]
        details += ["which hold for all densities at once"] if several > 1 else []
        return canvas.finish(ax, frame, _finding(frame, accuracy), details, title=title, right=RIGHT)


def _finding(frame: pd.DataFrame, accuracy: float) -> str:
    asked = f"{100 * accuracy:g} % at every depth"
    found = stats.frontiers(frame, accuracy)
    fewest = min(found)
    if not any(one.length for one in found.values()):
        worst = found[fewest].worst.iloc[0]
        had = f"{worst['right']:.0f} of {worst['n']:.0f} right, at least {math.floor(100 * worst['bound'])} %"
        return f"{asked} is shown at no length: at {length_labels([worst['length']])[0]} the worst had {had}"
    reach = {one.length: density for density, one in found.items() if one.length}  # the highest density of each
    if len(found) == 1:
        return f"{asked} is shown up to {length_labels([*reach])[0]} tokens"
    said = [
        f"{length_labels([length])[0]} with {f'up to {density:g}' if density else 'no'} distractors per 10K"
        for length, density in list(reach.items())[:3]
    ]
    return f"{asked} is shown up to " + ", ".join(said)


def _lines(ax: Axes, worst: pd.DataFrame, accuracy: float) -> None:
    several = worst["density"].nunique() > 1
    lines.percent_axis(ax, "worst depth: at least" if several else "accuracy at the worst depth")
    lines.length_axis(ax, sorted(worst["length"].unique()))
    lines.thresholds(ax, [accuracy])
    if several:
        parts: Any = worst.groupby("density")
        drawn = [(distractors([density]), part, "bound") for density, part in parts]
    else:
        ax.fill_between(worst["length"].to_numpy(float), 0, worst["bound"], color="#dfe5ee", linewidth=0, zorder=0.5)
        drawn = [("measured", worst, "accuracy"), ("at least", worst, "bound")]
    for number, (_, part, column) in enumerate(drawn):
        ax.plot(part["length"].to_numpy(float), part[column], clip_on=False, **lines.look(number, len(drawn), False))
    ends = [(float(part["length"].iloc[-1]), float(part[column].iloc[-1])) for _, part, column in drawn]
    lines.name(ax, [name for name, _, _ in drawn], ends, False)


def _contours(ax: Axes, worst: pd.DataFrame, accuracy: float) -> None:
    lines.length_axis(ax, sorted(worst["length"].unique()))
    wide = worst.pivot(index="density", columns="length", values="bound")
    x, y = wide.columns.to_numpy(float), np.arange(len(wide), dtype=float)
    values: Any = np.ma.masked_invalid(wide.to_numpy(float))  # type: ignore[no-untyped-call]
    shades = mpl.colormaps[panel.COLOURS]
    norm = mpl.colors.Normalize(0, 1)
    mesh = ax.contourf(x, y, values, levels=LEVELS, cmap=shades, norm=norm)
    drawn = ax.contour(x, y, values, levels=LEVELS[1:-1], colors="white", linewidths=0.6)
    ax.clabel(drawn, fmt=lambda level: f"{percent(level)} %", fontsize=7, inline=True)
    edge = ax.contour(x, y, values, levels=[accuracy], colors="#d55e00", linewidths=2.2)
    if not any(len(part) for part in edge.allsegs[0]):  # nowhere: every bound is on one side
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
    bar.set_ticks(LEVELS, labels=[f"{percent(level)} %" for level in LEVELS])
    bar.ax.tick_params(length=2, labelsize=7)
    bar.outline.set_visible(False)
    bar.set_label("worst depth: at least", size=8)
