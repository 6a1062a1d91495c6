"""Whose fault a wrong answer is, through controls: the same questions without a haystack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from longctx.errors import UsageError
from longctx.stats.cells import answered, cells

if TYPE_CHECKING:
    import pandas as pd

PARTS = {
    "right": "right, and not without the documents",
    "known": "right, but so it was without any document (leakage)",
    "unable": "wrong, and also with the needle alone: not the context's fault",
    "context": "wrong, though right with the needle alone: the context's fault",
}
"""Parts of an answer bar, from the bottom to the top."""

_SAME = ("run", "model", "task", "corpus", "question", "target")


def attribution(frame: pd.DataFrame, by: tuple[str, ...] = ("length",), level: float = 0.95) -> pd.DataFrame:
    """Shares of answers that each of `PARTS` accounts for.

    An answer's controls are those about the same question and the same right answer. Answers of which a control
    is missing, because it failed or because other facts had to be drawn for that haystack, are left out and counted.
    Right is a score of at least ½.

    Args:
        frame: from ``longctx.table.load(…, controls=True)``.
        by: columns to group by.
        level: confidence, 0-1.

    Returns:
        The columns of `by`, ``part``, ``n`` (answers with both controls), ``count``, ``share`` with ``low`` and
        ``high``, and ``unmatched`` (answers without).

    Raises:
        UsageError: there is no closed-book or no short control among the samples, or nothing beside controls.
    """
    import pandas as pd

    verdicts = {name: _verdicts(frame, name) for name in ("closed-book", "short")}
    for name, verdict in verdicts.items():
        if verdict.empty:
            raise UsageError(
                f"There is no {name} control among the samples. Ask for it in the sweep (--controls closed-book,short) "
                "and load the run with controls=True."
            )
    matched: Any = answered(frame)
    if matched.empty:
        raise UsageError("No answer to a sample with a haystack: controls alone say nothing about the context.")
    for name, column in (("closed-book", "closed "), ("short", "short ")):
        matched = matched.merge(verdicts[name].rename(column), how="left", left_on=_SAME, right_index=True)
    lacking = matched["closed "].isna() | matched["short "].isna()
    right = matched["score"] >= 0.5
    closed, short = matched["closed "].fillna(0) >= 0.5, matched["short "].fillna(0) >= 0.5
    masks = {"right": right & ~closed, "known": right & closed, "unable": ~right & ~short, "context": ~right & short}
    unmatched = cells(matched.assign(score=lacking.astype(float)), by, level)["right"].astype(int)
    tables = []
    for part, mask in masks.items():
        counted = cells(matched.assign(score=mask.astype(float))[~lacking], by, level)
        everywhere = cells(matched, by, level)[list(by)].assign(unmatched=unmatched)
        merged = everywhere.merge(counted, how="left", on=list(by)) if by else counted.assign(unmatched=unmatched)
        tables.append(merged.assign(part=part))
    found: pd.DataFrame = pd.concat(tables, ignore_index=True)
    found["n"], found["count"] = found["n"].fillna(0).astype(int), found["right"].fillna(0).astype(int)
    found = found.rename(columns={"accuracy": "share"})
    return found[[*by, "part", "n", "count", "share", "low", "high", "unmatched"]]


def controls(frame: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """`cells` of the controls, by task."""
    return cells(frame[frame["control"] != ""], ["control", "task"], level)


def _verdicts(frame: pd.DataFrame, control: str) -> pd.Series[Any]:
    asked = frame[(frame["control"] == control) & (frame["outcome"] != "error") & frame["score"].notna()]
    return asked.groupby(list(_SAME), observed=True)["score"].mean()
