"""Accuracies with their intervals. Errors are no answers: they are counted, and never averaged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from longctx.errors import UsageError, unknown

if TYPE_CHECKING:
    import pandas as pd

ASKED = {"length": "length_asked", "depth": "depth_asked", "density": "density_asked"}
"""What `by` means: samples are grouped by what was asked; measured values differ from sample to sample."""

TEXTS = ("id", "question", "target", "output_text", "explanation", "error", "sha256", "needle_text")
"""Columns that nobody groups by."""

Array = npt.NDArray[np.float64]


def wilson(right: npt.ArrayLike, n: npt.ArrayLike, level: float = 0.95) -> tuple[Array, Array]:
    """Wilson score interval of shares (Wilson 1927), as statsmodels computes it.

    Args:
        right: number of right answers, each 0 to n. A sum of scores between 0 and 1 is allowed: the
            interval is then wide enough, as no score in 0-1 varies more than right and wrong do.
        n: numbers of answers, of the same shape; where it is 0, the interval is missing (NaN).
        level: confidence, 0-1.
    """
    from statsmodels.stats.proportion import proportion_confint

    count, total = np.broadcast_arrays(np.asarray(right, dtype=float), np.asarray(n, dtype=float))
    low, high = np.full(total.shape, np.nan), np.full(total.shape, np.nan)
    some = total > 0
    if some.any():
        low[some], high[some] = proportion_confint(count[some], total[some], alpha=1 - level, method="wilson")
    low[some & (count == 0)], high[some & (count == total)] = 0, 1  # exactly, where rounding would miss by 1e-16
    return low, high


def bootstrap(scores: Array, level: float = 0.95) -> tuple[float, float]:
    """Bootstrap interval (BCa, 2,000 resamples, fixed seed) of the mean of fractional scores.

    Fewer than three scores or equal ones say nothing about their spread: then the Wilson interval of
    their sum holds, which is the widest that scores between 0 and 1 allow.
    """
    if len(scores) < 3 or np.ptp(scores) == 0:
        low, high = wilson([scores.sum()], [len(scores)], level)
        return float(low[0]), float(high[0])
    import scipy.stats

    found = scipy.stats.bootstrap(
        (scores,),
        np.mean,
        n_resamples=2000,
        batch=max(1, 4_000_000 // len(scores)),
        confidence_level=level,
        method="BCa",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(max(found.low, 0)), float(min(found.high, 1))


def cells(frame: pd.DataFrame, by: Sequence[str] = ("length", "depth"), level: float = 0.95) -> pd.DataFrame:
    """Accuracy of each group of samples.

    Args:
        frame: from `longctx.table.load`.
        by: columns to group by; ``length``, ``depth`` and ``density`` mean the asked values. Nothing
            gives one row over all samples.
        level: confidence of the intervals, 0-1.

    Returns:
        The columns of `by`, then ``n`` (answers, errors left out), ``right`` (sum of their scores), ``accuracy``
        (right / n, missing where n is 0), ``low`` and ``high`` (Wilson interval where all scores are 0
        or 1, else `bootstrap`; samples count as independent), and how many were ``partial`` (scores between 0
        and 1), ``truncated``, ``empty`` (all among n) and ``errors`` (not among n).

    Raises:
        UsageError: `by` names no column to group by, or one twice.
    """
    names = list(by)
    for name in names:
        if name not in groupable(frame):
            raise UsageError(unknown("column", name, groupable(frame)))
    if len(set(names)) < len(names):
        raise UsageError(f"A column is named twice: {', '.join(names)}.")
    work = frame[[ASKED.get(name, name) for name in names]].set_axis(names, axis=1)
    work = work.assign(
        **{
            "n ": frame["outcome"] != "error",  # the blank keeps apart from columns of `by`
            "right ": frame["score"],
            "partial ": ~frame["score"].isin((0, 1)) & frame["score"].notna(),
            "truncated ": frame["outcome"] == "truncated",
            "empty ": frame["outcome"] == "empty",
            "errors ": frame["outcome"] == "error",
        }
    )
    groups = work.groupby(names or np.zeros(len(work)), observed=True, dropna=False, sort=True)
    found = groups.sum().rename(columns=str.strip)
    found = found.reset_index() if names else found.reset_index(drop=True)
    found.insert(len(names) + 2, "accuracy", found["right"] / found["n"].where(found["n"] > 0))
    low, high = wilson(found["right"].to_numpy(), found["n"].to_numpy(), level)
    if found["partial"].any():
        for place, scores in enumerate(group.dropna().to_numpy() for _, group in groups["right "]):
            if found["partial"].iloc[place]:
                low[place], high[place] = bootstrap(scores, level)
    found.insert(len(names) + 3, "low", low)
    found.insert(len(names) + 4, "high", high)
    return found


def groupable(frame: pd.DataFrame) -> list[str]:
    """Columns that samples can be grouped by."""
    hidden = {*TEXTS, "score", "needles", "co_needles", "distractors", "variant", "recipe", "targets"}
    return [*ASKED, *(name for name in frame.columns if name not in hidden and name not in ASKED)]


def summary(frame: pd.DataFrame) -> dict[str, Any]:
    """The headline's numbers as JSON values.

    Returns:
        The numbers of `cells` over all samples;
        ``lengths`` and ``depths`` that were asked; ``best`` and ``worst``: for ``length`` and ``depth`` the same
        numbers of the best and the worst one (missing where there is only one).
    """
    found: dict[str, Any] = rows(cells(frame, []))[0]
    for axis in ("length", "depth"):
        margin = cells(frame, [axis]).dropna(subset=[axis, "accuracy"])
        found[f"{axis}s"] = sorted(frame[ASKED[axis]].dropna().unique().tolist())
        for word, ascending in (("best", False), ("worst", True)):
            place = found.setdefault(word, {})
            if len(margin) > 1:
                place[axis] = rows(margin.sort_values("accuracy", ascending=ascending, kind="stable").head(1))[0]
    return found


def rows(found: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as dictionaries of plain values; what is missing is None."""
    plain = found.astype(object).where(found.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in plain]
