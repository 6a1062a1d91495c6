"""What became of the answers over length: shares of every outcome, stacked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from longctx import stats
from longctx.errors import UsageError
from longctx.figures import canvas, lines, panel
from longctx.figures.curves import pool_lengths
from longctx.figures.heatmaps import about
from longctx.textmap import length_labels
from longctx.units import percent

if TYPE_CHECKING:
    import pandas as pd

LOOKS = {
    "right": ("#f2ecd0", ""),
    "partial": ("#d9c76a", ""),
    "wrong": ("#8a8678", ""),
    "distractor": ("#8a8678", "////"),
    "absent": ("#5f6b82", ""),
    "invented": ("#5f6b82", "xxxx"),
    "refused": ("#3a4b6b", "\\\\\\\\"),
    "truncated_thinking": ("#3a4b6b", "...."),
    "truncated": ("#14305e", "...."),
    "empty": ("#00204c", ""),
    "bad_format": ("#00204c", "////"),
}
"""Outcome → colour and hatch; the shades fall from right to bad format. In the order of `stats.OUTCOMES`."""


def shares(frame: pd.DataFrame) -> pd.DataFrame:
    """Share of each outcome among the answers of each length, in the order in which they are stacked.

    Raises:
        UsageError: fewer than two lengths were answered.
    """
    found = stats.outcomes(stats.answered(frame)).dropna(subset=["length"])
    wide = found.pivot(index="length", columns="outcome", values="share").astype(float).fillna(0.0)
    if len(wide) < 2:
        raise UsageError("Nothing to draw: length was not varied; at least two lengths are needed.")
    return wide[[name for name in LOOKS if name in wide and wide[name].sum() > 0]]


def outcome_areas(frame: pd.DataFrame, *, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw the shares of all outcomes over context length as stacked areas; failed calls are left out and counted.

    More lengths than `curves.POINTS` are pooled with their neighbours, and the figure says so.

    Args:
        frame: from `longctx.table.load`.
        ax: where to draw; a figure of its own unless given.
        title: in place of the one that says the finding.

    Raises:
        UsageError: fewer than two lengths were answered.
    """
    asked, pooled = pool_lengths(frame)
    found = shares(asked)
    with canvas.style():
        ax = canvas.axes(5.4, 3.3, right=2.4, top=0.9) if ax is None else ax
        lines.percent_axis(ax, "share of answers")
        lengths = found.index.to_numpy(float)
        lines.length_axis(ax, found.index.tolist())
        ax.set_xlim(lengths[0], lengths[-1])
        top = np.cumsum(found.to_numpy(), axis=1)
        height = 72 * panel.inches(ax)[1]
        middles = []
        for number, name in enumerate(found.columns):
            colour, hatch = LOOKS[str(name)]
            below = top[:, number - 1] if number else np.zeros(len(top))
            style: dict[str, Any] = {"facecolor": colour, "hatch": hatch, "edgecolor": "white", "linewidth": 0.8}
            ax.fill_between(lengths, below, top[:, number], zorder=1, **style)
            middles.append(height * (below[-1] + top[-1, number]) / 2)
        _name(ax, found, middles, height)
        answered, errors = int((frame["outcome"] != "error").sum()), int((frame["outcome"] == "error").sum())
        label = length_labels([int(lengths[-1])])[0]
        last = found.iloc[-1].sort_values(ascending=False, kind="stable")
        said = [f"{percent(share)} % {name}" for name, share in last.head(3).items() if share >= 0.005]
        counts = stats.cells(asked, ["length"])["n"]
        details = [*about(frame), f"{answered:,} answers", canvas.times(counts, "a length")]
        details += [f"{errors:,} failed calls left out"] if errors else []
        details += pooled
        return canvas.finish(ax, frame, f"at {label} tokens {', '.join(said)}", details, title=title, right=2.4)


def _name(ax: Axes, found: pd.DataFrame, middles: list[float], height: float) -> None:
    """Names on the right, each with a piece of its area and its share at the longest length."""
    width = 72 * panel.inches(ax)[0]
    for number, place in enumerate(lines.spread(middles, 12, height)):
        name = str(found.columns[number])
        colour, hatch = LOOKS[name]
        x, y = 1 + 14 / width, place / height
        box = ((x, y - 4 / height), 12 / width, 8 / height)
        edge: dict[str, Any] = {"edgecolor": "#444444", "linewidth": 0.5, "facecolor": colour, "hatch": hatch}
        ax.add_patch(Rectangle(*box, transform=ax.transAxes, clip_on=False, **edge))
        leader: dict[str, Any] = {"color": "#888888", "linewidth": 0.5, "clip_on": False}
        ax.plot([1, x], [middles[number] / height, y], transform=ax.transAxes, **leader)
        words = f"{name}, {percent(found[name].iloc[-1])} %"
        ax.text(x + 16 / width, y, words, transform=ax.transAxes, va="center_baseline", size=7.5)
