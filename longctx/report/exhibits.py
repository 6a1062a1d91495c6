"""What the report's page lists: cells, outcomes, failed calls, settings, documents read."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from longctx import stats
from longctx.errors import UsageError
from longctx.textmap import depth_labels, length_labels
from longctx.units import percent

if TYPE_CHECKING:
    import pandas as pd

MOST_FAILURES = 50  # different messages
MOST_FILES = 300  # named for each corpus and status

OUTCOMES = {
    "right": "as scored",
    "partial": "right in part, as scored",
    "wrong": "another answer",
    "distractor": "the value of a distractor",
    "absent": "said not to be there, though it is",
    "invented": "something was answered, though it is not there",
    "refused": "declined to answer",
    "truncated_thinking": "the output budget ended before the thinking did",
    "truncated": "the output budget ended before a right answer",
    "empty": "no output",
    "bad_format": "no answer of the form that is scored",
    "error": "the call failed: no answer, in no accuracy",
}

Row = dict[str, Any]


def labelled(found: pd.DataFrame) -> list[Row]:
    """Cells as rows, with lengths and depths as they are written on the figures."""
    rows = stats.rows(found)
    for axis, labels in (("length", length_labels), ("depth", depth_labels)):
        if axis in found:
            values: Any = found[axis].dropna().unique().tolist()
            names = dict(zip(values, labels(values), strict=True))
            for row in rows:
                row[axis] = names.get(row[axis], "none")
    for row in rows:
        if row.get("density") is not None:
            row["density"] = f"{row['density']:g}"
    return rows


def margin(frame: pd.DataFrame, axis: str) -> list[Row]:
    """Cells of one axis, with the median seconds to the first and to the last token."""
    answered = frame[frame["outcome"] != "error"]
    times = answered.groupby(stats.ASKED[axis])[["ttft_s", "total_s"]].median()
    return labelled(stats.cells(frame, [axis]).merge(times, how="left", left_on=axis, right_index=True))


def outcomes(frame: pd.DataFrame) -> list[Row]:
    """How many samples came to each outcome, and what it means."""
    counts = frame["outcome"].value_counts(sort=False)
    return [{"name": name, "n": int(counts[name]), "what": what} for name, what in OUTCOMES.items() if counts[name]]


def tests(frame: pd.DataFrame, accuracy: float) -> list[tuple[str, Any]]:
    """Effective lengths, effects and tests: heading and table each, or in place of the table why there is none."""
    varied = frame["density_asked"].nunique() > 1
    parts: list[tuple[str, Callable[[], pd.DataFrame]]] = [
        ("Effective length, tokens", lambda: _effective(frame, accuracy)),
        ("Position, percentage points", lambda: stats.lost_in_the_middle(frame)),
        ("Logistic model, percentage points", lambda: stats.effects(frame)),
        *([("Distractors per 10K tokens that halve the odds", lambda: _halving(frame))] if varied else []),
    ]
    if frame["n_distractors"].gt(0).any():
        parts.append(("Distractors that were given for the answer", lambda: stats.picks(frame)))
    if frame["outcome"].eq("distractor").any():
        parts.append(("Which of its distractors an answer picks: nearer, later ones?", lambda: stats.preference(frame)))
    found: list[tuple[str, Any]] = []
    for heading, make in parts:
        try:
            found.append((heading, make()))
        except UsageError as error:
            found.append((heading, str(error)))
    return found


def _halving(frame: pd.DataFrame) -> pd.DataFrame:
    """Densities are neither shares nor points: they have columns of their own."""
    found = stats.halving(frame).rename(columns={"density": "halved at", "low": "from", "high": "to"})
    limits = {name: [_plain(value) for value in found[name]] for name in ("halved at", "from", "to")}
    return found.assign(**limits)


def _plain(value: float) -> str:
    return "–" if math.isnan(value) else "at none" if value == math.inf else f"{value:.3g}"


_RULES = {
    "ruler": "RULER's thirteen tasks",
    "nolima": "NoLiMa: 0.85 of the base score",
    "threshold": "the asked accuracy",
}


def _effective(frame: pd.DataFrame, accuracy: float) -> pd.DataFrame:
    import pandas as pd

    lengths = [stats.nolima(frame), stats.threshold(frame, accuracy)]
    with contextlib.suppress(UsageError):
        lengths.insert(0, stats.ruler(frame))
    if len(lengths[-1].lengths) < 2:
        raise UsageError("One length was asked; an average that falls with the length takes two.")

    def tokens(value: float | None) -> str:
        return "–" if value is None else "open" if value in (0, math.inf) else f"{value:,.0f}"

    return pd.DataFrame(
        {
            "rule": _RULES[one.rule],
            "threshold": f"{percent(one.threshold, 1)} %",
            "longest tested length": "none" if one.length is None else tokens(one.length),
            "falls below at": tokens(one.crossing),
            "95 % interval": f"{tokens(one.low)} to {tokens(one.high)}",
        }
        for one in lengths
    )


def failures(frame: pd.DataFrame) -> list[Row]:
    """Failed calls by message: how many, at which lengths, and the first sample's id; the commonest first."""
    rows = []
    for message, part in frame.groupby("error"):
        lengths = length_labels(sorted(part["length_asked"].unique()))
        rows.append({"error": message, "n": len(part), "lengths": ", ".join(lengths), "id": part["id"].iloc[0]})
    return sorted(rows, key=lambda row: -row["n"])


def settings(manifest: Mapping[str, Any]) -> list[Row]:
    """The manifest's facts, flat, by section, single ones first. The plan stands elsewhere on the page."""
    nested = {name: value for name, value in manifest.items() if isinstance(value, dict | list) and name != "plan"}
    single = {name: value for name, value in manifest.items() if name not in nested and name != "plan"}
    order = ("backend", "yarn", "sampling", "tokenizer", "hardware", "packages")
    names = sorted(nested, key=lambda name: order.index(name) if name in order else len(order))
    sections = {"run": single, **{name: nested[name] for name in names}}
    return [{"name": name, "facts": list(_flat(facts, ""))} for name, facts in sections.items() if facts]


def corpora(read: Mapping[str, Any]) -> list[Row]:
    """Each corpus: its facts, and its files by what became of them, those with a reason first."""
    found = []
    for name, facts in read.items():
        facts = facts if isinstance(facts, dict) else {}
        files = [file for file in facts.get("files") or () if isinstance(file, dict)]
        groups = []
        for status in ("skipped", "partly read", "read"):
            part = [file for file in files if file.get("status") == status]
            groups.append({"status": status, "n": len(part), "files": part[:MOST_FILES]})
        others = {key: value for key, value in facts.items() if key != "files"}
        found.append({"name": name, "facts": list(_flat(others, "")), "n": len(files), "groups": groups})
    return found


def _flat(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """Nested settings as pairs of a dotted name and a text."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for number, inner in enumerate(value, 1):
            yield from _flat(inner, f"{name}.{number}" if name else str(number))
    elif value in ("", [], {}):
        yield name, "–"
    elif isinstance(value, bool) or value is None:
        yield name, {True: "yes", False: "no", None: "none"}[value]
    elif isinstance(value, int):
        yield name, f"{value:,}" if value >= 10_000 else str(value)
    else:
        yield name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
