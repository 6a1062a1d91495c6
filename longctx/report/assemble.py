"""What both kinds of page are put together from: the template, figures as data URIs, tables of any frame."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from longctx import __version__
from longctx.figures.canvas import DPI
from longctx.stats import OUTCOMES
from longctx.textmap import depth_labels, length_labels
from longctx.units import percent, points
from longctx.visible import clip, visible

if TYPE_CHECKING:
    import pandas as pd

    from longctx.figures import Picture

TEMPLATES = Path(__file__).parent / "templates"
MOST_DETAILS = 12  # heatmaps of single tasks and densities
PICTURES = 2_700_000  # characters of the page that all figures may take
VECTOR = 240_000  # bytes above which a figure goes in as PNG
ZOOM = 1.15  # a figure's size on the page, where there is room
MOST_ROWS = 400  # of a table beside a figure

_PERCENT = ("accuracy", "share", "bound", "noise_floor", "first", "second", *OUTCOMES)
_LIMITS = ("low", "high")


def page(template: str, **content: Any) -> str:
    """A page as text; style and script are named in its policy by their hashes."""
    css, js = ((TEMPLATES / name).read_text(encoding="utf-8") for name in ("report.css", "browser.js"))
    hashes = {
        name: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for name, text in (("css_hash", css), ("js_hash", js))
    }
    return (
        _environment()
        .get_template(template)
        .render(css=Markup(css), js=Markup(js), version=__version__, **hashes, **content)
    )


def _environment() -> Environment:
    environment = Environment(
        autoescape=True,
        finalize=lambda value: value if isinstance(value, Markup) else visible(str(value)),
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["block"] = lambda text, most: escape(visible(clip(text, most), lines=True))
    environment.filters["short"] = clip
    environment.filters["percent"] = lambda value: "–" if value is None else f"{percent(value)} %"
    environment.filters["number"] = lambda value: "–" if value is None else f"{value:,.4g}"
    return environment


def pictures(drawn: Iterable[Picture], stem: str = "figure") -> list[dict[str, Any]]:
    """Figures for the page, each with its numbers and the single heatmaps behind the one with all of them."""
    found: list[dict[str, Any]] = []
    for picture in drawn:
        if picture.detail and len(found[-1]["details"]) >= MOST_DETAILS:
            found[-1]["more"] += 1
            continue
        one = {"heading": picture.heading, "finding": picture.finding, "note": "", "details": [], "more": 0}
        one |= {"data": None if picture.data is None else table(picture.data), "anchor": f"{stem}-{len(found) + 1}"}
        one["paths"] = {path.suffix: path for path in picture.paths}
        (found[-1]["details"] if picture.detail else found).append(one)
    room = PICTURES
    for one in [*found, *(part for whole in found for part in whole["details"])]:  # what matters most has room first
        one["uri"] = _uri(one["paths"], room)
        one["width"] = _width(one["paths"])
        room -= len(one["uri"])
    return found


def _uri(files: dict[str, Path], room: int) -> str:
    """The SVG, or the PNG where that is smaller, as a data URI; empty where there is no room."""
    for suffix, kind, most in ((".svg", "svg+xml", VECTOR), (".png", "png", PICTURES)):
        if suffix in files and files[suffix].stat().st_size <= min(most, room * 0.74):
            data = base64.b64encode(files[suffix].read_bytes()).decode()
            return f"data:image/{kind};base64,{data}"
    return ""


def _width(files: dict[str, Path]) -> int:
    """Pixels on the page, the same for a PNG and an SVG; 0 where it is not known."""
    if ".png" not in files:
        return 0
    with files[".png"].open("rb") as file:
        head = file.read(24)
    return round(ZOOM * 96 / DPI * int.from_bytes(head[16:20], "big"))


def table(frame: pd.DataFrame, most: int = MOST_ROWS) -> dict[str, Any]:
    """Any frame of numbers as people read it: heads, rows of words, and how many rows are left out."""
    columns = []
    for name in frame.columns:
        column = frame[name].head(most)
        columns.append(list(_words(str(name), column, "points" not in frame)))
    heads = [{"name": str(name), "text": frame[name].dtype.kind not in "iufb"} for name in frame.columns]
    return {"heads": heads, "rows": list(zip(*columns, strict=True)), "left_out": max(len(frame) - most, 0)}


def _words(name: str, column: pd.Series[Any], shares: bool) -> Iterator[str]:
    """The column's values; `shares`: its limits are shares, not points."""
    values = [
        None if value is None or value != value else value
        for value in column.astype(object).where(column.notna(), None)
    ]
    label = {"length": length_labels, "length_asked": length_labels, "depth": depth_labels, "depth_asked": depth_labels}
    if name in label:
        known: Any = sorted({value for value in values if value is not None})
        names = dict(zip(known, label[name](known), strict=True))
        yield from (names.get(value, "none") for value in values)
        return
    is_share = name in _PERCENT or (shares and name in _LIMITS)
    for value in values:
        if value is None:
            yield "–"
        elif isinstance(value, bool) or not isinstance(value, int | float):
            yield str(value)
        elif isinstance(value, float) and is_share and abs(value) <= 1:
            yield f"{percent(value, 1)} %"
        elif name in ("points", "low", "high"):
            yield points(value)
        elif name in ("p", "p_holm"):
            yield "< 0.001" if value < 0.001 else f"{value:.3f}"
        else:
            yield f"{value:,.4g}" if isinstance(value, float) else f"{value:,}"
