"""Small multiples: one panel a task, accuracy over length, all tasks grey behind each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from longctx import stats
from longctx.errors import UsageError
from longctx.figures import canvas, lines, panel
from longctx.figures.curves import pool_lengths
from longctx.figures.fonts import drawable, face, label
from longctx.figures.heatmaps import THRESHOLD, about
from longctx.figures.lines import Line
from longctx.textmap import length_labels, short_name, source
from longctx.units import percent

if TYPE_CHECKING:
    import pandas as pd


def small_multiples(frame: pd.DataFrame, by: str = "task", *, thresholds: Sequence[float] = (THRESHOLD,)) -> Figure:
    """Draw accuracy over context length, a panel for each value of a column, with the others in grey behind it.

    Args:
        frame: from `longctx.table.load`.
        by: ``task``, ``model``, ``run`` or another column.
        thresholds: accuracies, 0-1, drawn as lines across.

    Raises:
        UsageError: fewer than two lengths or values.
    """
    asked, pooled = pool_lengths(frame)
    cells = stats.cells(asked, [by, "length"])
    cells = cells[cells["n"] > 0]
    lengths, groups = sorted(cells["length"].unique()), list(cells.groupby(by, observed=True))
    if len(lengths) < 2 or len(groups) < 2:
        raise UsageError(f"Nothing to draw: {by} or length was not varied; at least two values of each are needed.")
    across = min(len(groups), 4 if len(groups) > 6 else 3)
    down = math.ceil(len(groups) / across)
    width, height, step_x, step_y = 2.1, 1.35, 2.75, 2.25
    means = [(part["right"].sum() / part["n"].sum(), label(short_name(str(name)), 24)) for name, part in groups]
    finding = f"{max(means)[1]} {percent(max(means)[0])} % right, {min(means)[1]} {percent(min(means)[0])} %"
    span = f"{length_labels([lengths[0]])[0]} to {length_labels([lengths[-1]])[0]} tokens, log scale"
    details = [f"{len(groups)} panels over {span}", *about(frame)[1:], f"n = {cells['n'].sum():,}", "95 % intervals"]
    head = canvas.caption(frame, finding, [*details, *pooled], across * step_x + 0.5)
    drop = 0.3 + 0.17 * head[0].count("\n")
    with canvas.style():
        total = (across * step_x + 0.5, down * step_y + 0.35 + drop + 0.15 * len(head[1:]))
        figure = canvas.Sheet(figsize=total, dpi=canvas.DPI)
        for number, (name, part) in enumerate(groups):
            row, column = divmod(number, across)
            ax = canvas.place(figure, column * step_x + 0.75, (down - 1 - row) * step_y + 0.65, width, height)
            lines.percent_axis(ax, "accuracy" if column == 0 else "")
            lines.length_axis(ax, lengths)
            ax.set_xlabel("")
            lines.thresholds(ax, thresholds)
            for other, there in groups:
                if other != name:
                    ax.plot(there["length"], there["accuracy"], color="#cccccc", linewidth=0.8, zorder=1)
            lines.draw(ax, [Line("", part)], "length")
            found = part["right"].sum() / part["n"].sum()
            said = label(short_name(str(name)), 26)
            style: dict[str, Any] = {"loc": "left", "size": 8.5, "parse_math": False}
            ax.set_title(f"{said}\n{percent(found)} % of n = {part['n'].sum():,}", **style, **face(said))
            if frame["double"].any():
                panel.watermark(ax, drawable(source(frame)))
        words: dict[str, Any] = {"va": "top", "parse_math": False}
        rest = "\n".join(head[1:])
        figure.text(0.1 / total[0], 1 - 0.08 / total[1], head[0], size=10.5, **words, **face(head[0], bold=True))
        figure.text(0.1 / total[0], 1 - drop / total[1], rest, size=8.5, **words, **face(rest))
    return figure
