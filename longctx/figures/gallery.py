"""All figures that a run, or two runs over the same samples, can carry; and why the others are not drawn."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from longctx import stats
from longctx.errors import UsageError
from longctx.figures import bars, canvas, curves, differences, frontier, heatmaps, lines, mrcr, multiples, outcomes
from longctx.textmap import distractors, panels

if TYPE_CHECKING:
    import pandas as pd

    Draw = Callable[[pd.DataFrame, float], Axes | Figure]
    Data = Callable[[pd.DataFrame, float], pd.DataFrame | None]


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One figure that was drawn."""

    heading: str
    finding: str  # its title's first line
    paths: list[Path]
    data: pd.DataFrame | None  # what it shows, as a table; None where it stands elsewhere
    detail: bool = False  # a part of the figure before it


@dataclass(frozen=True, slots=True)
class Album:
    """The figures of a run."""

    pictures: list[Picture] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)  # heading, and why it is not drawn

    @property
    def paths(self) -> list[Path]:
        """All files."""
        return [path for picture in self.pictures for path in picture.paths]


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of figure of a run: where it goes and how it is drawn. `data` gives its numbers."""

    name: str
    heading: str
    draw: Draw
    data: Data


def _lines(frame: pd.DataFrame, accuracy: float) -> Axes:
    by = "model" if frame["model"].nunique() > 1 else "task"
    if frame[by].nunique() > lines.MOST:
        raise UsageError(f"{frame[by].nunique()} {by}s cannot be told apart in one picture; each has a panel below.")
    return curves.length_curves(frame, by, thresholds=(accuracy,))


def _by_length(frame: pd.DataFrame, accuracy: float) -> pd.DataFrame:
    return stats.cells(frame, ["model" if frame["model"].nunique() > 1 else "task", "length"])


def _by_task(frame: pd.DataFrame, accuracy: float) -> pd.DataFrame:
    return stats.cells(frame, ["task", "length"])


def _by_tokens(frame: pd.DataFrame, accuracy: float) -> pd.DataFrame:
    return curves.spending(frame)


def _by_tier(frame: pd.DataFrame, accuracy: float) -> pd.DataFrame:
    return stats.by_tier(frame) if frame["density_asked"].nunique() > 1 else stats.cells(frame, ["density"])


_KINDS = (
    _Kind("frontier", "How far the worst depth can be trusted",
          lambda frame, accuracy: frontier.trust_frontier(frame, accuracy), frontier.bounds),
    _Kind("length", "Accuracy over context length", _lines, _by_length),
    _Kind("tasks", "Each task by itself",
          lambda frame, accuracy: multiples.small_multiples(frame, thresholds=(accuracy,)), _by_task),
    _Kind("depth", "Accuracy over depth",
          lambda frame, _: curves.depth_curves(frame), lambda frame, _: stats.cells(frame, ["depth"])),
    _Kind("length-density", "Accuracy over context length and density of distractors",
          lambda frame, accuracy: heatmaps.density_map(frame, threshold=accuracy),
          lambda frame, _: stats.cells(frame, ["length", "density"])),
    _Kind("density", "Accuracy over density of distractors",
          lambda frame, _: curves.density_lines(frame), _by_tier),
    _Kind("mrcr", "Which of many like answers",
          lambda frame, _: mrcr.mrcr_curves(frame), lambda frame, _: mrcr.scores(frame)),
    _Kind("outcomes", "What became of the answers",
          lambda frame, _: outcomes.outcome_areas(frame), lambda frame, _: outcomes.shares(frame).reset_index()),
    _Kind("attribution", "Whose fault it is",
          lambda frame, _: bars.attribution_bars(frame), lambda frame, _: stats.attribution(frame)),
    _Kind("tokens", "Accuracy against generated tokens", lambda frame, _: curves.spending_curve(frame), _by_tokens),
)  # fmt: skip


def draw(
    frame: pd.DataFrame, folder: Path, accuracy: float = heatmaps.THRESHOLD, kinds: Sequence[str] = canvas.KINDS
) -> Album:
    """Draw every figure that a run can carry.

    Args:
        frame: from ``longctx.table.load(…, controls=True)``; the controls are for the attribution alone.
        folder: where the files go; made where there is something to draw.
        accuracy: that is asked for, 0-1.
        kinds: of files, of ``png``, ``svg`` and ``pdf``.

    Raises:
        OSError: nothing can be written there.
    """
    asked = stats.asked(frame)
    album = Album()
    folder.mkdir(parents=True, exist_ok=True)
    _keep(album, "Accuracy over context length and needle depth", lambda: _heatmaps(asked, folder, accuracy, kinds))
    for kind in _KINDS:
        part = frame if kind.name == "attribution" else asked
        _keep(album, kind.heading, lambda kind=kind, part=part: iter([
            _picture(kind.heading, kind.draw(part, accuracy), folder / kind.name, kinds, kind.data(part, accuracy))
        ]))  # type: ignore[misc]  # fmt: skip
    return album


def draw_pair(
    first: pd.DataFrame, second: pd.DataFrame, folder: Path, stem: str, kinds: Sequence[str] = canvas.KINDS
) -> Album:
    """Draw the figures of two runs over the same samples.

    Args:
        first: from `longctx.table.load`, of one run.
        second: the other's.
        folder: where the files go.
        stem: begins every file's name.
        kinds: of files, of ``png``, ``svg`` and ``pdf``.
    """
    album = Album()
    folder.mkdir(parents=True, exist_ok=True)
    by = strata(first)
    for name, heading, drawing, data in (
        ("difference", "Difference over context length and needle depth",
         lambda: differences.difference(first, second), lambda: stats.compare(first, second, ["length", "depth"])),
        ("strata", "Difference by task and length",
         lambda: differences.forest(first, second, by), lambda: stats.compare(first, second, by)),
    ):  # fmt: skip
        _keep(album, heading, lambda name=name, heading=heading, drawing=drawing, data=data: iter([
            _picture(heading, drawing(), folder / f"{stem}-{name}", kinds, data())
        ]))  # type: ignore[misc]  # fmt: skip
    return album


def strata(frame: pd.DataFrame) -> list[str]:
    """By what differences are shown: task and length, or length alone where that would be too many."""
    return (
        ["task", "length"]
        if len(frame.groupby(["task", "length_asked"], observed=True)) < differences.ROWS
        else ["length"]
    )


def _keep(album: Album, heading: str, drawn: Callable[[], Iterator[Picture]]) -> None:
    try:
        album.pictures.extend(drawn())
    except UsageError as error:
        album.left_out.append((heading, str(error)))


def _heatmaps(frame: pd.DataFrame, folder: Path, accuracy: float, kinds: Sequence[str]) -> Iterator[Picture]:
    parts, heading = panels(frame), "Accuracy over context length and needle depth"
    if len(parts) == 1:
        yield _picture(heading, heatmaps.heatmap(frame, threshold=accuracy), folder / "heatmap", kinds, None)
        return
    yield _picture(heading, heatmaps.grid(frame, threshold=accuracy), folder / "heatmap", kinds, None)
    taken = set()
    for task, density, part in parts:
        name = re.sub(r"[^\w.-]+", "-", f"heatmap-{task}-density-{density:g}", flags=re.ASCII)
        while name in taken:  # two tasks whose names differ in signs only
            name += "-"
        taken.add(name)
        drawing = heatmaps.heatmap(part, threshold=accuracy)
        yield _picture(f"{task}, {distractors([density])}", drawing, folder / name, kinds, None, True)


def _picture(
    heading: str, drawing: Any, stem: Path, kinds: Sequence[str], data: pd.DataFrame | None, detail: bool = False
) -> Picture:
    words = drawing.get_title(loc="left") if isinstance(drawing, Axes) else drawing.texts[0].get_text()
    finding = words.replace("\n", " ").replace("\xa0", " ")
    return Picture(heading, finding, canvas.save(drawing, stem, kinds), data, detail)
