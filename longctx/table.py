"""Records of one or more runs as one tidy table: a row a sample."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longctx import records
from longctx.columns import COLUMNS, OBJECTS, OF_THE_RUN, OUTCOMES
from longctx.errors import RunError, UsageError, unknown

if TYPE_CHECKING:  # pandas takes half a second to import: only `load` needs it
    import pandas as pd

__all__ = ["COLUMNS", "DOUBLES", "OBJECTS", "load", "read_json"]

DOUBLES = ("oracle", "lossy")
"""Backends that are doubles even where a manifest does not say so."""

_ALWAYS = {"run", "id", "backend", "double", "control"}
_BATCH = 20_000


def load(
    *runs: Path | str, objects: bool = False, controls: bool = False, columns: Iterable[str] | None = None
) -> pd.DataFrame:
    """Read the records of runs into one table, a row a sample, with the columns that `columns.COLUMNS` describes.

    Where a sample was asked again (a failed call, resumed later), its last record counts. A torn last
    line, left by a killed run, is dropped. Further axes of a sweep become columns ``variant.NAME``. Of large runs what
    was parsed is kept in the folder, so that the next time is faster; see `table_parts`.

    Args:
        runs: run folders. They are stacked; the column ``run`` tells them apart.
        objects: add the columns of `OBJECTS` (lists and dicts; they can be large, and are parsed slowly).
        controls: take controls too (the column ``control`` tells them apart). They have no haystack, so that neither
            their length nor any place is comparable with the others'.
        columns: those of `columns.COLUMNS` that are needed, which takes less time and memory where records are many;
            all by default. Further axes, ``run``, ``id``, ``backend``, ``double`` and ``control`` are always there.

    Raises:
        RunError: no run there, no record in it yet, or a damaged line.
        UsageError: no run given, or one twice, or a column that does not exist.
    """
    wanted = set(COLUMNS if columns is None else columns)
    for name in sorted(wanted - set(COLUMNS)):
        raise UsageError(unknown("column", name, COLUMNS))
    kept = [name for name in COLUMNS if name in wanted | _ALWAYS]
    folders = [Path(run) for run in runs]
    if not folders:
        raise UsageError("No run given; give at least one run folder.")
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise UsageError(f"A run was given twice: {', '.join(map(str, folders))}.")
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        names = [str(folder) for folder in folders]
    frames = [_frame(folder, name, objects, kept) for folder, name in zip(folders, names, strict=True)]
    frame = _stack(frames) if len(frames) > 1 else frames[0]
    if controls or (asked := frame["control"] == "").all():
        return frame
    return frame[asked].reset_index(drop=True)


def read_json(run: Path | str, name: str) -> dict[str, Any]:
    """What stands beside the records: manifest.json or corpora.json; empty where it is missing or damaged."""
    with contextlib.suppress(OSError, ValueError):
        found = json.loads((Path(run) / name).read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return {key: records.whole(value) for key, value in found.items()}
    return {}


def _missing(run: Path, error: OSError) -> str:
    if run.is_dir() and isinstance(error, FileNotFoundError):
        there = ", ".join(sorted(item.name for item in run.iterdir())[:12]) or "nothing"
        return f"{run} is not a run: it has no records.jsonl. There is: {there}."
    if run.exists():
        return f"Cannot read {run / 'records.jsonl'}: {error.strerror}. A run is a folder with records.jsonl in it."
    near = run.parent if run.parent.is_dir() else Path()
    runs = sorted(str(item.parent) for item in near.glob("*/records.jsonl"))[:12]
    return f"No run at {run}. Runs there: {', '.join(runs) or 'none'}."


def _frame(run: Path, name: str, objects: bool, columns: Sequence[str]) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    path = run / "records.jsonl"
    try:
        frame = _objects(path) if objects else _columns(path, columns)
    except OSError as error:
        raise RunError(_missing(run, error)) from None
    if frame is None:
        raise RunError(f"{path} holds no complete record yet ({path.stat().st_size:,} bytes).")
    if frame["id"].nunique() < len(frame):
        frame = frame[~frame["id"].duplicated(keep="last")].reset_index(drop=True)
    of_run = pd.Series(pd.Categorical.from_codes(np.zeros(len(frame), np.int8), pd.Index([name], dtype="str")))
    backend = read_json(run, "manifest.json").get("backend")
    double = frame["backend"].isin(DOUBLES) | (isinstance(backend, dict) and backend.get("double") is True)
    places = list(COLUMNS) if objects else list(columns)
    frame.insert(places.index("run"), "run", of_run)
    frame.insert(places.index("double"), "double", double)
    return frame


def _objects(path: Path) -> pd.DataFrame | None:
    with path.open("rb") as file:
        rows = records.rows(path, file, 1, objects=True)
        pieces = []
        while batch := list(islice(rows, _BATCH)):
            pieces.append(records.as_frame(batch, path, objects=True))
    return _stack(pieces) if pieces else None


def _columns(path: Path, names: Sequence[str]) -> pd.DataFrame | None:
    """The table column by column: a million rows do not fit into memory twice."""
    import pandas as pd
    import pyarrow as pa

    from longctx import table_parts

    names = [name for name in names if name not in OF_THE_RUN]
    parts = list(table_parts.read(path, [*names, "variant"]))
    if not parts:
        return None
    whole = pa.concat_tables(parts).unify_dictionaries()
    del parts
    found = _axes(whole["variant"])
    for name in names:
        found[name] = _series(whole[name], name)
        whole = whole.drop_columns(name)
    axes = [name for name in found if name not in names]
    return pd.DataFrame({name: found[name] for name in (*names, *axes)}, copy=False)


def _series(values: Any, name: str) -> pd.Series[Any]:
    import pandas as pd

    dtype = COLUMNS[name][0]
    if dtype == "category":
        known, codes = _coded(values)
        kinds = list(OUTCOMES) if name == "outcome" else sorted(known)
        place = {kind: code for code, kind in enumerate(kinds)}
        order = pd.Series([place[kind] for kind in known], dtype="int32").to_numpy()
        return pd.Series(pd.Categorical.from_codes(order[codes], pd.Index(kinds, dtype="str")))
    series: pd.Series[Any]
    if dtype == "Int64":
        series = values.to_pandas(types_mapper={values.type: pd.Int64Dtype()}.get)
    elif dtype == "str":
        series = values.to_pandas(types_mapper={values.type: pd.StringDtype(na_value=float("nan"))}.get)
    else:
        series = values.to_pandas()
    return series


def _coded(values: Any) -> tuple[list[str], Any]:
    """The different values of a column and which of them each row has."""
    import numpy as np

    chunks = values.chunks
    return chunks[0].dictionary.to_pylist(), np.concatenate([chunk.indices.to_numpy() for chunk in chunks])


def _axes(values: Any) -> dict[str, pd.Series[Any]]:
    """Columns of further axes, from their JSON."""
    import numpy as np
    import pandas as pd

    texts, codes = _coded(values)
    known = [json.loads(text) if text else {} for text in texts]
    found: dict[str, pd.Series[Any]] = {}
    for name in sorted({name for axes in known for name in axes}):
        each = [axes.get(name) for axes in known]
        plain = np.empty(len(each), dtype=object)
        plain[:] = [json.dumps(value) if isinstance(value, list | dict) else value for value in each]
        found[f"variant.{name}"] = pd.Series(plain[codes], dtype=object)
    return found


def _stack(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """One frame of many; text that repeats stays a category, which `concat` alone gives up."""
    import pandas as pd

    stacked = pd.concat(list(frames), ignore_index=True)
    for name, (dtype, _) in COLUMNS.items():
        if dtype == "category" and name != "outcome" and name in stacked:
            stacked[name] = stacked[name].astype("category")
    return stacked
