"""Attribution: whose fault wrong answers are, as a stacked bar a length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from longctx import stats
from longctx.figures import canvas, lines, panel
from longctx.figures.heatmaps import about
from longctx.textmap import length_labels
from longctx.units import percent

if TYPE_CHECKING:
    import pandas as pd

LOOKS = {
    "right": ("#f2ecd0", "", "right"),
    "known": ("#d9c76a", "....", "right, but known\nwithout documents"),
    "unable": ("#8a8678", "////", "wrong, and with the\nneedle alone too"),
    "context": ("#14305e", "", "wrong because of\nthe context"),
}
"""Part of `stats.PARTS` → colour, hatch, name."""
RIGHT = 2.2


def attribution_bars(frame: pd.DataFrame, *, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw for each length which share is right, known without documents, wrong anyway, and the context's fault.

    Args:
        frame: from ``longctx.table.load(…, controls=True)``.
        ax: where to draw; a figure of fitting size unless given.
        title: in place of the one that says the finding.

    Raises:
        UsageError: a control is not among the samples.
    """
    found = stats.attribution(frame)
    wide = found.pivot(index="length", columns="part", values="share")[list(LOOKS)]
    counts = found.drop_duplicates("length").set_index("length")
    with canvas.style():
        width = max(2.4, min(0.7 * len(wide), 9))
        ax = canvas.axes(width, 3.0, right=RIGHT, top=0.9) if ax is None else ax
        lines.percent_axis(ax, "share of answers")
        ax.set_xlim(-0.6, len(wide) - 0.4)
        at, below = np.arange(len(wide)), np.zeros(len(wide))
        room = 72 * panel.inches(ax)[0] / (len(wide) + 0.2)
        height = 72 * panel.inches(ax)[1]
        middles = []
        for part, (colour, hatch, _) in LOOKS.items():
            share = wide[part].fillna(0).to_numpy(float)
            style: dict[str, Any] = {"facecolor": colour, "hatch": hatch, "edgecolor": "white", "linewidth": 0.6}
            ax.bar(at, share, 0.84, bottom=below, **style)
            for x, value, base in zip(at, share, below, strict=True):
                if room >= 20 and value * height >= 11:
                    box = {"facecolor": colour, "linewidth": 0, "pad": 0.8} if hatch else None
                    ink = panel.ink([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
                    ax.text(float(x), base + value / 2, percent(value), size=7, ha="center", va="center_baseline",
                            color=ink, bbox=box)  # fmt: skip
            middles.append(height * (below[-1] + share[-1] / 2))
            below = below + share
        lines.label_axis(ax, at.tolist(), length_labels(wide.index.tolist()))
        ax.set_xlabel("context length (tokens)", size=9)
        _name(ax, middles)
        missing, last = int(counts["unmatched"].sum()), wide.iloc[-1]
        label = length_labels([wide.index[-1]])[0]
        details = [*about(stats.asked(frame)), canvas.times(counts["n"], "a length")]
        details += [f"at {label} {percent(last['unable'])} % fail with the needle alone too"]
        details += [f"{percent(last['known'])} % are known without documents"]
        details += [f"{missing:,} answers without both controls left out"] if missing else []
        context = found[found["part"] == "context"].iloc[-1]
        interval = f"95 % interval {percent(context['low'])}–{percent(context['high'])} %"
        finding = f"at {label} the context costs {percent(last['context'])} % of answers ({interval})"
        return canvas.finish(ax, frame, finding, details, title=title, right=RIGHT)


def _name(ax: Axes, middles: list[float]) -> None:
    width, height = (72 * size for size in panel.inches(ax))
    for place, middle, (colour, hatch, name) in zip(
        lines.spread(middles, 24, height), middles, LOOKS.values(), strict=True
    ):
        x, y = 1 + 14 / width, place / height
        edge: dict[str, Any] = {"edgecolor": "#444444", "linewidth": 0.5, "facecolor": colour, "hatch": hatch}
        ax.add_patch(
            Rectangle((x, y - 4 / height), 12 / width, 8 / height, transform=ax.transAxes, clip_on=False, **edge)
        )
        leader: dict[str, Any] = {"color": "#888888", "linewidth": 0.5, "clip_on": False}
        ax.plot([1, x], [middle / height, y], transform=ax.transAxes, **leader)
        ax.text(x + 16 / width, y, name, transform=ax.transAxes, va="center", size=7.5)
