"""Lines of records.jsonl, one by one, to rows: whatever they hold, and naming the line where one is damaged."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longctx.columns import COLUMNS, EXTRA, OBJECTS, OF_THE_RUN, OUTCOMES
from longctx.errors import RunError, unknown

if TYPE_CHECKING:
    import pandas as pd

THINKING = "the output budget ended while the model was thinking"
"""How records explained ``truncated`` before ``truncated_thinking`` had a name."""

_REQUIRED = ("id", "task", "length_asked", "outcome")
_LARGE = ("needles", "co_needles", "distractors", "recipe")  # a megabyte of haystack can hold thousands


def rows(path: Path, lines: Iterable[bytes], first: int, objects: bool, last: bool = True) -> Iterator[dict[str, Any]]:
    """Every complete line as a row.

    Args:
        path: the file, for messages.
        lines: of it.
        first: number of the first of these, from 1.
        objects: keep lists and dictionaries.
        last: nothing follows these lines, so that the last may be torn.

    Raises:
        RunError: a line is damaged, and it is not the last.
    """
    damaged = 0
    for number, line in enumerate(lines, first):
        if not line.strip():
            continue
        if damaged:
            break
        try:
            record = json.loads(line)
        except ValueError:  # torn by a kill if it is the last; UnicodeDecodeError is one as well
            damaged = number
            continue
        if not isinstance(record, dict):
            raise RunError(f"{path} is damaged: line {number} is not a JSON object.")
        # JSON can say half a surrogate pair, which no text file, terminal or web page can hold
        record = whole(record) if b"\\ud" in line.lower() else record
        yield _row(record, f"{path}, line {number},", objects)
    else:
        if not damaged or last:
            return
    raise RunError(f"{path} is damaged: line {damaged} is not JSON, and more lines follow it.")


def whole(value: Any) -> Any:
    """A JSON value whose texts are all valid Unicode."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode() if not value.isascii() else value
    if isinstance(value, list):
        return [whole(item) for item in value]
    return {key: whole(item) for key, item in value.items()} if isinstance(value, dict) else value


def _row(record: dict[str, Any], where: str, objects: bool) -> dict[str, Any]:
    """Check a record and flatten it."""
    for name in _REQUIRED:
        if record.get(name) is None:
            raise RunError(f"{where} is damaged: it lacks {name!r}.")
    if record["outcome"] not in OUTCOMES:
        raise RunError(f"{where} is damaged: {unknown('outcome', str(record['outcome']), OUTCOMES)}")
    if record["outcome"] == "truncated" and str(record.get("explanation")) == THINKING:
        record["outcome"] = "truncated_thinking"
    score = record.get("score")
    if record["outcome"] == "error":
        record["score"] = None  # whatever was written: an error is no answer and has no score
    elif not isinstance(score, int | float) or not 0 <= score <= 1:
        raise RunError(f"{where} is damaged: the score is {score!r}; possible are numbers from 0 to 1.")
    target = record.get("target", "")
    record["targets"] = target if isinstance(target, list) else [target]
    record["target"] = " | ".join(map(str, record["targets"]))
    for name, value in next(iter(record.get("needles") or ()), {}).items():
        record[f"needle_{name}"] = value
    spans = record.get("distractors") or ()
    record |= picked_ranks(record.get("picked"), spans, record.get("needle_start"))
    record["n_co_needles"] = len(record.get("co_needles") or ())
    record["n_distractors"] = len(spans)
    extra = record.get("extra") or {}
    record |= {name: extra.get(name) for name in EXTRA}
    axes = dict(record.get("variant") or {})
    record["control"] = axes.pop("control", "")
    record["variant"] = axes
    for name, value in axes.items():
        record[f"variant.{name}"] = json.dumps(value) if isinstance(value, list | dict) else value
    if not objects:
        for name in _LARGE:
            record.pop(name, None)
    return record


def picked_ranks(picked: Any, spans: Any, needle: Any) -> dict[str, Any]:
    """Tier and place of the distractor that was given, and its ranks among all of its sample.

    Those at the same place share a rank.

    Args:
        picked: its index; None where none was given.
        spans: the sample's distractors.
        needle: token at which the needle begins; None where there is none.
    """
    if not isinstance(picked, int) or picked >= len(spans):
        return {}
    starts = [span.get("start") for span in spans]
    found = {"picked_tier": spans[picked].get("tier"), "picked_start": starts[picked]}
    if all(isinstance(start, int) for start in starts):
        found["picked_lateness"] = _rank(starts, picked)
        if isinstance(needle, int):
            found["picked_nearness"] = _rank([-abs(start - needle) for start in starts], picked)
    return found


def _rank(values: list[int], place: int) -> float:
    own = values[place]
    return (sum(value < own for value in values) + sum(value == own for value in values) / 2) / len(values)


def as_frame(rows: list[dict[str, Any]], path: Path, objects: bool = False) -> pd.DataFrame:
    """Rows as columns of the documented types, without those that are of the run.

    Raises:
        RunError: a column holds something else.
    """
    import pandas as pd

    axes = sorted({f"variant.{name}" for row in rows for name in row["variant"]})
    columns = {name: _series([row.get(name) for row in rows], name, path) for name in COLUMNS if name not in OF_THE_RUN}
    for name in (*axes, *(OBJECTS if objects else ())):
        columns[name] = pd.Series([row.get(name) for row in rows], dtype=object)
    return pd.DataFrame(columns)


def _series(values: list[Any], column: str, path: Path) -> pd.Series[Any]:
    import pandas as pd

    dtype = COLUMNS[column][0]
    try:
        if column == "outcome":
            return pd.Series(pd.Categorical(values, categories=OUTCOMES))
        if dtype == "bool":
            return pd.Series([bool(value) for value in values])
        if dtype in ("str", "category"):
            return pd.Series(["" if value is None else str(value) for value in values], dtype=dtype)
        if dtype.startswith("datetime"):
            return pd.Series(pd.to_datetime(values, utc=True, format="ISO8601")).dt.as_unit("us")
        return pd.Series(values, dtype=dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise RunError(f"{path} is damaged: column {column!r} does not hold {dtype} values ({error}).") from error
