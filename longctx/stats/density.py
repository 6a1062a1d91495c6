"""What distractors cost: accuracy at each density and tier, and the density that halves the odds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from longctx.stats.cells import answered, cells
from longctx.stats.model import fit, too_few

if TYPE_CHECKING:
    import pandas as pd


def tiers(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Tier → its samples, those without any distractor among each: they are the same for all."""
    if "variant.tier" not in frame:
        return {"template": frame}
    without = frame["density_asked"].fillna(0) == 0
    named = frame["variant.tier"].fillna("template").astype(str)
    return {tier: frame[without | (named == tier)] for tier in sorted(named.unique())}


def by_tier(frame: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """`cells` by tier and density."""
    import pandas as pd

    parts = tiers(answered(frame))
    tables = [cells(part, ["density"], level).assign(tier=tier) for tier, part in parts.items()]
    found = pd.concat(tables, ignore_index=True)
    return found[["tier", *(name for name in found if name != "tier")]]


def halving(frame: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """The density that halves the odds of a right answer, for each tier.

    From the logistic model with length and depth beside the density, clustered by haystack: ln 2 over the
    coefficient. The interval is that of the coefficient, turned over: it is open (infinite) where no effect, or a
    helpful one, is within it.

    Returns:
        ``tier``, ``density`` (distractors per 10K tokens; infinite where distractors do no harm), ``low``, ``high``,
        ``p`` of no effect, and ``why_not``: why it could not be estimated.
    """
    import pandas as pd
    from scipy import stats

    rows: list[dict[str, Any]] = []
    for tier, part in tiers(answered(frame)).items():
        model = fit(part, ["length", "depth", "depth2", "density"])
        if model is None or "density" not in model.columns:
            why = "all answers have the same score, or there are too few" if model is None else ""
            rows.append({"tier": tier, "why_not": why or (model.left_out["density"] if model else "")})
            continue
        place = model.columns.index("density")
        if few := too_few(model):
            slope = -model.beta[place]
            rows.append({"tier": tier, "density": float(np.log(2) / slope) if slope > 0 else np.inf, "why_not": few})
            continue
        slope, error = model.beta[place], np.sqrt(model.cov[place, place])
        reach = stats.t.ppf((1 + level) / 2, model.df) * error
        harm = [-value for value in (slope - reach, slope, slope + reach)]  # most, estimated, least
        low, middle, high = (float(np.log(2) / value) if value > 0 else np.inf for value in harm)
        p = float(2 * stats.t.sf(abs(slope) / error, model.df)) if error else float("nan")
        rows.append({"tier": tier, "density": middle, "low": low, "high": high, "p": p})
    columns = ["tier", "density", "low", "high", "p", "why_not"]
    return pd.DataFrame([{"why_not": "", **row} for row in rows], columns=columns)
