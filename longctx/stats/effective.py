"""Effective length: how far an average stays above a threshold, as RULER and NoLiMa define it, with an interval.

The published definitions give one of the tested lengths. Its interval is that of the place where the average, drawn as
a line from each tested length to the next over log₂ length, crosses the threshold: a length is in the interval if the
average there does not differ significantly from the threshold (Fieller 1954).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from longctx.errors import UsageError
from longctx.ruler_table import TASKS as RULER_TASKS
from longctx.ruler_table import THRESHOLD as RULER_PERCENT
from longctx.ruler_table import average_of, score_of
from longctx.stats.cells import answered, clusters
from longctx.stats.intervals import Array

if TYPE_CHECKING:
    import pandas as pd

NOLIMA_SHARE = 0.85
NOLIMA_BASE = 1024  # tokens up to which lengths count as short
_STEPS = 400  # between two tested lengths


@dataclass(frozen=True, slots=True)
class EffectiveLength:
    """How far an average stays above a threshold.

    Attributes:
        rule: ``ruler``, ``nolima`` or ``threshold``.
        threshold: 0-1; for ``nolima`` 0.85 × the base score.
        base: for ``nolima`` the base score, 0-1; else None.
        base_lengths: for ``nolima`` the lengths that it is from.
        lengths: tested, ascending, tokens.
        averages: of the tasks' mean scores at each, 0-1.
        length: the longest tested length whose average is above the threshold; None where none is.
        crossing: tokens at which the line through the averages last falls to the threshold; None where it does not
            within the tested lengths.
        low: lower end of the interval of the crossing, tokens; 0: below the shortest length.
        high: upper end, tokens; infinity: beyond the longest.
        level: confidence, 0-1.
        tasks: averaged, each weighing the same.
    """

    rule: str
    threshold: float
    base: float | None
    base_lengths: tuple[int, ...]
    lengths: tuple[int, ...]
    averages: tuple[float, ...]
    length: int | None
    crossing: float | None
    low: float
    high: float
    level: float
    tasks: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values; an open upper end is None."""
        return {**asdict(self), "high": self.high if np.isfinite(self.high) else None}


def ruler(frame: pd.DataFrame, level: float = 0.95) -> EffectiveLength:
    """RULER's effective length: the longest whose average over the thirteen tasks is above 85.6 %.

    Scores and averages are rounded to two decimals of a percent, as `ruler_table` does. Lengths at which a task has no
    answer are left out.

    Raises:
        UsageError: at no length do all thirteen tasks have an answer.
    """
    return _effective(frame, "ruler", RULER_TASKS, RULER_PERCENT / 100, level)


def nolima(frame: pd.DataFrame, level: float = 0.95) -> EffectiveLength:
    """NoLiMa's effective length: the longest with an average of at least 0.85 × that of short contexts.

    The base is the mean over the tested lengths up to 1,024 tokens, or else the shortest tested length. The interval
    takes into account that the base is measured too.
    """
    return _effective(frame, "nolima", _tasks(frame), None, level)


def threshold(
    frame: pd.DataFrame, accuracy: float, tasks: Sequence[str] | None = None, level: float = 0.95
) -> EffectiveLength:
    """The longest length whose average over tasks (all of the frame by default) is above an accuracy, 0-1."""
    return _effective(frame, "threshold", tuple(tasks or _tasks(frame)), accuracy, level)


def _tasks(frame: pd.DataFrame) -> tuple[str, ...]:
    return tuple(sorted(map(str, answered(frame)["task"].unique())))


def _effective(
    frame: pd.DataFrame, rule: str, tasks: Sequence[str], threshold: float | None, level: float
) -> EffectiveLength:
    from scipy import stats

    asked = answered(frame)
    if asked.empty:
        raise UsageError("No answer to take an average of.")
    asked = asked[asked["task"].isin(tasks)]
    counts = asked.groupby(["length_asked", asked["task"].astype(str)]).size().unstack().reindex(columns=list(tasks))
    lengths = [int(length) for length in counts.index[counts.notna().all(axis=1)]]
    if not lengths:
        raise UsageError(f"No length has an answer for each of {len(tasks)} tasks: {', '.join(tasks)}.")
    asked = asked[asked["length_asked"].isin(lengths)]
    means, line, cov, df = _averages(asked, lengths, tasks)
    averages = means.mean(1)
    if rule == "ruler":  # its table and this must not differ by rounding
        averages = np.array([average_of([score_of(mean) for mean in row]) for row in means.tolist()]) / 100

    weights = np.zeros(len(lengths))
    base_lengths: list[int] = []
    if threshold is None:
        base_lengths = [length for length in lengths if length <= NOLIMA_BASE] or lengths[:1]
        weights[: len(base_lengths)] = NOLIMA_SHARE / len(base_lengths)
    at = float(weights @ averages) if threshold is None else threshold

    places, design = _line(lengths)
    contrast = design - weights
    above = design @ averages - at
    reach = stats.t.ppf((1 + level) / 2, df) if df else np.inf  # one seed says nothing about how seeds differ
    within = np.abs(contrast @ line - (0.0 if threshold is None else at)) <= reach * np.sqrt(
        np.einsum("ij,jk,ik->i", contrast, cov, contrast)
    )
    low, high, crossing = _crossing(places, above, within)
    met = above[:: _STEPS if len(lengths) > 1 else 1] > (-1e-12 if threshold is None else 1e-12)
    return EffectiveLength(
        rule=rule,
        threshold=at,
        base=at / NOLIMA_SHARE if threshold is None else None,
        base_lengths=tuple(base_lengths),
        lengths=tuple(lengths),
        averages=tuple(averages.tolist()),
        length=max((length for length, yes in zip(lengths, met, strict=True) if yes), default=None),
        crossing=crossing,
        low=low,
        high=high,
        level=level,
        tasks=tuple(tasks),
    )


def _averages(frame: pd.DataFrame, lengths: Sequence[int], tasks: Sequence[str]) -> tuple[Array, Array, Array, float]:
    """Means of each length and task; averages at each with a few answers added, their covariance, degrees of freedom.

    What is added, 2/m right and 2/m wrong answers to each of m means that a length's contrast uses, lets intervals of
    sums of binomial shares cover as they should (Price & Bonett 2004).
    """
    shape = len(lengths), len(tasks)
    place = np.searchsorted(lengths, frame["length_asked"].to_numpy(dtype=np.int64))
    which = frame["task"].astype(str).map({task: index for index, task in enumerate(tasks)}).to_numpy(dtype=np.int64)
    cell = place * shape[1] + which
    score = frame["score"].to_numpy(dtype=float)
    n, right = np.bincount(cell, minlength=shape[0] * shape[1]), np.bincount(cell, score, shape[0] * shape[1])
    added = 2 / (2 * shape[1])
    mean = (right + added) / (n + 2 * added)
    unit = np.unique(clusters(frame), return_inverse=True)[1]
    influence = np.zeros((unit.max() + 1, shape[0]))
    np.add.at(influence, (unit, place), ((score - mean[cell]) / (n + 2 * added)[cell]) / shape[1])
    groups = len(influence)
    cov = groups / max(groups - 1, 1) * influence.T @ influence
    extra = added * ((1 - mean) ** 2 + mean**2) / (n + 2 * added) ** 2 / shape[1] ** 2
    cov += np.diag(extra.reshape(shape).sum(1))
    return (right / n).reshape(shape), mean.reshape(shape).mean(1), cov, groups - 1


def _line(lengths: Sequence[int]) -> tuple[Array, Array]:
    """Places from the shortest to the longest length, and what each tested length weighs there."""
    if len(lengths) == 1:
        return np.array(lengths, float), np.ones((1, 1))
    steps = (np.arange(_STEPS * (len(lengths) - 1) + 1)) / _STEPS
    segment = np.minimum(steps.astype(int), len(lengths) - 2)
    share = steps - segment
    design = np.zeros((len(steps), len(lengths)))
    design[np.arange(len(steps)), segment] = 1 - share
    design[np.arange(len(steps)), segment + 1] += share
    return 2 ** (design @ np.log2(lengths)), design


def _crossing(places: Array, above: Array, within: Array) -> tuple[float, float, float | None]:
    high_enough = np.flatnonzero(above >= 0)
    crossing = None
    if len(high_enough) and high_enough[-1] + 1 < len(places):
        last = high_enough[-1]
        share = above[last] / (above[last] - above[last + 1])
        crossing = float(places[last] * (places[last + 1] / places[last]) ** share)
    found = places[within].tolist() + ([crossing] if crossing is not None else [])
    if not found:  # above or below everywhere, and significantly so
        return (float(places[-1]), np.inf, None) if above[0] > 0 else (0.0, float(places[0]), None)
    low = 0.0 if within[0] else min(found)
    high = np.inf if within[-1] else max(found)
    return float(low), float(high), crossing
