"""The rows that the page's browser of samples shows: plain text, compressed, as many as fit."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from longctx.textmap import depth_labels, length_labels
from longctx.visible import clip, visible

if TYPE_CHECKING:
    import pandas as pd

MOST = 20_000  # samples in one page
ROOM = 6_500_000  # characters of the page that the rows may take
CLIPS = (4_000, 1_500, 600, 250, 100)  # characters of an answer, the longest first that leaves the page small enough
FACETS = ("run", "task", "corpus", "outcome", "length", "depth", "density", "flip")
"""What samples are picked by; those with one value only are left out on the page."""

Around = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Rows:
    """What goes into the page."""

    data: str  # base64 of gzipped JSON
    shown: int
    total: int
    clipped: int  # characters that a text was cut to


def pack(frame: pd.DataFrame, around: Around | None = None) -> Rows:
    """Samples as the page's script reads them.

    All of them, or `MOST` taken from all cells in turn, those that are not right first. Texts are cut to the longest of
    `CLIPS` with which the rows take no more than `ROOM`.

    Args:
        frame: from `longctx.table.load`; a column ``flip`` is shown as well.
        around: sample id → the text around its needle, as `longctx.report.surroundings.rebuild` gives it.
    """
    chosen = spread(frame, MOST)
    for most in CLIPS:
        data = _compressed(_document(chosen, around or {}, most))
        if len(data) <= ROOM:
            break
    return Rows(data, len(chosen), len(frame), most)


def spread(frame: pd.DataFrame, most: int) -> pd.DataFrame:
    """At most so many samples, taken from all cells in turn, those that are not right before the others."""
    axes = ["run", "task", "density_asked", "length_asked", "depth_asked"]
    work = frame.assign(_right=(frame["outcome"] == "right") & (frame["score"] == 1))
    turn = work.groupby([*axes, "_right"], observed=True, dropna=False).cumcount()
    order = work.assign(_turn=turn).sort_values(["_right", "_turn"], kind="stable").index[:most]
    return work.loc[order].sort_values(["_right", *axes], kind="stable").drop(columns="_right")


def _document(frame: pd.DataFrame, around: Around, most: int) -> dict[str, Any]:
    """Columns; what repeats is a number that stands for one of the column's values."""
    columns: dict[str, Any] = {}
    lengths, depths = (sorted(frame[name].dropna().unique()) for name in ("length_asked", "depth_asked"))
    names = {
        "length": dict(zip(lengths, length_labels(lengths), strict=True)),
        "depth": dict(zip(depths, depth_labels(depths), strict=True)),
    }
    for name in ("run", "task", "corpus", "outcome", "finish_reason", "picked_tier"):
        columns[name] = _coded([_text(value, 200) for value in frame[name]])
    for name in ("length", "depth", "density"):
        values = [None if value != value else value for value in frame[f"{name}_asked"].astype(object).where(
            frame[f"{name}_asked"].notna(), None)]  # fmt: skip
        label = names.get(name)
        columns[name] = _coded(["none" if v is None else label[v] if label else f"{v:g}" for v in values])
    for name in ("question", "target", "explanation", "needle_text", "needle_file"):
        columns[name] = _coded([_text(value, min(most, 1_500)) for value in frame[name]])
    columns["id"] = [_text(value, 100) for value in frame["id"]]
    columns["answer"] = [_text(value, most) for value in frame["output_text"]]
    columns["score"] = [None if score != score else round(float(score), 3) for score in frame["score"]]
    for name in ("seed", "needle_start", "needle_end", "needle_page", "needle_line", "haystack_tokens", "picked_start",
                 "n_distractors", "n_co_needles", "output_tokens", "thinking_tokens"):  # fmt: skip
        columns[name] = [None if value is None else int(value) for value in frame[name].astype(object).where(
            frame[name].notna(), None)]  # fmt: skip
    columns["place"] = [None if value != value else round(float(value), 4) for value in frame["depth"]]
    columns["error"] = _coded([_text(value, min(most, 600)) for value in frame["error"]])
    if "flip" in frame:
        columns["flip"] = _coded([_text(value, 40) for value in frame["flip"]])
        columns["other"] = [_text(value, most) for value in frame["other_text"]]
        columns["other_outcome"] = _coded([_text(value, 40) for value in frame["other_outcome"]])
    columns["around"] = [_around(around.get(str(value))) for value in frame["id"]]
    return {"n": len(frame), "facets": [name for name in FACETS if name in columns], "columns": columns}


def _around(found: Mapping[str, Any] | None) -> list[list[str]] | None:
    """Passages, each as what it is and its text before, inside and behind."""
    if found is None:
        return None
    return [[visible(part, lines=True) for part in passage] for passage in found["passages"]]


def _text(value: Any, most: int) -> str:
    return visible(clip(str(value), most), lines=True)


def _coded(values: list[str]) -> dict[str, Any]:
    known = {value: number for number, value in enumerate(dict.fromkeys(values))}
    return {"values": list(known), "codes": [known[value] for value in values]}


def _compressed(document: Any) -> str:
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()
