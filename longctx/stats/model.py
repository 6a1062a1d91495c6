"""A logistic model of scores, its errors clustered by haystack or seed, and its effects in percentage points.

Fitted by statsmodels. What cannot be estimated is named and left out: columns that do not vary, columns that say the
same as others, and columns that tell right from wrong without a miss (separation), whose effect has no finite size.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from longctx.stats.cells import FEW, answered, clusters
from longctx.stats.intervals import Array

if TYPE_CHECKING:
    import pandas as pd

REFERENCE = {"tier": "template"}


@dataclass(frozen=True, slots=True)
class Model:
    """A fitted logistic model.

    Attributes:
        columns: names of the coefficients, ``intercept`` first.
        beta: (k,) coefficients, log odds.
        cov: (k, k) their covariance, clustered, see `cells.clusters`.
        df: degrees of freedom of the t distribution for intervals: clusters less one.
        n: answers.
        clusters: haystacks, or seeds where several lengths or densities ask about the same facts.
        left_out: column → why it is not in the model.
        design: data frame of predictors → (n, k) matrix.
        data: (n, …) predictors that it was fitted to.
    """

    columns: tuple[str, ...]
    beta: Array
    cov: Array
    df: float
    n: int
    clusters: int
    left_out: Mapping[str, str]
    design: Callable[[pd.DataFrame], Array] = field(repr=False)
    data: pd.DataFrame = field(repr=False)

    def share(self, **changed: float) -> tuple[float, Array]:
        """Mean predicted score with some predictors set to a value for all samples, and its gradient."""
        matrix = self.design(self.data.assign(**changed))
        p = 1 / (1 + np.exp(-matrix @ self.beta))
        return float(p.mean()), (p * (1 - p)) @ matrix / len(p)

    def difference(self, high: Any, low: Any, level: float = 0.95) -> dict[str, float]:
        """Difference of two `share` results (or weighted sums of such) with its interval, and a test that it is 0.

        With fewer than eight clusters there is neither: the sandwich is far too narrow then (Cameron & Miller 2015).
        """
        from scipy import stats

        value, gradient = high[0] - low[0], high[1] - low[1]
        if self.clusters < FEW:
            return {"points": 100 * value}
        error = float(np.sqrt(max(gradient @ self.cov @ gradient, 0.0)))
        reach = float(stats.t.ppf((1 + level) / 2, self.df)) * error
        p = float(2 * stats.t.sf(abs(value) / error, self.df)) if error else float("nan")
        return {"points": 100 * value, "low": 100 * (value - reach), "high": 100 * (value + reach), "p": p}


def too_few(model: Model) -> str:
    """Why a model has no intervals; empty where it has."""
    if model.clusters >= FEW:
        return ""
    return f"{model.clusters} clusters (haystacks, or seeds whose facts recur) are too few for an interval; {FEW} do"


def predictors(frame: pd.DataFrame) -> pd.DataFrame:
    """What a score may depend on, of answered samples: a column each, categories as 0/1 beside their commonest value.

    ``length``: log₂ of the asked tokens; ``depth`` and ``depth2``: measured from the middle, -0.5 to 0.5, and squared;
    ``density``: distractors per 10,000 tokens, as asked; ``tier=…`` × whether there are distractors; ``format=…``.
    """
    import pandas as pd

    depth = frame["depth_asked"].fillna(frame["depth"]).to_numpy(dtype=float) - 0.5
    columns: dict[str, Any] = {
        "length": np.log2(frame["length_asked"].to_numpy(dtype=float)),
        "depth": depth,
        "depth2": depth**2,
        "density": frame["density_asked"].fillna(0).to_numpy(dtype=float),
    }
    if "variant.tier" in frame:
        tiers = frame["variant.tier"].fillna("template").astype(str)
        for tier in sorted(set(tiers) - {"template" if "template" in set(tiers) else min(tiers)}):
            columns[f"tier={tier}"] = ((tiers == tier).to_numpy() & (columns["density"] > 0)).astype(float)
    formats = frame["host_format"].astype(str) if "host_format" in frame else pd.Series("", frame.index)
    commonest = formats.value_counts().sort_index(kind="stable").idxmax()
    for name in sorted(set(formats) - {commonest, ""}):
        columns[f"format={name}"] = (formats == name).to_numpy(dtype=float)
    return pd.DataFrame(columns, index=frame.index)


def fit(frame: pd.DataFrame, names: list[str] | None = None) -> Model | None:
    """Fit the model to the answered samples that have a depth; None where there is nothing to fit.

    Args:
        frame: from `longctx.table.load`.
        names: predictors; all by default.
    """
    asked = answered(frame)
    if asked.empty:
        return None
    data = predictors(asked)
    if names is not None:
        data = data[[name for name in names if name in data]]
    known = data.notna().all(axis=1)
    asked, data = asked[known], data[known]
    if len(data) < 3 or asked["score"].nunique() < 2:
        return None
    score, groups = asked["score"].to_numpy(dtype=float), np.unique(clusters(asked), return_inverse=True)[1]
    left_out: dict[str, str] = {}
    kept: list[str] = []
    for name in data:
        if data[name].nunique() < 2:
            left_out[str(name)] = "the same for all samples"
            continue
        matrix = np.column_stack([np.ones(len(data)), *(data[one] for one in [*kept, name])])
        if np.linalg.matrix_rank(matrix - np.r_[0, matrix[:, 1:].mean(0)]) < matrix.shape[1]:
            left_out[str(name)] = f"says nothing beside {', '.join(kept)}"
            continue
        kept.append(str(name))
    while kept and (culprit := _separating(data[kept], score)):
        left_out[culprit] = "tells right from wrong without a miss: its effect has no finite size (separation)"
        kept.remove(culprit)
    return _fitted(data, kept, score, groups, left_out)


def _fitted(data: pd.DataFrame, kept: list[str], score: Array, groups: Any, left_out: dict[str, str]) -> Model:
    import statsmodels.api as sm

    centre = {name: float(data[name].mean()) for name in kept if name in ("length", "density")}

    def design(frame: pd.DataFrame) -> Array:
        columns = [frame[name].to_numpy(dtype=float) - centre.get(name, 0.0) for name in kept]
        return np.column_stack([np.ones(len(frame)), *columns])

    units = int(groups.max()) + 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # convergence and separation are checked here
        result = sm.GLM(score, design(data), family=sm.families.Binomial()).fit(
            cov_type="cluster", cov_kwds={"groups": groups, "use_correction": units > 1}
        )
    return Model(
        columns=("intercept", *kept),
        beta=np.asarray(result.params),
        cov=np.asarray(result.cov_params()),
        df=float(max(units - 1, 1)),
        n=len(score),
        clusters=units,
        left_out=left_out,
        design=design,
        data=data,
    )


def _separating(data: pd.DataFrame, score: Array) -> str | None:
    """A column along which right and wrong are apart without a miss; None where there is none (Konis 2007).

    There is a direction b with x·b at least 0 for all that is right and at most 0 for all that is wrong, not 0 for
    all, exactly where the maximum likelihood has no finite place: a linear program finds one.
    """
    from scipy.optimize import linprog

    if ((score > 0) & (score < 1)).any():
        return None  # fractions pull the estimate from both sides
    signed = np.unique(
        np.column_stack([np.ones(len(data)), data.to_numpy(dtype=float)]) * np.where(score > 0, 1, -1)[:, None], axis=0
    )
    found = linprog(-signed.sum(0), A_ub=-signed, b_ub=np.zeros(len(signed)), bounds=(-1, 1), method="highs")
    if not found.success or -found.fun < 1e-7:
        return None
    weight = np.abs(found.x[1:]) * np.ptp(data.to_numpy(dtype=float), axis=0)
    return str(data.columns[int(weight.argmax())])
