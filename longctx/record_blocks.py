"""Many lines of records.jsonl at once, as an Arrow table: fast, and only where every line is as a run writes it.

What the table does not hold is skipped without being made into objects: most of a record is needles and distractors.
`records` reads what this cannot, and says what is wrong with it. Both give the same.
"""

from __future__ import annotations

import functools
import json
import operator
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from longctx.columns import COLUMNS, EXTRA, OF_THE_RUN
from longctx.records import THINKING, picked_ranks
from longctx.types import Outcome

_REPEATS = pa.dictionary(pa.int32(), pa.large_string())
_ARROW = {
    "category": _REPEATS, "str": pa.large_string(), "Int64": pa.int64(), "float64": pa.float64(),
    "bool": pa.bool_(), "datetime64[us, UTC]": pa.timestamp("us", "UTC"),
}  # fmt: skip
_COLUMNS = {name: dtype for name, (dtype, _) in COLUMNS.items() if name not in OF_THE_RUN} | {"variant": "category"}
SCHEMA = pa.schema([(name, _ARROW[dtype]) for name, dtype in _COLUMNS.items()])
"""Columns as `table.load` gives them, and the further axes as one JSON object, empty where there is none."""

_KINDS: dict[str, Any] = {
    "category": str | None, "str": str | None, "datetime64[us, UTC]": str | None,
    "Int64": int | None, "float64": float | None, "bool": bool | None,
}  # fmt: skip
_NEEDLE = ("text", "start", "end", "file", "page", "line")


def _struct(name: str, fields: Sequence[tuple[str, Any]]) -> Any:
    """A type that JSON objects are read as: these fields, each None where it is missing, and no other."""
    return msgspec.defstruct(name, [(field, kind, None) for field, kind in fields], gc=False)


_Needle: Any = _struct("_Needle", [(name, _KINDS[COLUMNS[f"needle_{name}"][0]]) for name in _NEEDLE])
_Distractor: Any = _struct("_Distractor", [("start", int | None), ("tier", str | None)])
_Counted: Any = _struct("_Counted", [])
_Extra: Any = _struct("_Extra", [(name, _KINDS[COLUMNS[name][0]]) for name in EXTRA])
_OWN: dict[str, Any] = {
    **{"id": str, "task": str, "length_asked": int, "outcome": Outcome},
    **{"score": Annotated[float, msgspec.Meta(ge=0, le=1)] | None, "target": str | list[str], "picked": int | None},
    **{"needles": list[_Needle] | None, "co_needles": list[_Counted] | None, "distractors": list[_Distractor] | None},
    **{"extra": _Extra | None, "variant": msgspec.Raw},
}
_REQUIRED = ("id", "task", "length_asked", "outcome")
_MISSING = {"target": "", "variant": msgspec.Raw(b"{}")}
_FIELDS = (  # in the order in which a run writes them: a field is looked for behind the last one first
    "id", "task", "corpus", "length_asked", "length", "depth_asked", "depth", "density_asked", "density", "seed",
    "variant", "haystack", "haystack_tokens", "host", "host_format", "tokenizer", "question", "scorer", "needles",
    "co_needles", "distractors", "nested", "repeated", "sha256", "extra", "target", "output_text", "prompt_tokens",
    "cached_tokens", "output_tokens", "thinking_tokens", "finish_reason", "ttft_s", "total_s", "error", "error_kind",
    "attempts", "canaries", "score", "outcome", "explanation", "answer_text", "picked", "model", "backend",
    "started_at",
)  # fmt: skip
_Record: Any = msgspec.defstruct(
    "_Record",
    [
        (name, kind) if name in _REQUIRED else (name, kind, _MISSING.get(name))
        for name in _FIELDS
        for kind in (_OWN[name] if name in _OWN else _KINDS[COLUMNS[name][0]],)
    ],
    kw_only=True,
    gc=False,
)
_DECODER = msgspec.json.Decoder(_Record)
_NOTHING = {"needles": _Needle(), "extra": _Extra()}
_EMPTY: dict[str, Any] = {"category": "", "str": "", "bool": False}
"""What stands where a record has nothing: of other types it is missing."""


def read(block: bytes | memoryview, lines: int) -> pa.Table | None:
    """Complete lines, of which there are so many, as a table of `SCHEMA`; None where one is not as expected."""
    try:
        found = _DECODER.decode_lines(block)
        return _table(found) if found and len(found) == lines else None
    except (msgspec.MsgspecError, pa.ArrowException, OverflowError, ValueError, TypeError):
        return None


def _table(found: list[Any]) -> pa.Table | None:
    columns: dict[str, Any] = dict(zip(_FIELDS, zip(*map(msgspec.structs.astuple, found), strict=True), strict=True))
    columns["variant"], columns["control"] = _axes(columns["variant"])
    columns["target"] = [one if isinstance(one, str) else " | ".join(one) for one in columns["target"]]
    columns |= _fields([one[0] if one else _NOTHING["needles"] for one in columns["needles"]], "needle_")
    columns |= _fields([one or _NOTHING["extra"] for one in columns["extra"]])
    columns |= _picked(columns)
    for name in ("co_needles", "distractors"):
        columns[f"n_{name}"] = [len(one) if one else 0 for one in columns[name]]
    failed = [outcome == "error" for outcome in columns["outcome"]]
    if not all(map(operator.or_, failed, (score is not None for score in columns["score"]))):
        return None
    if any(failed):
        columns["score"] = [None if no else score for no, score in zip(failed, columns["score"], strict=True)]
    if "truncated" in columns["outcome"]:
        columns["outcome"] = [
            "truncated_thinking" if outcome == "truncated" and why == THINKING else outcome
            for outcome, why in zip(columns["outcome"], columns["explanation"], strict=True)
        ]
    return pa.Table.from_arrays([_array(columns[name], dtype) for name, dtype in _COLUMNS.items()], schema=SCHEMA)


def _array(values: Sequence[Any], dtype: str) -> pa.Array:
    """As the table has it: text is never missing, nor is what is true or false."""
    first, count = values[0], len(values)
    if first == values[-1] and values.count(first) == count:  # as in most columns
        return _alike(first, dtype, 1 << count.bit_length())[:count]
    if dtype in _EMPTY and None in values:
        values = [_EMPTY[dtype] if value is None else value for value in values]
    return _made(values, dtype)


@functools.lru_cache(maxsize=1000)
def _alike(value: Any, dtype: str, count: int) -> pa.Array:
    return _made([_EMPTY.get(dtype) if value is None else value] * count, dtype)


def _made(values: Sequence[Any], dtype: str) -> pa.Array:
    if dtype.startswith("datetime"):
        return pc.cast(pa.array(values, pa.string()), _ARROW[dtype])
    return pa.array(values, _ARROW[dtype])


def _fields(objects: list[Any], prefix: str = "") -> dict[str, Any]:
    names = [prefix + name for name in objects[0].__struct_fields__]
    return dict(zip(names, zip(*map(msgspec.structs.astuple, objects), strict=True), strict=True))


def _axes(variants: Sequence[msgspec.Raw]) -> tuple[list[str], list[str]]:
    """Further axes and control of each line: there are few different ones."""
    raw = list(map(bytes, variants))
    texts, controls = {}, {}
    for one in set(raw):
        axes = dict(json.loads(one) or {})
        controls[one] = str(axes.pop("control", ""))
        texts[one] = json.dumps(axes) if axes else ""
    return list(map(texts.__getitem__, raw)), list(map(controls.__getitem__, raw))


def _picked(columns: dict[str, Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {
        name: [None] * len(columns["picked"]) for name in COLUMNS if name.startswith("picked_")
    }
    for row, picked in enumerate(columns["picked"]):
        if picked is not None:
            spans = [{"tier": span.tier, "start": span.start} for span in columns["distractors"][row] or ()]
            for name, value in picked_ranks(picked, spans, columns["needle_start"][row]).items():
                found[name][row] = value
    return found
