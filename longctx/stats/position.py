"""Where in the haystack an answer is missed: effects of position, and tests of "lost in the middle"."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from longctx.stats.cells import answered, clusters, keys
from longctx.stats.compare import holm
from longctx.stats.model import Model, fit, too_few

if TYPE_CHECKING:
    import pandas as pd

START, END = 0.1, 0.9
MIDDLE = (0.25, 0.75)
CONTRASTS = ("lost in the middle", "primacy", "recency")


def effects(frame: pd.DataFrame, level: float = 0.95, model: Model | None = None) -> pd.DataFrame:
    """Effects of the logistic model of `model.fit` in percentage points, each averaged over all samples.

    Args:
        frame: from `longctx.table.load`.
        level: confidence, 0-1.
        model: where it was fitted already.

    Returns:
        ``effect`` (``length doubled``; ``depth: middle against ends``, ``depth: end against start``; ``density: one
        more distractor per 10K tokens``; ``tier=…`` against template; ``format=…`` against the commonest), ``points``
        with ``low`` and ``high``, ``p``, and ``why_not``: for what could not be estimated, the reason; of points
        without an interval, that clusters are too few.
    """
    import pandas as pd

    found = fit(frame) if model is None else model
    rows: list[dict[str, Any]] = []
    if found is None:
        rows.append({"effect": "all", "why_not": "all answers have the same score, or there are too few"})
    else:
        few = too_few(found)
        rows += [{"effect": label, "why_not": few, **values} for label, values in _estimates(found, level)]
        rows += [{"effect": name, "why_not": why} for name, why in found.left_out.items()]
    columns = ["effect", "points", "low", "high", "p", "why_not"]
    return pd.DataFrame([{"why_not": "", **row} for row in rows], columns=columns)


def _estimates(model: Model, level: float) -> Any:
    for name in model.columns[1:]:
        if name in ("depth", "depth2"):
            continue
        if name in ("length", "density"):
            step = model.data[name] + 1
            label = "length doubled" if name == "length" else "density: one more distractor per 10K tokens"
            yield label, model.difference(_shifted(model, name, step), model.share(), level)
        else:
            yield name, model.difference(model.share(**{name: 1.0}), model.share(**{name: 0.0}), level)
    if "depth" in model.columns or "depth2" in model.columns:
        at = {depth: model.share(depth=depth - 0.5, depth2=(depth - 0.5) ** 2) for depth in (0.0, 0.5, 1.0)}
        ends = (at[0.0][0] + at[1.0][0]) / 2, (at[0.0][1] + at[1.0][1]) / 2
        if "depth2" in model.columns:
            yield "depth: middle against ends", model.difference(at[0.5], ends, level)
        if "depth" in model.columns:
            yield "depth: end against start", model.difference(at[1.0], at[0.0], level)


def _shifted(model: Model, name: str, values: pd.Series[Any]) -> Any:
    changed: Any = {name: values}
    return model.share(**changed)


def zones(frame: pd.DataFrame) -> pd.Series[Any]:
    """``start`` (depth up to 0.1), ``middle`` (0.25 to 0.75), ``end`` (from 0.9), or empty, of the asked depth."""
    import pandas as pd

    depth = frame["depth_asked"].fillna(frame["depth"]).to_numpy(dtype=float)
    names = np.select(
        [depth <= START, (depth >= MIDDLE[0]) & (depth <= MIDDLE[1]), depth >= END], ["start", "middle", "end"], ""
    )
    return pd.Series(names, index=frame.index)


def lost_in_the_middle(frame: pd.DataFrame, by: tuple[str, ...] = (), level: float = 0.95) -> pd.DataFrame:
    """Sizes and tests of "lost in the middle", primacy and recency.

    Lost in the middle: mean score of the two ends less that of the middle; primacy: start less middle; recency: end
    less middle. Where haystacks carry the needle to all of these places, each difference is taken within a haystack
    and the test is a paired t test over haystacks; otherwise Welch's t test over haystacks. Where several lengths or
    densities are pooled, seeds take the place of haystacks.

    Args:
        frame: from `longctx.table.load`.
        by: columns to test apart, for example ``("length",)``.
        level: confidence, 0-1.

    Returns:
        The columns of `by`, ``contrast`` (of `CONTRASTS`), ``points`` (percentage points; above 0 where it is there)
        with ``low`` and ``high``, ``p`` (two-sided), ``p_holm`` (corrected for all tests of the table, Holm 1979),
        ``design`` (``paired``, ``unpaired`` or ``not tested``) and ``clusters`` (haystacks, or seeds where the same
        facts recur, see `cells.clusters`).
    """
    import pandas as pd

    asked = answered(frame)
    work = keys(asked, by)
    work["zone "], work["score "], work["row "] = zones(asked), asked["score"], np.arange(len(asked))
    work = work[work["zone "] != ""]
    rows: list[dict[str, Any]] = []
    groups: Any = work.groupby(list(by), observed=True, sort=True) if by else [((), work)]
    for values, part in groups:
        part = part.assign(**{"block ": clusters(asked.iloc[part["row "]])})
        means = part.groupby(["block ", "zone "])["score "].mean().unstack().reindex(columns=["start", "middle", "end"])
        for contrast in CONTRASTS:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # scipy's, where all answers of a place are alike
                tested = _tested(means, contrast, level)
            rows.append({**dict(zip(by, values, strict=True)), "contrast": contrast, **tested})
    found = pd.DataFrame(rows, columns=[*by, "contrast", "points", "low", "high", "p", "design", "clusters"])
    known = found["p"].notna()
    found.insert(len(by) + 5, "p_holm", np.nan)
    if known.any():
        found.loc[known, "p_holm"] = holm(found.loc[known, "p"].to_numpy(dtype=float))
    return found


def _tested(means: pd.DataFrame, contrast: str, level: float) -> dict[str, Any]:
    from scipy import stats

    outside = {"lost in the middle": ["start", "end"], "primacy": ["start"], "recency": ["end"]}[contrast]
    edge = means[outside].mean(axis=1, skipna=False)
    paired = (edge - means["middle"]).dropna()
    if len(paired) >= 2:
        return {
            **_points(stats.ttest_1samp(paired, 0), paired.mean(), level),
            "design": "paired",
            "clusters": len(paired),
        }
    edge, middle = means[outside].mean(axis=1).dropna(), means["middle"].dropna()
    if len(edge) < 2 or len(middle) < 2 or means[outside].dropna(how="all").isna().all().any():
        return {"points": np.nan, "design": "not tested", "clusters": len(means)}
    test = stats.ttest_ind(edge, middle, equal_var=False)
    return {**_points(test, edge.mean() - middle.mean(), level), "design": "unpaired", "clusters": len(means)}


def _points(test: Any, size: float, level: float) -> dict[str, float]:
    """A t test's size, interval and p in percentage points; without any spread, a size of 0 has p = 1."""
    if not np.isfinite(test.pvalue):
        return {"points": 100 * size, "p": 1.0} if size == 0 else {"points": 100 * size}
    interval = test.confidence_interval(level)
    low, high = max(100 * interval.low, -100.0), min(100 * interval.high, 100.0)  # no shares differ by more
    return {"points": 100 * size, "low": low, "high": high, "p": float(test.pvalue)}
