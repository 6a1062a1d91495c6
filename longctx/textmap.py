"""The heatmap as plain text, and the words that all heatmaps share. Needs neither colour nor matplotlib."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from longctx import stats
from longctx.units import percent, short_count
from longctx.visible import visible

if TYPE_CHECKING:
    import pandas as pd

BLOCKS = " ░▒▓█"
ASCII = " .:+#"
_TO_ASCII = str.maketrans({"·": "-", "—": "-", "–": "-", "…": "~"})
_STEPS = ("below 10", "10-36", "37-63", "64-90", "above 90")  # percent, one for each shade
_COLOURS = (
    "97;48;5;17",
    "97;48;5;60",
    "30;48;5;246",
    "30;48;5;179",
    "30;48;5;220",
)  # as the figures' from blue to yellow
_CELL = 7  # characters of a column at least: two blanks, shade, three digits, mark


def text_heatmap(
    frame: pd.DataFrame, *, width: int = 80, shades: str = BLOCKS, colour: bool = False, pooled: bool = False
) -> str:
    """Draw accuracy over length (across) and depth (down, the start on top) in characters.

    Each cell is a percentage beside a block that is fuller for more; ``!`` marks failed calls, which are
    left out, and ``·`` what was not asked. One map for each task and density.

    Args:
        frame: from `longctx.table.load`.
        width: columns of the terminal; lengths that do not fit go into a further block below.
        shades: five characters from 0 to 100 %: `BLOCKS`, or `ASCII`, which keeps all else to ASCII too.
        colour: colour the cells as well, with the escapes that terminals of 256 colours know.
        pooled: one map over all tasks and densities.
    """
    maps = []
    parts: list[tuple[str, list[float], pd.DataFrame]] = [(t, [density], part) for t, density, part in panels(frame)]
    if pooled and parts:
        densities = sorted({density for _, [density], _ in parts})
        parts = [(names(frame["task"]), densities, frame.dropna(subset=["length_asked", "depth_asked"]))]
    for task, densities, part in parts:
        head = [source(part), task, names(part["corpus"]), distractors(densities), share(stats.summary(part))]
        maps.append("\n".join([*wrap([visible(item) for item in head], width), *_map(part, width, shades, colour)]))
    if not maps:
        return "No sample has a length and a depth: there is no heatmap to draw."
    scale = "  ".join(
        f"{shade if shade.strip() else 'blank'} {share}" for shade, share in zip(shades, _STEPS, strict=True)
    )
    legend = [f"percent right: {scale}", "· not asked", "! failed calls, left out"]
    text = "\n\n".join([*maps, "\n".join(wrap(legend, width))])
    return text.translate(_TO_ASCII).encode("ascii", "backslashreplace").decode() if shades.isascii() else text


def shades_for(encoding: str | None) -> str:
    """`BLOCKS`, or `ASCII` where an output's encoding cannot say blocks."""
    try:
        (BLOCKS + "·—–").encode(encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return ASCII
    return BLOCKS


def panels(frame: pd.DataFrame) -> list[tuple[str, float, pd.DataFrame]]:
    """Task, density and samples of each heatmap; samples without a length or a depth are left out."""
    placed = frame.dropna(subset=["length_asked", "depth_asked"])
    density = placed["density_asked"].fillna(0)
    groups: Any = placed.groupby(["task", density], observed=True, sort=True)
    return [(str(task), float(value), part) for (task, value), part in groups]


def source(frame: pd.DataFrame) -> str:
    """The model's name, or what it was instead."""
    if frame["double"].any():
        return f"{names(frame.loc[frame['double'], 'backend']).upper()} — a test double, no model"
    return names(frame["model"].map(short_name))


def short_name(model: str) -> str:
    """A model's name; of a local folder only the last part."""
    return model.rstrip("/").rsplit("/", 1)[-1] if model.startswith(("/", ".", "~")) else model


def names(column: pd.Series[Any]) -> str:
    """What stands in a column: up to three values, then how many."""
    values = sorted(str(value) for value in column.unique())
    return ", ".join(values[:3]) + (f" and {len(values) - 3} more" if len(values) > 3 else "")


def share(found: dict[str, Any]) -> str:
    """A summary's accuracy in words, with its interval."""
    if not found["n"]:
        return f"no answer, {found['errors']:,} failed calls"
    right = f"mean of {found['n']:,}" if found["partial"] else f"{found['right']:,.0f} of {found['n']:,} right"
    interval = f"{percent(found['low'])}–{percent(found['high'])} %"
    return f"{percent(found['accuracy'], 1)} % ({right}, 95 % interval {interval})"


def distractors(densities: Sequence[float]) -> str:
    """Densities in words."""
    if not any(densities):
        return "no distractors"
    plural = "" if list(densities) == [1] else "s"
    return f"{', '.join(f'{density:g}' for density in densities)} distractor{plural} per 10K tokens"


def wrap(items: Sequence[str], width: int) -> list[str]:
    """Items side by side, separated by dots, in lines of at most `width` characters; longer items are broken."""
    lines = [""]
    for item in items:
        if lines[-1] and len(lines[-1]) + len(item) + 3 <= width:
            lines[-1] += f" · {item}"
        else:
            lines += textwrap.wrap(item, width) or [""]
    return lines[1:]


def length_labels(lengths: Sequence[int]) -> list[str]:
    """1024 → 1K, 8000 → 8,000."""
    return [short_count(int(length)) for length in lengths]


def depth_labels(depths: Sequence[float]) -> list[str]:
    """Percent with as few decimals as keep the labels apart; the two ends named."""
    for decimals in range(6):
        labels = [f"{percent(depth, decimals if 0 < depth < 1 else 0)} %" for depth in depths]
        exact = all(abs(round(100 * depth, decimals) - 100 * depth) < 0.051 for depth in depths)
        if len(set(labels)) == len(labels) and exact:
            break
    ends = {0.0: " (start)", 1.0: " (end)"}
    return [label + ends.get(depth, "") for label, depth in zip(labels, depths, strict=True)]


def _map(frame: pd.DataFrame, width: int, shades: str, colour: bool) -> Iterator[str]:
    cells: dict[Any, Any] = {(row.length, row.depth): row for row in stats.cells(frame).itertuples()}
    by_length: dict[Any, Any] = {row.length: row for row in stats.cells(frame, ["length"]).itertuples()}
    by_depth: dict[Any, Any] = {row.depth: row for row in stats.cells(frame, ["depth"]).itertuples()}
    lengths, depths = sorted(by_length), sorted(by_depth)
    left = [*depth_labels(depths), "all depths"]
    room = max(map(len, left))
    step = max(_CELL, *(len(label) + 2 for label in length_labels(lengths)))
    fit = max((width - room) // step, 2) - 1  # one column is for all lengths
    for first in range(0, len(lengths), fit):
        part = lengths[first : first + fit]
        last = first + fit >= len(lengths)
        heads = [*length_labels(part), *(["all"] if last else [])]
        if first:
            yield ""
        yield ("depth".ljust(room) + "".join(f"{label} ".rjust(step) for label in heads)).rstrip()
        for label, depth in zip(left, [*depths, None], strict=True):
            row = [cells.get((length, depth)) if depth is not None else by_length[length] for length in part]
            if last and depth is not None:
                row.append(by_depth[depth])
            line = label.rjust(room) + "".join(_cell(cell, shades, step, colour) for cell in row)
            yield line if colour else line.rstrip()


def _cell(cell: Any, shades: str, step: int, colour: bool) -> str:
    """The cell in `step` characters; its colour leaves a blank on the left."""
    words = _words(cell, shades)
    if not colour or cell is None or not cell.n:
        return words.rjust(step)
    return f" \x1b[{_COLOURS[_shade(cell)]}m{words.rjust(step - 1)}\x1b[0m"


def _shade(cell: Any) -> int:
    return sum(int(percent(cell.accuracy)) >= step for step in (10, 37, 64, 91))


def _words(cell: Any, shades: str) -> str:
    if cell is None:
        return "· "
    mark = "!" if cell.errors else " "
    if not cell.n:
        return mark
    return f"{shades[_shade(cell)]}{percent(cell.accuracy):>3}{mark}"
