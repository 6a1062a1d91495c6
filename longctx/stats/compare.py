"""Two runs over the same samples: which is better, by how much, and where they differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from longctx.errors import UsageError
from longctx.stats.cells import ASKED, answered, clusters, keys
from longctx.stats.intervals import Array, Codes

if TYPE_CHECKING:
    import pandas as pd

_CELL = ("task", "corpus", "length_asked", "depth_asked", "density_asked", "seed")


def pairs(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Answers of two runs to the same samples, side by side.

    Samples are the same by their id. Two models with different tokenizers have none in common: then samples of the
    same cell are taken, with the same question.

    Args:
        first: from `longctx.table.load`, of one run.
        second: the other's.

    Returns:
        The first's columns, with ``score``, ``outcome``, ``output_text`` of both as ``…_first`` and ``…_second``, and
        ``matched`` (``sample`` or ``cell``).

    Raises:
        UsageError: the runs have no answered sample in common, or several samples of one run are alike.
    """
    one, two = answered(first), answered(second)
    same, how = ["id"], "sample"
    if not set(one["id"]) & set(two["id"]):
        axes = sorted(str(n) for n in one if str(n).startswith("variant.") and n in two)
        same, how = [*_CELL, *axes, "question"], "cell"
    for part in (one, two):
        if part.duplicated(same).any():
            raise UsageError(f"A frame holds a {how} twice; give the frames of one run each.")
    kept = [*same, "score", "outcome", "output_text"]
    found = one.astype({n: object for n in same if one[n].dtype == "category"}).merge(
        two[kept].astype({n: object for n in same if two[n].dtype == "category"}),
        on=same,
        suffixes=("_first", "_second"),
    )
    if found.empty:
        raise UsageError("The two runs have no answered sample in common: they asked different cells or questions.")
    return found.assign(matched=how)


def compare(first: pd.DataFrame, second: pd.DataFrame, by: Sequence[str] = (), level: float = 0.95) -> pd.DataFrame:
    """Difference of two runs in each stratum.

    Args:
        first: from `longctx.table.load`, of one run.
        second: the other's.
        by: columns that make strata; none: one stratum.
        level: confidence, 0-1.

    Returns:
        The columns of `by`, ``n`` (samples that both answered), ``first`` and ``second`` (accuracies), ``only_first``
        and ``only_second`` (samples that only one has right; a score counts from ½), ``points`` (second less first,
        percentage points) with ``low`` and ``high``, ``p`` with ``test`` (``McNemar, mid-p``, or ``sign flips
        over clusters, mid-p`` where haystacks are shared, facts recur or scores are fractions, see `cells.clusters`),
        ``p_exact`` (of the exact McNemar test, where it applies), and ``p_holm``, p corrected for all strata.

    Raises:
        UsageError: as `pairs`.
    """
    import pandas as pd

    both = pairs(first, second)
    work = keys(both.rename(columns={"score_first": "score"}), by)
    order = work.groupby(list(by), observed=True, dropna=False, sort=True) if by else None
    places: list[tuple[Any, Any]] = (
        [((), np.arange(len(both)))] if order is None else [(v, np.asarray(i)) for v, i in order.indices.items()]
    )
    rows = []
    a, b = both["score_first"].to_numpy(dtype=float), both["score_second"].to_numpy(dtype=float)
    for values, inside in places:
        head = dict(zip(by, values if isinstance(values, tuple) else (values,), strict=True))
        rows.append({**head, **paired(a[inside], b[inside], clusters(both.iloc[inside]), level)})
    found = pd.DataFrame(rows)
    if by:
        found = found.sort_values(list(by), kind="stable", ignore_index=True)
    return found.assign(p_holm=holm(found["p"].to_numpy(dtype=float)))


def holm(p: Array) -> Array:
    """P-values corrected for how many tests there are, step down (Holm 1979).

    statsmodels' ``multipletests`` gives the same, and has Python collect its garbage at each call: in a process that
    holds a corpus or a large table this takes longer than all the rest of a comparison.

    Args:
        p: (n,) each 0-1.
    """
    order = np.argsort(p, kind="stable")
    corrected = np.empty(len(p))
    corrected[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1.0)
    return corrected


def paired(first: Array, second: Array, haystack: Codes, level: float = 0.95) -> dict[str, Any]:
    """One row of `compare` from two scores for each sample and its haystack.

    The interval is Bonett & Price's (2012): Wald's with one more sample that only the first has right and one that only
    the second has. Where haystacks are shared, the variance is that between haystacks.
    """
    from scipy import stats
    from statsmodels.stats.contingency_tables import mcnemar

    n = len(first)
    change = second - first
    only_first, only_second = int(((first >= 0.5) & (second < 0.5)).sum()), int(((first < 0.5) & (second >= 0.5)).sum())
    codes = np.unique(haystack, return_inverse=True)[1]
    sums, sizes = np.bincount(codes, change), np.bincount(codes)
    groups = len(sums)
    binary = bool(np.isin(first, (0, 1)).all() and np.isin(second, (0, 1)).all())
    centre = change.sum() / (n + 2)
    independent = (((change - centre) ** 2).sum() + (1 - centre) ** 2 + (1 + centre) ** 2) / (n + 2) ** 2
    variance, quantile = independent, stats.norm.ppf((1 + level) / 2)
    if groups < n:
        between = ((sums - centre * sizes) ** 2).sum()
        apart = groups / max(groups - 1, 1) * between / (n + 2) ** 2
        extra = ((1 - centre) ** 2 + (1 + centre) ** 2) / (n + 2) ** 2
        variance, quantile = max(apart + extra, independent), stats.t.ppf((1 + level) / 2, max(groups - 1, 1))
    elif not binary:
        quantile = stats.t.ppf((1 + level) / 2, max(n - 1, 1))
    reach = quantile * np.sqrt(variance)
    exact = None
    if binary and groups == n:
        exact = float(mcnemar([[0, only_first], [only_second, 0]], exact=True).pvalue)
        test, p = "McNemar, mid-p", _mid_p(exact, only_first, only_second)
    else:
        test, p = "sign flips over clusters, mid-p", _flips(sums)
    return {
        "n": n,
        "first": float(first.mean()),
        "second": float(second.mean()),
        "only_first": only_first,
        "only_second": only_second,
        "points": 100 * float(change.mean()),
        "low": 100 * max(float(centre - reach), -1.0),
        "high": 100 * min(float(centre + reach), 1.0),
        "p": p,
        "test": test,
        "p_exact": exact,
    }


def _mid_p(exact: float, only_first: int, only_second: int) -> float:
    """Of the exact two-sided p, half the probability of what was seen left out.

    The exact test rejects far less often than its level says, the mid-p test about as often (Fagerland, Lydersen &
    Laake 2013, BMC Medical Research Methodology 13:91).
    """
    from scipy import stats

    seen = stats.binom.pmf(only_first, only_first + only_second, 0.5)
    return min(exact - float(seen), 1.0) if only_first != only_second else 1.0


def _flips(sums: Codes) -> float:
    """Two-sided mid-p of the sum under random signs: if nothing differs, each cluster's change is as likely reversed.

    Sums of a few whole numbers are as coarse as counts: half of the draws that are as far from 0 as what was seen
    count, as in `_mid_p` (Lancaster 1961, of discrete tests in general).
    """
    from scipy import stats

    nonzero = sums[sums != 0]
    if len(nonzero) < 2:  # one change is as likely as its reverse
        return 1.0
    found = stats.permutation_test(
        (nonzero,),
        lambda x, axis=-1: x.sum(axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=9_999,
        batch=1_000,
        rng=np.random.default_rng(0),
    )
    drawn, seen = np.abs(found.null_distribution), abs(float(nonzero.sum()))
    beyond, same = (drawn > seen + 1e-9).sum(), (np.abs(drawn - seen) <= 1e-9).sum()
    seen_itself = 0 if len(drawn) == 2 ** len(nonzero) else 1  # all signs were tried, or what was seen is one more draw
    return float((beyond + (same + seen_itself) / 2) / (len(drawn) + seen_itself))


def flips(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Samples that one run has right and the other has not (a score counts from ½), by cell.

    Returns:
        Rows of `pairs` with ``flip``: ``lost`` (only the first has it right) or ``won``.
    """
    both = pairs(first, second)
    before, after = both["score_first"] >= 0.5, both["score_second"] >= 0.5
    moved = both[before != after]
    moved = moved.assign(flip=np.where(before[before != after], "lost", "won"))
    return moved.sort_values(["task", *ASKED.values()], kind="stable", ignore_index=True)
