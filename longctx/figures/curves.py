"""Accuracy as lines: over length, over depth, over density, over generated tokens. A frame in, Axes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes

from longctx import stats
from longctx.errors import UsageError
from longctx.figures import canvas, lines
from longctx.figures.fonts import label
from longctx.figures.heatmaps import THRESHOLD, about
from longctx.figures.lines import Line
from longctx.textmap import depth_labels, length_labels, short_name
from longctx.units import percent

if TYPE_CHECKING:
    import pandas as pd

WIDTH, HEIGHT, RIGHT = 5.4, 3.3, 2.7  # inches
DEPTHS, LENGTHS, BINS = 11, 6, 8  # at most so many points, lines and bins; more are pooled with their neighbours
POINTS = 10  # lengths of several lines, likewise
APART = ("run", "model")  # lines of these are compared: what they have together is nobody's
NAMED = 3  # at most so many of them are named in a title, else the best and the worst


def length_curves(
    frame: pd.DataFrame, by: str = "task", *, ax: Axes | None = None, title: str | None = None,
    thresholds: Sequence[float] = (THRESHOLD,),
) -> Axes:  # fmt: skip
    """Draw accuracy over context length on a log2 scale, a line for each value of a column, with 95 % intervals.

    Where there are several lines, more than `POINTS` lengths are pooled with their neighbours, and the figure says so.

    Args:
        frame: from `longctx.table.load`. All else in it is pooled.
        by: ``task``, ``model``, ``run`` or another column with few values.
        ax: where to draw; a figure of its own unless given.
        title: in place of the one that says the finding.
        thresholds: accuracies, 0-1, drawn as lines across.

    Raises:
        UsageError: fewer than two lengths were asked, or `by` has more values than lines can be told apart.
    """
    asked, more = pool_lengths(frame) if frame[by].nunique() > 1 else (frame.dropna(subset=["length_asked"]), [])
    cells = stats.cells(asked, [by, "length"])
    lengths = _two(cells, "length", "length")
    with canvas.style():
        ax = _axes(ax)
        lines.percent_axis(ax)
        lines.length_axis(ax, lengths)
        lines.thresholds(ax, thresholds)
        drawn = [Line(short_name(str(name)), part) for name, part in cells.groupby(by, observed=True)]
        lines.draw(ax, drawn, "length")
        if len(drawn) > 1 and by in APART:
            return _finish(ax, frame, _compared(cells[cells["n"] > 0], by), title, cells, more, by)
        finding = _ends(stats.cells(asked, ["length"]).dropna(subset=["accuracy"]), "length", length_labels)
        if len(drawn) > 1 and (at := cells[(cells["length"] == lengths[-1]) & (cells["n"] > 0)]).shape[0] > 1:
            best, worst = (at.loc[getattr(at["accuracy"], pick)()] for pick in ("idxmax", "idxmin"))
            finding += f"; at {length_labels(lengths)[-1]} {_said(best, by)}, {_said(worst, by)}"
        return _finish(ax, frame, finding, title, cells, more)


def depth_curves(frame: pd.DataFrame, *, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw accuracy over needle depth, a line for each length, from dark (short) to light (long).

    More than `LENGTHS` lengths and more than `DEPTHS` depths are pooled with their neighbours, and the figure says so.

    Args:
        frame: from `longctx.table.load`. Tasks and densities in it are pooled.
        ax: where to draw; a figure of its own unless given.
        title: in place of the one that says the finding.

    Raises:
        UsageError: fewer than three depths were answered: no curve can be seen in two.
    """
    placed = stats.answered(frame).dropna(subset=["length_asked", "depth_asked"])
    asked_depths = sorted(placed["depth_asked"].unique())
    if len(asked_depths) < 3:
        raise UsageError(f"Nothing to draw: {len(asked_depths)} depths were answered; a curve needs three.")
    asked_lengths = sorted(placed["length_asked"].unique())
    groups = _neighbours(asked_lengths, LENGTHS)
    bins = _neighbours(asked_depths, DEPTHS)
    pooled = placed.assign(
        length_asked=placed["length_asked"].map({v: group[0] for group in groups for v in group}),
        depth_asked=placed["depth_asked"].map({v: float(np.mean(group)) for group in bins for v in group}),
    )
    cells = stats.cells(pooled, ["length", "depth"])
    names = {group[0]: "–".join(dict.fromkeys(length_labels([group[0], group[-1]]))) for group in groups}
    with canvas.style():
        ax = _axes(ax)
        lines.percent_axis(ax)
        places = sorted(cells["depth"].unique())
        ax.set_xlim(-0.03, 1.03)
        lines.label_axis(ax, places, [label.split(" (")[0] for label in depth_labels(places)])
        ax.set_xlabel("depth of the needle (0 %: the start of the haystack)", size=9)
        drawn = [Line(f"{names[length]} tokens", part) for length, part in cells.groupby("length")]
        lines.draw(ax, drawn, "depth", ordered=True)
        whole = stats.cells(pooled, ["depth"]).dropna(subset=["accuracy"])
        first, last = whole.iloc[0], whole.iloc[-1]
        worst = whole.sort_values("accuracy", kind="stable").iloc[0]
        first_at, last_at, worst_at = (
            label.split(" (")[0] for label in depth_labels([first["depth"], last["depth"], worst["depth"]])
        )
        finding = f"{percent(first['accuracy'])} % at depth {first_at}, {percent(last['accuracy'])} % at {last_at}"
        if worst["accuracy"] < min(first["accuracy"], last["accuracy"]):
            finding += f", least at {worst_at}: {percent(worst['accuracy'])} %"
        more = []
        for kept, asked, what in ((groups, asked_lengths, "lengths"), (bins, asked_depths, "depths")):
            if len(kept) < len(asked):
                more.append(f"{len(asked)} {what} pooled to {len(kept)}")
        return _finish(ax, placed, finding, title, cells, more)


def density_lines(
    frame: pd.DataFrame, by: str | None = None, *, ax: Axes | None = None, title: str | None = None
) -> Axes:
    """Draw accuracy over the density of distractors, a line for each tier, or for each value of another column.

    Args:
        frame: from `longctx.table.load`. All else in it is pooled.
        by: a column; unless given the tier of the distractors where it was varied, else ``task``.
        ax: where to draw; a figure of its own unless given.
        title: in place of the one that says the finding.

    Raises:
        UsageError: fewer than two densities were asked.
    """
    if by is None and "variant.tier" in frame and frame["variant.tier"].nunique() > 1:
        by = "tier"
        cells = stats.by_tier(frame)
    else:
        by = by or "task"
        cells = stats.cells(frame, [by, "density"])
    cells = cells.dropna(subset=["density"])
    densities = _two(cells, "density", "density")
    with canvas.style():
        ax = _axes(ax)
        lines.percent_axis(ax)
        span = densities[-1] - densities[0]
        ax.set_xlim(densities[0] - 0.04 * span, densities[-1] + 0.04 * span)
        lines.label_axis(ax, densities, [f"{value:g}" for value in densities])
        ax.set_xlabel("distractors per 10,000 tokens of haystack", size=9)
        drawn = [Line(str(name), part) for name, part in cells.groupby(by, observed=True)]
        lines.draw(ax, drawn, "density")
        whole = stats.cells(frame, ["density"]).dropna(subset=["density", "accuracy"])
        finding = _ends(whole, "density", lambda values: [f"{value:g} per 10K" for value in values])
        return _finish(ax, frame, finding, title, cells)


def spending_curve(frame: pd.DataFrame, *, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw accuracy against generated tokens: answers sorted by how many they took, in bins of equal size.

    Args:
        frame: from `longctx.table.load`.
        ax: where to draw; a figure of its own unless given.
        title: in place of the one that says the finding.

    Raises:
        UsageError: no answer says how many tokens it took, or nearly all took the same number.
    """
    cells = spending(frame)
    with canvas.style():
        ax = _axes(ax)
        lines.percent_axis(ax)
        ax.set_xscale("log")
        low, high = cells["spent"].min(), cells["spent"].max()
        margin = (high / low) ** 0.05
        ax.set_xlim(low / margin, high * margin)
        lines.label_axis(ax, cells["spent"].tolist(), [f"{value:,.0f}" for value in cells["spent"]])
        ax.set_xlabel("generated tokens, median of each bin (log scale)", size=9)
        lines.draw(ax, [Line("", cells)], "spent")
        answered = frame[frame["outcome"] != "error"]
        right, tokens = answered["score"].sum(), answered["output_tokens"].sum()
        each = f"{tokens / right:,.0f} generated tokens a right answer" if right else "no right answer"
        return _finish(ax, answered, f"{each}; {_ends(cells, 'spent', _tokens)}", title, cells)


def spending(frame: pd.DataFrame) -> pd.DataFrame:
    """Cells of answers by ``spent``, the median of generated tokens of each of at most `BINS` bins of equal size."""
    import pandas as pd

    answered = frame[(frame["outcome"] != "error") & frame["output_tokens"].gt(0).fillna(False)]
    spent = answered["output_tokens"].astype(float)
    if spent.nunique() < 3:
        raise UsageError("Nothing to draw: answers differ too little in how many tokens they took.")
    bins = pd.qcut(spent, BINS, duplicates="drop")
    if bins.nunique() < 2:
        raise UsageError("Nothing to draw: answers differ too little in how many tokens they took.")
    return stats.cells(answered.assign(spent=spent.groupby(bins, observed=True).transform("median")), ["spent"])


def _tokens(values: Sequence[float]) -> list[str]:
    return [f"{value:,.0f} tokens" for value in values]


def _axes(ax: Axes | None) -> Axes:
    return canvas.axes(WIDTH, HEIGHT, right=RIGHT, top=0.9) if ax is None else ax


def _finish(
    ax: Axes, frame: pd.DataFrame, finding: str, title: str | None, cells: pd.DataFrame, more: Sequence[str] = (),
    apart: str = "",
) -> Axes:  # fmt: skip
    """Give the figure its title; `apart` names the column whose values have each their own number of answers."""
    n = canvas.times(cells["n"], "a point")
    answers = frame[frame["outcome"] != "error"]
    if apart:
        counts = answers.groupby(apart, observed=True).size()
        total = f"{len(counts)} {apart}s, {canvas.times(counts, f'answers a {apart}').removeprefix('n = ')}"
    else:
        total = f"{len(answers):,} answers"
    details = [*about(frame), total, n, "95 % intervals", *more]
    return canvas.finish(ax, frame, finding, details, title=title, right=RIGHT)


def _two(cells: pd.DataFrame, column: str, what: str) -> list[Any]:
    values: list[Any] = sorted(cells.loc[cells["n"] > 0, column].unique())
    if len(values) < 2:
        raise UsageError(f"Nothing to draw: {what} was not varied; at least two values are needed.")
    return values


def _said(cell: pd.Series[Any], by: str) -> str:
    return f"{label(short_name(str(cell[by])), 40)} {percent(cell['accuracy'])} %"


def _compared(cells: pd.DataFrame, by: str) -> str:
    """Each line at the longest length that all have, or else at its own longest; of many the best and the worst."""
    wide = cells.pivot_table(index="length", columns=by, values="accuracy", observed=True)
    shared = wide.dropna().index
    ends = cells.sort_values("length") if shared.empty else cells[cells["length"] == shared.max()]
    ends = ends.drop_duplicates(by, keep="last").sort_values("accuracy", ascending=False, kind="stable")
    ends = ends if len(ends) <= NAMED else ends.iloc[[0, -1]]
    if shared.empty:
        return ", ".join(f"{_said(end, by)} at {length_labels([end['length']])[0]}" for _, end in ends.iterrows())
    return f"{', '.join(_said(end, by) for _, end in ends.iterrows())} at {length_labels([shared.max()])[0]}"


def _ends(cells: pd.DataFrame, column: str, labels: Any) -> str:
    """The accuracies at both ends."""
    first, last = cells.iloc[0], cells.iloc[-1]
    names = labels([first[column], last[column]])
    return f"{percent(first['accuracy'])} % at {names[0]}, {percent(last['accuracy'])} % at {names[1]}"


def pool_lengths(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Samples with at most `POINTS` asked lengths, each the middle of neighbours; and words that say so.

    Samples without a length are left out.
    """
    asked = frame.dropna(subset=["length_asked"])
    lengths = sorted(asked["length_asked"].unique())
    if len(lengths) <= POINTS:
        return asked, []
    groups = _neighbours(lengths, POINTS)
    middles = {
        length: round(float(np.exp(np.log(np.array(group, float)).mean()))) for group in groups for length in group
    }
    pooled = asked.assign(length_asked=asked["length_asked"].map(middles).astype("Int64"))
    return pooled, [f"{len(lengths)} lengths pooled to {len(groups)}, at their middles"]


def _neighbours(values: Sequence[Any], most: int) -> list[list[Any]]:
    """Sorted values in at most so many runs of neighbours of about equal length."""
    return [list(part) for part in np.array_split(np.array(values), min(most, len(values)))]
