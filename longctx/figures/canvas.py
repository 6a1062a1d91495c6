"""What all figures share: sizes in inches, titles, watermark, files. Nothing touches pyplot or global settings."""

from __future__ import annotations

import io
import os
import textwrap
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from longctx.figures import panel
from longctx.figures.fonts import BASE, drawable, face, label
from longctx.textmap import source, wrap

if TYPE_CHECKING:
    import pandas as pd

LEFT, RIGHT, TOP, BOTTOM = 1.05, 2.0, 1.2, 0.9  # inches around what is drawn: labels, margins and title, legend
DPI = 160
_CSS_DPI = 96  # pixels that a browser takes for an inch; what is drawn has more, for sharp screens and for print
NAME = 36  # characters of a model's name in a title
KINDS = ("png", "svg", "pdf")


class Drawing(Axes):
    """Axes that show their figure when they are a notebook cell's last line, without pyplot."""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        return on_screen(self)


class Sheet(Figure):
    """A figure of several axes that shows itself when it is a notebook cell's last line, without pyplot."""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        return on_screen(self)


def style() -> AbstractContextManager[None]:
    """The settings in which everything is drawn and written, whatever the caller's are."""
    own = {
        "font.family": BASE,
        "font.size": 8,
        "hatch.linewidth": 0.4,
        "svg.hashsalt": "longctx",
        "pdf.fonttype": 42,  # text in a PDF can be searched and copied
        "axes.axisbelow": True,
    }
    return mpl.style.context(["default", own])


def axes(
    width: float, height: float, *, left: float = LEFT, right: float = RIGHT, top: float = TOP, bottom: float = BOTTOM
) -> Drawing:
    """Axes of this size, in inches, alone on a figure that leaves room around them."""
    figure = Figure(figsize=(left + width + right, bottom + height + top), dpi=DPI)
    return place(figure, left, bottom, width, height)


def place(figure: Figure, x: float, y: float, width: float, height: float) -> Drawing:
    """Axes at this place of a figure, all in inches from its lower left."""
    total = figure.get_size_inches()
    rect = (x / total[0], y / total[1], width / total[0], height / total[1])
    drawn: Any = figure.add_axes(rect, axes_class=Drawing)
    return drawn  # type: ignore[no-any-return]


def caption(frame: pd.DataFrame, finding: str, details: Sequence[str], room: float) -> list[str]:
    """A title's lines, fitting into `room` inches: who and the finding in the first, then the details."""
    who = source(frame)
    if len(who) > NAME:  # in full below: what was found must not be cut off
        who, details = label(who.rsplit("/", 1)[-1], NAME), [who, *details]
    if "run" in frame and (runs := frame["run"].nunique()) > 1:
        details = [*details, f"{runs} runs"]
    first = f"{who}: {finding}" if finding else who
    first = first.replace(" %", "\xa0%")  # a number and its sign stay on one line
    head = textwrap.wrap(drawable(first), round(room * 9.5), max_lines=2, placeholder="…")
    return ["\n".join(head), *wrap([drawable(item) for item in details], round(room * 13.8))]


def times(counts: pd.Series[int], what: str) -> str:
    """How often, of the cells that have an answer: n = 3 a cell, n = 3–5 a cell."""
    some = counts[counts > 0]
    if some.empty:
        return f"n = 0 {what}"
    return f"n = {some.min():,}" + (f"–{some.max():,}" if some.max() > some.min() else "") + f" {what}"


def set_title(ax: Axes, lines: Sequence[str], above: float = 6, left: float = LEFT) -> None:
    """First line bold, the rest below it, `above` points over the axes, which stand `left` inches from the edge."""
    x = (0.1 - left) / panel.inches(ax)[0]
    words: dict[str, Any] = {"linespacing": 1.25, "parse_math": False}
    bold, rest = face(lines[0], bold=True), "\n".join(lines[1:])
    ax.set_title(lines[0], loc="left", x=x, pad=above + 3 + 12.6 * len(lines[1:]), size=10.5, **words, **bold)
    offset: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "bottom"}
    ax.annotate(rest, (x, 1), (0, above), size=8.5, **offset, **words, **face(rest))


def finish(
    ax: Axes, frame: pd.DataFrame, finding: str, details: Sequence[str], *, title: str | None = None,
    above: float = 6, left: float = LEFT, right: float = RIGHT,
) -> Axes:  # fmt: skip
    """Give axes their title and, where the answers are a double's, its watermark."""
    if frame["double"].any():
        panel.watermark(ax, drawable(source(frame)))
    room = left + panel.inches(ax)[0] + right
    lines = caption(frame, finding, details, room) if title is None else drawable(title, lines=True).split("\n")
    set_title(ax, lines, above, left)
    return ax


def save(figure: Figure | Axes, stem: Path, kinds: Sequence[str] = KINDS) -> list[Path]:
    """Write a figure as PNG, SVG and PDF; the same figure gives the same bytes.

    Args:
        figure: it, or axes in it.
        stem: path without the suffix.
        kinds: which of the three.

    Returns:
        The paths.
    """
    written = []
    for kind in kinds:
        path = stem.with_name(f"{stem.name}.{kind}")
        partial = path.with_name(f".{path.name}.part")  # a reader never meets half a file
        partial.write_bytes(render(figure, kind))
        os.replace(partial, path)
        written.append(path)
    return written


_UNSTABLE: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def render(figure: Any, kind: str) -> bytes:
    """A figure as the bytes of a file."""
    out = io.BytesIO()
    root = figure.get_figure(root=True)
    with style():
        root.savefig(out, format=kind, dpi=DPI, metadata=_UNSTABLE[kind], bbox_inches="tight", pad_inches=0.15)
    return out.getvalue()


def on_screen(figure: Any) -> tuple[bytes, dict[str, int]]:
    """A figure as PNG, and its width in CSS pixels on a screen: without it, a notebook shows it too large."""
    image = render(figure, "png")
    pixels = int.from_bytes(image[16:20])  # of the PNG's first chunk
    return image, {"width": round(pixels * _CSS_DPI / DPI)}
