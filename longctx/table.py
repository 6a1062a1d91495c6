"""Records of one or more runs as one tidy table: a row a sample."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from longctx.errors import RunError, UsageError, unknown
from longctx.types import Outcome

if TYPE_CHECKING:  # pandas takes half a second to import: only `load` needs it
    import pandas as pd

COLUMNS: dict[str, tuple[str, str]] = {
    "run": ("category", "name of the run's folder; its path where two runs have the same name"),
    "id": ("str", "the sample's; unique within a run"),
    "task": ("category", "what was asked for"),
    "corpus": ("category", "name of the corpus that the haystack was cut from"),
    "model": ("category", "as it was asked for"),
    "backend": ("category", "what answered: vllm, oracle, lossy"),
    "double": ("bool", "the answers come from a test double, not from a model"),
    "control": ("category", "closed-book (no haystack) or short (the needle alone); empty where there is a haystack"),
    "length_asked": ("Int64", "tokens the model should receive"),
    "length": ("Int64", "tokens the model received, as built"),
    "depth_asked": ("float64", "0-1, where the needle should stand; missing where there is no such place"),
    "depth": ("float64", "0-1, where it stands"),
    "density_asked": ("float64", "distractors per 10,000 haystack tokens, as asked"),
    "density": ("float64", "distractors per 10,000 haystack tokens, as built"),
    "seed": ("Int64", "the cell's"),
    "haystack": ("str", "hex id; equal for samples over the same haystack"),
    "host": ("category", "corpus of the document that the needle stands in; of a mixed corpus, the part"),
    "host_format": ("category", "format of that document"),
    "haystack_tokens": ("Int64", "tokens of the haystack, needles included"),
    "tokenizer": ("category", "name of the tokenizer that counted"),
    "scorer": ("category", "name of the function that scored"),
    "question": ("str", "what was asked"),
    "target": ("str", "what is right; several right answers are joined by ' | '"),
    "output_text": ("str", "what the model said"),
    "answer_text": ("str", "of that, what was scored: without the thinking; empty where it is all of it"),
    "score": ("float64", "0-1; missing for errors, which are no answers"),
    "outcome": ("category", "one of " + ", ".join(get_args(Outcome))),
    "explanation": ("str", "why it was scored so"),
    "error": ("str", "why the call failed; empty where it did not"),
    "finish_reason": ("category", "as the engine said"),
    "prompt_tokens": ("Int64", "as the engine counted"),
    "cached_tokens": ("Int64", "of these, found in its prefix cache; missing where it does not say"),
    "output_tokens": ("Int64", "as the engine counted"),
    "thinking_tokens": ("Int64", "of these, spent on thinking"),
    "ttft_s": ("float64", "seconds to the first token"),
    "total_s": ("float64", "seconds to the last token"),
    "attempts": ("Int64", "how often the call was made"),
    "started_at": ("datetime64[us, UTC]", "when the last call began"),
    "repeated": ("bool", "the haystack repeats passages because the corpus is shorter"),
    "sha256": ("str", "of the rendered prompt"),
    "needle_start": ("Int64", "token offset of the needle asked about, inside the haystack"),
    "needle_end": ("Int64", "where it ends, exclusive"),
    "needle_text": ("str", "the needle asked about"),
    "needle_file": ("str", "document that it was put into"),
    "needle_page": ("Int64", "page there; missing where the format has none"),
    "needle_line": ("Int64", "line there; missing where the format has pages instead"),
    "n_co_needles": ("Int64", "needles of other questions in the same haystack"),
    "n_distractors": ("Int64", "needles with a wrong answer in the haystack"),
    "picked_tier": ("category", "tier of the distractor whose value was given; empty where none was"),
    "picked_start": ("Int64", "token offset of that distractor, inside the haystack"),
    "picked_nearness": ("float64", "its rank by distance to the needle, nearest last: (rank - ½) / distractors, 0-1"),
    "picked_lateness": ("float64", "its rank by place in the haystack, latest last: (rank - ½) / distractors, 0-1"),
}
"""Column → (dtype, what it holds). Text is never missing but empty; counts may be ``<NA>``."""

NESTED = ("needles", "co_needles", "distractors", "variant", "recipe", "targets")
"""Columns of Python objects that ``load(…, nested=True)`` adds."""

DOUBLES = ("oracle", "lossy")
"""Backends that are doubles even where a manifest does not say so."""

_REQUIRED = ("id", "task", "length_asked", "outcome")
_OUTCOMES = get_args(Outcome)
_BATCH = 20_000
_THINKING = "the output budget ended while the model was thinking"


def load(*runs: Path | str, nested: bool = False, controls: bool = False) -> pd.DataFrame:
    """Read the records of runs into one table, a row a sample, with the columns that `COLUMNS` describes.

    Where a sample was asked again (a failed call, resumed later), its last record counts. A torn last
    line, left by a killed run, is dropped. Further axes of a sweep become columns ``variant.NAME``.

    Args:
        runs: run folders. They are stacked; the column ``run`` tells them apart.
        nested: add the columns of `NESTED` (lists and dicts; they can be large).
        controls: take controls too (the column ``control`` tells them apart). They have no haystack, so that neither
            their length nor any place is comparable with the others'.

    Raises:
        RunError: no run there, no record in it yet, or a damaged line.
        UsageError: no run given, or one twice.
    """
    folders = [Path(run) for run in runs]
    if not folders:
        raise UsageError("No run given; give at least one run folder.")
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise UsageError(f"A run was given twice: {', '.join(map(str, folders))}.")
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        names = [str(folder) for folder in folders]
    frames = [_frame(folder, name, nested) for folder, name in zip(folders, names, strict=True)]
    frame = _stack(frames)
    return frame if controls else frame[frame["control"] == ""].reset_index(drop=True)


def read_json(run: Path | str, name: str) -> dict[str, Any]:
    """What stands beside the records: manifest.json or corpora.json; empty where it is missing or damaged."""
    with contextlib.suppress(OSError, ValueError):
        found = json.loads((Path(run) / name).read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return {key: _whole(value) for key, value in found.items()}
    return {}


def _rows(run: Path, nested: bool) -> Iterator[dict[str, Any]]:
    """Every complete line as a row."""
    path = run / "records.jsonl"
    try:
        file = path.open("rb")
    except OSError as error:
        raise RunError(_missing(run, error)) from None
    with file:
        damaged = 0
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            if damaged:
                raise RunError(f"{path} is damaged: line {damaged} is not JSON, and more lines follow it.")
            try:
                record = json.loads(line)
            except ValueError:  # torn by a kill if it is the last; UnicodeDecodeError is one as well
                damaged = number
                continue
            if not isinstance(record, dict):
                raise RunError(f"{path} is damaged: line {number} is not a JSON object.")
            # JSON can say half a surrogate pair, which no text file, terminal or web page can hold
            record = _whole(record) if b"\\ud" in line.lower() else record
            yield _row(record, f"{path}, line {number},", nested)


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode() if not value.isascii() else value
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return {key: _whole(item) for key, item in value.items()} if isinstance(value, dict) else value


def _missing(run: Path, error: OSError) -> str:
    if run.is_dir() and isinstance(error, FileNotFoundError):
        there = ", ".join(sorted(item.name for item in run.iterdir())[:12]) or "nothing"
        return f"{run} is not a run: it has no records.jsonl. There is: {there}."
    if run.exists():
        return f"Cannot read {run / 'records.jsonl'}: {error.strerror}. A run is a folder with records.jsonl in it."
    near = run.parent if run.parent.is_dir() else Path()
    runs = sorted(str(item.parent) for item in near.glob("*/records.jsonl"))[:12]
    return f"No run at {run}. Runs there: {', '.join(runs) or 'none'}."


def _row(record: dict[str, Any], where: str, nested: bool) -> dict[str, Any]:
    """Check a record and flatten it."""
    for name in _REQUIRED:
        if record.get(name) is None:
            raise RunError(f"{where} is damaged: it lacks {name!r}.")
    if record["outcome"] not in _OUTCOMES:
        raise RunError(f"{where} is damaged: {unknown('outcome', str(record['outcome']), _OUTCOMES)}")
    thinking = str(record.get("explanation", "")).startswith(_THINKING)
    if record["outcome"] == "truncated" and thinking:  # as records said it before there was a name for it
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
    picked, spans = record.get("picked"), record.get("distractors") or ()
    if isinstance(picked, int) and picked < len(spans):
        record["picked_tier"], record["picked_start"] = spans[picked].get("tier"), spans[picked].get("start")
        record |= _ranks([span.get("start") for span in spans], picked, record.get("needle_start"))
    record["n_co_needles"] = len(record.get("co_needles") or ())
    record["n_distractors"] = len(record.get("distractors") or ())
    record["variant"] = dict(record.get("variant") or {})
    record["control"] = record["variant"].pop("control", "")
    for name, value in record["variant"].items():
        record[f"variant.{name}"] = json.dumps(value) if isinstance(value, list | dict) else value
    if not nested:
        for name in ("needles", "co_needles", "distractors", "recipe"):  # a megabyte of haystack can hold thousands
            record.pop(name, None)
    return record


def _ranks(starts: list[Any], picked: int, needle: Any) -> dict[str, float]:
    """Ranks of the picked distractor among all of its sample; those at the same place share theirs."""
    if not all(isinstance(start, int) for start in starts):
        return {}

    def rank(values: list[int]) -> float:
        own = values[picked]
        return (sum(value < own for value in values) + sum(value == own for value in values) / 2) / len(values)

    found = {"picked_lateness": rank(starts)}
    if isinstance(needle, int):
        found["picked_nearness"] = rank([-abs(start - needle) for start in starts])
    return found


def _frame(run: Path, name: str, nested: bool) -> pd.DataFrame:
    rows = _rows(run, nested)
    pieces = []
    while batch := list(islice(rows, _BATCH)):  # as columns at once: a million dicts would not fit into memory
        pieces.append(_piece(batch, run, nested))
    if not pieces:
        path = run / "records.jsonl"
        raise RunError(f"{path} holds no complete record yet ({path.stat().st_size:,} bytes).")
    frame = _stack(pieces).drop_duplicates("id", keep="last", ignore_index=True)
    frame["run"] = frame["run"].cat.rename_categories([name])
    backend = read_json(run, "manifest.json").get("backend")
    frame["double"] = frame["backend"].isin(DOUBLES) | (isinstance(backend, dict) and backend.get("double") is True)
    return frame


def _piece(rows: list[dict[str, Any]], run: Path, nested: bool) -> pd.DataFrame:
    import pandas as pd

    variants = sorted({f"variant.{name}" for row in rows for name in row["variant"]})
    columns = {name: _series([row.get(name) for row in rows], name, run) for name in COLUMNS}
    for name in (*variants, *(NESTED if nested else ())):
        columns[name] = pd.Series([row.get(name) for row in rows], dtype=object)
    return pd.DataFrame(columns)


def _series(values: list[Any], column: str, run: Path) -> pd.Series[Any]:
    import pandas as pd

    dtype = COLUMNS[column][0]
    try:
        if column == "outcome":
            return pd.Series(pd.Categorical(values, categories=_OUTCOMES))
        if dtype == "bool":
            return pd.Series([bool(value) for value in values])
        if dtype in ("str", "category"):
            return pd.Series(["" if value is None else str(value) for value in values], dtype=dtype)
        if dtype.startswith("datetime"):
            return pd.Series(pd.to_datetime(values, utc=True, format="ISO8601")).dt.as_unit("us")
        return pd.Series(values, dtype=dtype)
    except (TypeError, ValueError, OverflowError) as error:
        path = run / "records.jsonl"
        raise RunError(f"{path} is damaged: column {column!r} does not hold {dtype} values ({error}).") from error


def _stack(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """One frame of many; text that repeats stays a category, which `concat` alone gives up."""
    import pandas as pd

    stacked = pd.concat(list(frames), ignore_index=True)
    for name in (name for name, (dtype, _) in COLUMNS.items() if dtype == "category" and name != "outcome"):
        stacked[name] = stacked[name].astype("category")
    return stacked
