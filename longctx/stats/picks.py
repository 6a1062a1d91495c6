"""Which distractors are given for the answer: tiers, and whether nearer or later ones are preferred."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from longctx.stats.cells import answered, clusters

if TYPE_CHECKING:
    import pandas as pd

_RESAMPLES = 9_999


def picks(frame: pd.DataFrame) -> pd.DataFrame:
    """How often a distractor of each tier was given: ``tier``, ``n`` answers with such distractors, ``picked``."""
    import pandas as pd

    asked = answered(frame)
    asked = asked[asked["n_distractors"].fillna(0) > 0]
    picked = asked[asked["outcome"] == "distractor"]
    named = asked["variant.tier"].fillna("template") if "variant.tier" in asked else pd.Series("template", asked.index)
    n = named.astype(str).value_counts()
    given = picked["picked_tier"].astype(str).value_counts()
    tiers = sorted(set(n.index) | set(given[given > 0].index) - {""})
    return pd.DataFrame(
        {"tier": tiers, "n": [int(n.get(t, 0)) for t in tiers], "picked": [int(given.get(t, 0)) for t in tiers]}
    )


def preference(frame: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Whether nearer or later distractors are given more often than chance would choose them.

    Among the k distractors of a sample, chance would pick each with 1/k. The picked one's rank, by distance to the
    needle or by place in the haystack, is (rank - ½)/k with mean ½ and variance (k² - 1)/(12 k²) then; ranks are
    compared within a sample, so that where distractors stand does not matter. The test draws ranks by chance 9,999
    times. Samples with one distractor say nothing. One sample of each cluster counts, see `cells.clusters`.

    Returns:
        Two rows, ``which`` = ``nearer`` and ``later``: ``n`` picks that say something, ``share``: how often the picked
        one stands nearer (later) than another one of the same sample taken at random, ½ by chance, with ``low`` and
        ``high``, and ``p``.
    """
    import pandas as pd

    picked = answered(frame)
    picked = picked[(picked["outcome"] == "distractor") & (picked["n_distractors"].fillna(0) > 1)]
    picked = picked[~picked.assign(**{"cluster ": clusters(picked)}).duplicated(["run", "cluster "])]
    rows = []
    for which, column in (("nearer", "picked_nearness"), ("later", "picked_lateness")):
        known = picked.dropna(subset=[column])
        ranks = known[column].to_numpy(dtype=float)
        counts = known["n_distractors"].to_numpy(dtype=np.int64)
        rows.append({"which": which, **chance_test(ranks, counts, level)})
    return pd.DataFrame(rows, columns=["which", "n", "share", "low", "high", "p"])


def chance_test(ranks: Any, counts: Any, level: float = 0.95) -> dict[str, Any]:
    """One row of `preference`: how often picks stand nearer (later) than others of their sample, against chance.

    Args:
        ranks: (n,) (rank - ½) / k of each pick.
        counts: (n,) k, at least 2.
        level: confidence, 0-1.
    """
    from scipy import stats

    if not len(ranks):
        return {"n": 0}
    beaten = (ranks * counts - 0.5) / (counts - 1)  # of the k - 1 others, rank - 1 stand farther (earlier)
    rng = np.random.default_rng(0)
    drawn = np.floor(rng.random((_RESAMPLES, len(counts))) * counts) / (counts - 1)
    chance = drawn.mean(axis=1)
    seen = abs(beaten.mean() - 0.5)
    p = (1 + int((np.abs(chance - 0.5) >= seen - 1e-12).sum())) / (1 + _RESAMPLES)
    found: dict[str, Any] = {"n": len(beaten), "share": float(beaten.mean()), "p": p}
    if len(beaten) > 1 and np.ptp(beaten) > 0:
        interval = stats.ttest_1samp(beaten, 0.5).confidence_interval(level)
        found |= {"low": max(float(interval.low), 0.0), "high": min(float(interval.high), 1.0)}
    return found
