"""Many lines of records.jsonl at once, as an Arrow table: fast, and only where every line is as a run writes it.

`records` reads what this cannot, and says what is wrong with it. Both give the same.
"""

from __future__ import annotations

import io
import json
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from longctx.columns import COLUMNS, EXTRA, OUTCOMES
from longctx.records import THINKING, picked_ranks

_ARROW = {
    "category": pa.large_string(), "str": pa.large_string(), "Int64": pa.int64(), "float64": pa.float64(),
    "bool": pa.bool_(), "datetime64[us, UTC]": pa.timestamp("us", "UTC"),
}  # fmt: skip
SCHEMA = pa.schema([(name, _ARROW[dtype]) for name, (dtype, _) in COLUMNS.items()] + [("variant", pa.large_string())])
"""Columns as `table.load` gives them, and the further axes as one JSON object, empty where there is none."""

_NEEDLE = ("text", "start", "end", "file", "page", "line")
_MADE = {"run", "double", "control", "started_at", "n_co_needles", "n_distractors", "target", *EXTRA} | {
    name for name in COLUMNS if name.startswith(("needle_", "picked_"))
}
_SPAN = pa.struct([(name, pa.string() if COLUMNS[f"needle_{name}"][0] == "str" else pa.int64()) for name in _NEEDLE])
_READ = pa.schema(
    [(field.name, pa.string() if pa.types.is_large_string(field.type) else field.type)
     for field in SCHEMA if field.name not in _MADE and field.name != "variant"]
    + [("extra", pa.struct([(name, SCHEMA.field(name).type) for name in EXTRA]))]
    + [("started_at", pa.string()), ("needles", pa.list_(_SPAN)), ("picked", pa.int64())]
    + [("co_needles", pa.list_(pa.struct([("start", pa.int64())])))]
    + [("distractors", pa.list_(pa.struct([("tier", pa.string()), ("start", pa.int64())])))]
)  # fmt: skip
_TARGETS = (pa.string(), pa.list_(pa.string()))
_VARIANT = re.compile(rb'"variant":\s?(\{[^{}]*\})')


def read(block: bytes) -> pa.Table | None:
    """Complete lines as a table of `SCHEMA`; None where a line is not as expected."""
    for target in _TARGETS:
        try:
            found = pyarrow.json.read_json(
                io.BytesIO(block),
                read_options=pyarrow.json.ReadOptions(block_size=4 << 20),
                parse_options=pyarrow.json.ParseOptions(
                    explicit_schema=_READ.append(pa.field("target", target)), unexpected_field_behavior="ignore"
                ),
            )
            return _table(found.combine_chunks(), block) if found.num_rows == block.count(b"\n") else None
        except pa.ArrowException:  # among them a target of the other kind
            continue
    return None


def _table(found: pa.Table, block: bytes) -> pa.Table | None:
    columns = {name: found[name].combine_chunks() for name in found.column_names}
    outcome, score = columns["outcome"], columns["score"]
    failed = pc.equal(outcome, "error")
    known = pc.is_in(outcome, value_set=pa.array(OUTCOMES))
    scored = pc.fill_null(pc.and_(pc.greater_equal(score, 0), pc.less_equal(score, 1)), False)
    whole = [columns[name].null_count == 0 for name in ("id", "task", "length_asked", "outcome")]
    if not all(whole) or not pc.all(known).as_py() or not pc.all(pc.or_(scored, failed)).as_py():
        return None
    if (axes := _axes(block, len(outcome))) is None:
        return None
    columns["variant"], columns["control"] = axes
    thinking = pc.and_(pc.equal(outcome, "truncated"), pc.equal(pc.fill_null(columns["explanation"], ""), THINKING))
    columns["outcome"] = pc.if_else(thinking, "truncated_thinking", outcome)
    columns["score"] = pc.if_else(failed, pa.scalar(None, pa.float64()), score)
    columns["started_at"] = pc.cast(columns["started_at"], pa.timestamp("us", "UTC"))
    if pa.types.is_list(columns["target"].type):
        columns["target"] = pc.binary_join(columns["target"], " | ")
    needle = _firsts(columns["needles"])
    for name in _NEEDLE:
        columns[f"needle_{name}"] = pc.struct_field(needle, name)
    for name, spans in (("n_co_needles", "co_needles"), ("n_distractors", "distractors")):
        columns[name] = pc.fill_null(pc.list_value_length(columns[spans]), 0)
    columns |= {name: pc.struct_field(columns["extra"], name) for name in EXTRA}
    columns |= _picked(columns)
    nothing = {"run": "", "double": False}
    arrays = [
        _filled(columns.get(n, pa.repeat(nothing.get(n), len(outcome))), SCHEMA.field(n).type) for n in SCHEMA.names
    ]
    return pa.table(arrays, schema=SCHEMA)


def _filled(values: pa.Array, kind: pa.DataType) -> pa.Array:
    """As the table has it: text is never missing, nor is what is true or false."""
    if pa.types.is_large_string(kind):
        return pc.cast(pc.fill_null(values, ""), kind)
    return pc.fill_null(values, False) if pa.types.is_boolean(kind) else pc.cast(values, kind)


def _axes(block: bytes, rows: int) -> tuple[pa.Array, pa.Array] | None:
    """Further axes and control of each line; None where they cannot be told without parsing all of it."""
    raw = _VARIANT.findall(block)
    if not raw:
        return pa.repeat("", rows), pa.repeat("", rows)
    if len(raw) != rows:
        return None
    texts, controls = {}, {}
    for one in set(raw):
        axes = json.loads(one)
        controls[one] = str(axes.pop("control", ""))
        texts[one] = json.dumps(axes) if axes else ""
    return pa.array([texts[one] for one in raw]), pa.array([controls[one] for one in raw])


def _firsts(lists: pa.ListArray) -> pa.StructArray:
    """First item of each list; null where it is empty or missing."""
    begins, lengths = lists.offsets.to_numpy()[:-1], pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    return lists.values.take(pa.array(np.where(lengths > 0, begins, 0), mask=lengths == 0))


def _picked(columns: dict[str, pa.Array]) -> dict[str, pa.Array]:
    rows = np.flatnonzero(pc.is_valid(columns["picked"]).to_numpy(zero_copy_only=False))
    chosen = [columns[name].take(pa.array(rows)).to_pylist() for name in ("picked", "distractors", "needle_start")]
    ranks = [picked_ranks(picked, spans or (), needle) for picked, spans, needle in zip(*chosen, strict=True)]
    found: dict[str, Any] = {}
    for name in (name for name in COLUMNS if name.startswith("picked_")):
        values: list[Any] = [None] * len(columns["picked"])
        for row, rank in zip(rows, ranks, strict=True):
            values[row] = rank.get(name)
        found[name] = pa.array(values, SCHEMA.field(name).type)
    return found
