"""What became of samples: shares of each outcome."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from longctx.columns import OUTCOMES
from longctx.stats.cells import asked, keys

if TYPE_CHECKING:
    import pandas as pd


def outcomes(frame: pd.DataFrame, by: Sequence[str] = ("length",)) -> pd.DataFrame:
    """Counts and shares of every outcome in each group, failed calls among them.

    Returns:
        The columns of `by`, ``outcome`` (all of `longctx.types.Outcome`, in its order, zeros too), ``count``, ``n``
        (samples of the group, errors included) and ``share`` (count / n; they add up to 1).
    """
    import pandas as pd

    part = frame if "control" in by else asked(frame)
    work = keys(part, by)
    kinds = pd.Categorical(part["outcome"].astype(str), categories=list(OUTCOMES))
    names = list(by)
    if not names:
        counts = pd.Series(kinds).value_counts(sort=False).rename_axis("outcome").rename("count").reset_index()
        return counts.assign(n=len(part), share=counts["count"] / max(len(part), 1))
    # only the outcomes are filled up: groups that do not exist stay out
    wide = work.assign(outcome=kinds.astype(str), **{"n ": 1})
    table = wide.pivot_table(index=names, columns="outcome", values="n ", aggfunc="sum", observed=True, dropna=False)
    table = table.reindex(columns=list(OUTCOMES)).fillna(0).astype(int)
    table.columns.name = "outcome"
    stacked: Any = table.stack()
    long: pd.DataFrame = stacked.rename("count").reset_index()
    total = long.groupby(names, observed=True, dropna=False)["count"].transform("sum")
    long["outcome"] = pd.Categorical(long["outcome"], categories=list(OUTCOMES))
    return long.assign(n=total, share=long["count"] / total)
