"""MRCR: mean score over length for 2, 4 and 8 like answers, with the score that a wrong one gets anyway."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.axes import Axes

from longctx import stats
from longctx.errors import UsageError
from longctx.figures import canvas, curves, lines
from longctx.figures.heatmaps import about
from longctx.figures.lines import Line
from longctx.textmap import length_labels
from longctx.units import percent

if TYPE_CHECKING:
    import pandas as pd


def mrcr_curves(frame: pd.DataFrame, *, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw MRCR's mean score over length, a line for each number of like answers, with bootstrap intervals.

    Dotted lines are the noise floors: the mean score of giving another of the like answers, as the samples state it.
    A score near its floor means that the right text was taken no more often than a wrong one.

    Args:
        frame: from `longctx.table.load`, with its columns ``n_needles`` and ``noise_floor``.
        ax: where to draw; a figure of its own unless given.
        title: in place of the one that says the finding.

    Raises:
        UsageError: no sample says how many like answers it has.
    """
    cells = scores(frame)
    asked = frame[frame["n_needles"].notna()]
    with canvas.style():
        ax = canvas.axes(curves.WIDTH, curves.HEIGHT, right=curves.RIGHT, top=0.9) if ax is None else ax
        lines.percent_axis(ax, "mean score")
        lines.length_axis(ax, sorted(cells["length"].unique()))
        floors = asked.groupby("n_needles")["noise_floor"].mean()
        drawn = []
        for needles, part in cells.groupby("n_needles"):
            floor = floors[needles]
            drawn.append(Line(f"{needles:g} alike (floor {percent(floor)} %)", part, float(floor)))
        lines.draw(ax, drawn, "length", ordered=True)
        last = cells[cells["length"] == cells["length"].max()]
        label = length_labels([int(cells["length"].max())])[0]
        each = ", ".join(f"{percent(row.accuracy)} % with {row.n_needles:g}" for row in last.itertuples())
        details = [*about(asked), f"{len(asked):,} samples", canvas.times(cells["n"], "a point")]
        details += ["bootstrap intervals", "dotted: score of a wrong one of the like answers"]
        finding = f"mean score at {label} {each} like answers"
        return canvas.finish(ax, asked, finding, details, title=title, right=curves.RIGHT)


def scores(frame: pd.DataFrame) -> pd.DataFrame:
    """Cells by ``n_needles`` and length, with the mean ``noise_floor``."""
    if frame["n_needles"].notna().sum() == 0:
        raise UsageError("Nothing to draw: no sample of MRCR, which says how many like answers it has.")
    asked = frame[frame["n_needles"].notna()]
    floors = asked.groupby("n_needles")["noise_floor"].mean()
    cells = stats.cells(asked, ["n_needles", "length"])
    return cells.assign(noise_floor=cells["n_needles"].map(floors).astype(float))
