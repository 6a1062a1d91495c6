"""Intervals of a mean score: Wilson's, the same for answers that share a haystack, and the bootstrap."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[Any]

RESAMPLES = 2000


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


def bootstrap(scores: Array, groups: Codes | None = None, level: float = 0.95) -> tuple[float, float]:
    """Bootstrap interval (BCa, 2,000 resamples, fixed seed) of the mean of fractional scores.

    Fewer than three scores or equal ones say nothing about their spread: then the Wilson interval of
    their sum holds, which is the widest that scores between 0 and 1 allow.

    Args:
        scores: (n,) each 0-1.
        groups: (n,) number of the haystack of each; whole haystacks are resampled. None: all independent.
        level: confidence, 0-1.
    """
    sums: Codes = scores
    sizes: Codes = np.ones(len(scores))
    if groups is not None:
        _, codes = np.unique(groups, return_inverse=True)
        sums, sizes = np.bincount(codes, scores), np.bincount(codes).astype(float)
    if len(sums) < 3 or np.ptp(sums / sizes) == 0:
        low, high = wilson([scores.mean() * len(sums)], [len(sums)], level)
        return float(low[0]), float(high[0])
    import scipy.stats

    def mean(sums: Array, sizes: Array, axis: int = -1) -> Array:
        return np.asarray(sums.sum(axis) / sizes.sum(axis))

    found = scipy.stats.bootstrap(
        (sums, sizes),
        mean,
        n_resamples=RESAMPLES,
        batch=max(1, 4_000_000 // len(sums)),
        paired=True,
        vectorized=True,
        confidence_level=level,
        method="BCa",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(max(found.low, 0)), float(min(found.high, 1))


def design_effects(cell: Codes, group: Codes, scores: Codes) -> tuple[Array, Array]:
    """How much wider sharing haystacks makes an interval, for each cell.

    The design effect is the variance of the mean by the linearised between-haystack formula,
    G/(G-1) Σ(s_g - p n_g)² / n², over that of independent answers with the same spread; it is taken to be at least 1.
    Where it cannot be estimated (one haystack, or all answers alike), answers of one haystack are taken to stand and
    fall together: the design effect is n / G.

    Args:
        cell: (n,) number of each sample's cell, 0 … C - 1; all numbers occur.
        group: (n,) number of its haystack.
        scores: (n,) each 0-1.

    Returns:
        Haystacks and design effect of each cell, both (C,). The effect is 1 where no haystack is shared.
    """
    import pandas as pd

    cells = int(cell.max()) + 1 if len(cell) else 0
    place, pairs = pd.factorize(cell * (int(group.max(initial=0)) + 1) + group, sort=True)
    owner = pairs // (int(group.max(initial=0)) + 1)
    sizes, sums = np.bincount(place), np.bincount(place, scores)
    n, haystacks = np.bincount(cell, minlength=cells), np.bincount(owner, minlength=cells)
    mean = np.bincount(cell, scores, cells) / n
    spread = np.bincount(cell, (scores - mean[cell]) ** 2, cells)
    between = np.bincount(owner, (sums - mean[owner] * sizes) ** 2, cells)
    with np.errstate(divide="ignore", invalid="ignore"):
        effect = haystacks / (haystacks - 1) * between / (n / (n - 1) * spread)
    together = n / haystacks
    effect = np.where(np.isfinite(effect), np.maximum(effect, 1), together)
    return haystacks.astype(float), np.where(haystacks == n, 1.0, effect)


def effective_n(n: Array, haystacks: Array, effect: Array, level: float = 0.95) -> Array:
    """Independent answers that say as much as `n` answers over shared haystacks do.

    n over the design effect, times (z / t)², t with as many degrees of freedom as haystacks less one: the effect is
    itself an estimate (Korn & Graubard 1998; with Wilson's interval: Franco, Little, Louis & Slud 2019). Where the
    effect could not be estimated, the number of haystacks; and `n` itself where none is shared.
    """
    from scipy import stats

    tail = (1 + level) / 2
    shrunk = (stats.norm.ppf(tail) / stats.t.ppf(tail, np.maximum(haystacks - 1, 1))) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        together = effect == n / haystacks
    return np.where(haystacks == n, n, np.where(together, haystacks, n / effect * shrunk))
