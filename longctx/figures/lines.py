"""Lines with their intervals and their names beside them, told apart by shade, mark and dash, not by colour alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from longctx.errors import UsageError
from longctx.figures import panel
from longctx.figures.fonts import face, label
from longctx.textmap import length_labels

if TYPE_CHECKING:
    import pandas as pd

MOST = 8  # lines in one picture; more cannot be told apart
BANDS = 2  # up to so many lines have bands, more have bars, which hide less
_COLOURS = ("#0b3c6f", "#d55e00", "#009e73", "#9a4f8a", "#b8860b", "#3f9fd8", "#222222", "#7a7a7a")
_MARKS = "osD^vP*X"
_DASHES: tuple[Any, ...] = ("solid", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)))
LIGHTEST = 0.7  # of the ordered shades, 0-1: what is lighter is lost on white
_GAP = 10.5  # points between two names


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One line: its name, and its cells sorted along the axis."""

    name: str
    cells: pd.DataFrame  # as `stats.cells` gives them: accuracy, low, high, n
    floor: float | None = None  # a level of its own, drawn as a thin line of its kind


def draw(ax: Axes, lines: Sequence[Line], x: str, *, ordered: bool = False) -> None:
    """Draw lines over a column of their cells, each with its 95 % intervals and its name on the right.

    Args:
        ax: where; its scale and limits on x are set already.
        lines: at most `MOST`.
        x: the column.
        ordered: the lines are steps of one quantity: their shades go from dark to light.

    Raises:
        UsageError: more lines than can be told apart.
    """
    if len(lines) > MOST:
        raise UsageError(f"{len(lines)} lines cannot be told apart in one figure; possible are {MOST}.")
    ax.set_ylim(0, 1)
    last = []
    for number, line in enumerate(lines):
        kind = look(number, len(lines), ordered)
        cells = line.cells[line.cells["n"] > 0]
        places = cells[x].to_numpy(float)
        if len(lines) > BANDS:  # a little aside, so that bars do not cover each other
            places = _shift(ax, places, 2.4 * (number - (len(lines) - 1) / 2) * min(1, 5 / len(lines)))
        mean, low, high = (cells[name].to_numpy(float) for name in ("accuracy", "low", "high"))
        ax.plot(places, mean, label=line.name, zorder=3 + number / 100, clip_on=False, **kind)
        if len(lines) <= BANDS:
            ax.fill_between(places, low, high, color=kind["color"], alpha=0.16, linewidth=0, zorder=1)
            edge = {"color": kind["color"], "linewidth": 0.5, "linestyle": kind["linestyle"], "alpha": 0.6}
            ax.plot(places, low, zorder=1, **edge)
            ax.plot(places, high, zorder=1, **edge)
        else:
            ax.vlines(places, low, high, color=kind["color"], linewidth=0.8, alpha=0.7 if ordered else 0.45, zorder=2)
        if line.floor is not None:
            ax.axhline(line.floor, color=kind["color"], linewidth=0.9, linestyle=(0, (1, 2)), zorder=1.5)
        last.append((places[-1], mean[-1]) if len(places) else (np.nan, 0.5))
    if len(lines) > 1:
        name(ax, [line.name for line in lines], last, ordered)


def look(number: int, of: int, ordered: bool) -> dict[str, Any]:
    """How the line of this number looks."""
    shade = mpl.colormaps[panel.COLOURS](LIGHTEST * number / max(of - 1, 1))
    colour = mpl.colors.to_hex(shade) if ordered else _COLOURS[number % len(_COLOURS)]
    dash = _DASHES[0] if ordered else _DASHES[(number // len(_COLOURS) + number) % len(_DASHES)]
    mark = _MARKS[number % len(_MARKS)]
    size = {"*": 6.5, "D": 4.0}.get(mark, 4.6)
    return {"color": colour, "linestyle": dash, "marker": mark, "markersize": size, "linewidth": 1.5,
            "markeredgecolor": "white", "markeredgewidth": 0.5}  # fmt: skip


def thresholds(ax: Axes, levels: Sequence[float]) -> None:
    """Levels that are asked for, as lines across with their percent on the right's inner edge."""
    for level in levels:
        ax.axhline(level, color="#444444", linewidth=0.8, linestyle=(0, (4, 3)), zorder=0.9)
        place: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "zorder": 5}
        box = {"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 0.6}
        ax.annotate(f"{100 * level:g} %", (0, level), (3, 1), size=6.5, color="#333333", va="bottom", bbox=box, **place)


def percent_axis(ax: Axes, name: str = "accuracy") -> None:
    """0 to 100 %, fixed, with quiet lines across."""
    ax.set_ylim(0, 1)
    ax.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    ax.set_ylabel(name, size=9)
    ax.grid(axis="y", color="#e4e4e4", linewidth=0.6)
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=8)


def length_axis(ax: Axes, lengths: Sequence[int]) -> None:
    """Context lengths on a log2 scale: a tick for each, a label for as many as there is room."""
    ax.set_xscale("log", base=2)
    low, high = min(lengths), max(lengths)
    margin = 2 ** (0.04 * max(np.log2(high / low), 1))
    ax.set_xlim(low / margin, high * margin)
    label_axis(ax, lengths, length_labels(lengths))
    ax.set_xlabel("context length (tokens, log scale)", size=9)


def label_axis(ax: Axes, places: Sequence[float], labels: Sequence[str]) -> None:
    """A tick at every place below; labels lie where all fit and stand upright where not, some left out then."""
    width = 72 * panel.inches(ax)[0]
    at = width * ax.transAxes.inverted().transform(ax.transData.transform([(place, 0) for place in places]))[:, 0]
    flat = _fitting(at, [4.9 * len(label) + 5 for label in labels])
    chosen = flat if len(flat) == len(labels) else _fitting(at, [10.0] * len(labels))
    turned = len(flat) < len(labels)
    ax.set_xticks([places[i] for i in chosen], [labels[i] for i in chosen], rotation=90 if turned else 0)
    ax.set_xticks([places[i] for i in range(len(places)) if i not in set(chosen)], minor=True)
    ax.xaxis.set_minor_formatter(NullFormatter())  # a log scale's own would write over the others
    ax.tick_params(axis="x", which="minor", length=2)


def _fitting(at: Any, widths: Sequence[float]) -> list[int]:
    """As many as do not touch, the last one always among them."""
    chosen: list[int] = []
    for index in reversed(range(len(widths))):
        if not chosen or at[chosen[-1]] - at[index] >= (widths[index] + widths[chosen[-1]]) / 2:
            chosen.append(index)
    return chosen[::-1]


def _shift(ax: Axes, places: Any, points: float) -> Any:
    """Places on the x axis, so many points further right."""
    flat = ax.transData.transform(np.column_stack([places, np.zeros(len(places))]))
    flat[:, 0] += points / 72 * ax.get_figure(root=True).dpi  # type: ignore[union-attr]
    return ax.transData.inverted().transform(flat)[:, 0]


def name(ax: Axes, names: Sequence[str], last: Sequence[tuple[float, float]], ordered: bool) -> None:
    """Names in a column on the right, as near to their lines' ends as they fit, each behind a piece of its line."""
    names = [label(one, 40) for one in names]
    width, height = (72 * size for size in panel.inches(ax))
    order = sorted(range(len(names)), key=lambda index: (last[index][1], -index))
    at = spread([height * last[index][1] for index in order], min(_GAP, height / len(names)), height)
    for place, index in zip(at, order, strict=True):
        kind = look(index, len(names), ordered)
        y = place / height
        x, step = 1 + 12 / width, 16 / width
        ax.plot([x, x + step / 2, x + step], [y] * 3, transform=ax.transAxes, clip_on=False, **kind, markevery=[1])
        if not np.isnan(last[index][0]):
            start = ax.transAxes.inverted().transform(ax.transData.transform(last[index]))
            leader = {"color": kind["color"], "linewidth": 0.5, "alpha": 0.8, "clip_on": False, "zorder": 0.8}
            ax.plot([start[0], x], [start[1], y], transform=ax.transAxes, **leader)
        style: dict[str, Any] = {"parse_math": False, "va": "center_baseline", "size": 7.5, **face(names[index])}
        ax.text(x + step + 4 / width, y, names[index], transform=ax.transAxes, **style)


def spread(at: Sequence[float], gap: float, top: float) -> list[float]:
    """Sorted places moved apart to at least `gap` between 0 and `top`, as little as that takes."""
    groups: list[list[float]] = []  # [sum of wished starts, members]
    for number, place in enumerate(at):
        groups.append([place - number * gap, 1])
        while len(groups) > 1 and groups[-2][0] / groups[-2][1] > groups[-1][0] / groups[-1][1]:
            total, members = groups.pop()
            groups[-1][0] += total
            groups[-1][1] += members
    starts = [total / members for total, members in groups for _ in range(int(members))]
    highest = top - (len(at) - 1) * gap
    return [min(max(start, 0), max(highest, 0)) + number * gap for number, start in enumerate(starts)]
