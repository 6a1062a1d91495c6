"""Accuracy of each group of samples. Errors are no answers: they are counted, and never averaged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from longctx.columns import COLUMNS
from longctx.errors import UsageError, unknown
from longctx.stats.intervals import Codes, bootstrap, design_effects, effective_n, wilson

if TYPE_CHECKING:
    import pandas as pd

ASKED = {"length": "length_asked", "depth": "depth_asked", "density": "density_asked"}
"""What `by` means: samples are grouped by what was asked; measured values differ from sample to sample."""

TEXTS = ("id", "question", "target", "output_text", "answer_text", "explanation", "error", "sha256", "needle_text")
"""Columns that nobody groups by."""

FEW = 8
"""Clusters below which their spread is too uncertain for what has no exact correction for it."""

_HIDDEN = {*TEXTS, "score", "needles", "co_needles", "distractors", "variant", "recipe", "targets"}


def groupable(frame: pd.DataFrame) -> list[str]:
    """Columns that samples can be grouped by."""
    return [*ASKED, *(name for name in frame.columns if name not in _HIDDEN and name not in ASKED)]


def needed(by: Sequence[str]) -> list[str] | None:
    """Columns of the table that `cells` by these reads; None where that takes all: one is no documented column."""
    names = [ASKED.get(name, name) for name in by]
    if set(names) - (set(COLUMNS) - _HIDDEN):
        return None
    return [*names, "outcome", "score", "haystack", "corpus", "seed"]


def asked(frame: pd.DataFrame) -> pd.DataFrame:
    """The samples that are no controls."""
    return frame[frame["control"] == ""] if "control" in frame and (frame["control"] != "").any() else frame


def answered(frame: pd.DataFrame) -> pd.DataFrame:
    """The samples that are no controls and were answered."""
    frame = asked(frame)
    return frame[(frame["outcome"] != "error") & frame["score"].notna()]


def keys(frame: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """The columns of `by`, under these names.

    Raises:
        UsageError: `by` names no column to group by, or one twice.
    """
    names = list(by)
    for name in names:
        if name not in groupable(frame):
            raise UsageError(unknown("column", name, groupable(frame)))
    if len(set(names)) < len(names):
        raise UsageError(f"A column is named twice: {', '.join(names)}.")
    return frame[[ASKED.get(name, name) for name in names]].set_axis(names, axis=1)


def clusters(frame: pd.DataFrame, group: Codes | None = None) -> Codes:
    """Number of what each sample's answer stands and falls with, which intervals take to be independent.

    It is the haystack. A group that holds several haystacks of one seed, because it pools lengths, densities or
    variants, asks about the same facts again in each: there it is the seed in its corpus, which draws the facts. A
    sample without a haystack has a number of its own.

    Args:
        frame: samples.
        group: (n,) number of each sample's group, 0 and more; None: all are one group.
    """
    import pandas as pd

    if "haystack" not in frame:
        return np.arange(len(frame))
    codes, known = pd.factorize(frame["haystack"])
    alone = (frame["haystack"] == "").to_numpy() | (codes < 0)
    haystack = np.where(alone, len(known) + np.arange(len(frame)), codes)
    if "seed" not in frame or not len(frame):
        return haystack
    names = [name for name in ("corpus", "seed") if name in frame]
    seed = frame.groupby(names, observed=True, dropna=False, sort=False).ngroup().to_numpy()
    seeds, owner = int(seed.max()) + 1, np.zeros(len(frame), int) if group is None else np.asarray(group)
    drawn = ~alone & frame["seed"].notna().to_numpy()
    pairs = pd.unique(((owner * seeds + seed) * len(known) + haystack)[drawn])
    place, places = pd.factorize(pairs // max(len(known), 1))
    pooled = np.zeros(int(owner.max()) + 1, bool)
    pooled[places[np.bincount(place, minlength=len(places)) > 1] // seeds] = True
    return np.where(pooled[owner] & drawn, len(known) + len(frame) + seed, haystack)


def cells(frame: pd.DataFrame, by: Sequence[str] = ("length", "depth"), level: float = 0.95) -> pd.DataFrame:
    """Accuracy of each group of samples.

    Args:
        frame: from `longctx.table.load`; controls in it are left out, unless ``control`` is among `by`.
        by: columns to group by; ``length``, ``depth`` and ``density`` mean the asked values. Nothing
            gives one row over all samples.
        level: confidence of the intervals, 0-1.

    Returns:
        The columns of `by`, then ``n`` (answers, errors left out), ``right`` (sum of their scores), ``accuracy``
        (right / n, missing where n is 0), ``low`` and ``high`` (Wilson interval where all scores are 0
        or 1, else `bootstrap`), how many were ``partial`` (scores between 0 and 1), ``truncated`` (while thinking or
        in the answer), ``empty`` (all among n) and ``errors`` (not among n), and then ``haystacks`` (among n),
        ``clusters`` (of answers that may stand and fall together, see `clusters`) and ``deff``, the design effect: 1
        where no two answers share one; above it the interval is that much wider, see `intervals.design_effects`.

    Raises:
        UsageError: `by` names no column to group by, or one twice.
    """
    names = list(by)
    if "control" not in names:
        frame = asked(frame)
    work = keys(frame, names)
    outcome, score = frame["outcome"], frame["score"]
    work = work.assign(
        **{
            "n ": outcome != "error",  # the blank keeps apart from columns of `by`
            "right ": score,
            "partial ": (score != 0) & (score != 1) & score.notna(),
            "truncated ": outcome.isin(("truncated", "truncated_thinking")),
            "empty ": outcome == "empty",
            "errors ": outcome == "error",
        }
    )
    groups = work.groupby(names or np.zeros(len(work)), observed=True, dropna=False, sort=True)
    found = groups.sum().rename(columns=str.strip)
    found = found.reset_index() if names else found.reset_index(drop=True)
    found.insert(len(names) + 2, "accuracy", found["right"] / found["n"].where(found["n"] > 0))

    answered = score.notna().to_numpy() & (outcome != "error").to_numpy()
    code = groups.ngroup().to_numpy()[answered]
    drawn = _drawn(frame)[answered]
    scores, unit = score.to_numpy(dtype=float)[answered], clusters(drawn, code)
    n = found["n"].to_numpy(dtype=float)
    units, effect = np.zeros(len(found)), np.full(len(found), np.nan)
    present = np.flatnonzero(np.bincount(code, minlength=len(found)))
    if len(present):
        dense = np.zeros(len(found), int)
        dense[present] = np.arange(len(present))
        units[present], effect[present] = design_effects(dense[code], unit, scores)
    worth = effective_n(n, units, np.where(n > 0, effect, 1), level)
    low, high = wilson(found["accuracy"].fillna(0).to_numpy() * worth, np.where(n > 0, worth, 0), level)
    for place in np.flatnonzero((found["partial"].to_numpy() > 0) & ((units >= FEW) | (units == n))):
        inside = code == place
        low[place], high[place] = bootstrap(scores[inside], unit[inside] if units[place] < n[place] else None, level)
    found.insert(len(names) + 3, "low", low)
    found.insert(len(names) + 4, "high", high)
    return found.assign(haystacks=_haystacks(drawn, code, len(found)), clusters=units.astype(int), deff=effect)


def _drawn(frame: pd.DataFrame) -> pd.DataFrame:
    """What `clusters` reads of samples. Haystacks become numbers: their names are hashed once, not at each look."""
    import pandas as pd

    part = frame[[name for name in ("haystack", "corpus", "seed") if name in frame]]
    if "haystack" not in part or isinstance(part["haystack"].dtype, pd.CategoricalDtype):
        return part
    return part.assign(haystack=pd.Categorical.from_codes(*pd.factorize(part["haystack"])))


def _haystacks(frame: pd.DataFrame, code: Codes, groups: int) -> Codes:
    """Haystacks in each group; controls have none."""
    import pandas as pd

    if "haystack" not in frame:
        return np.zeros(groups, int)
    hay, known = pd.factorize(frame["haystack"])
    some = (frame["haystack"] != "").to_numpy() & (hay >= 0)
    different = pd.unique((code * max(len(known), 1) + hay)[some]) // max(len(known), 1)
    return np.bincount(different, minlength=groups)


def summary(frame: pd.DataFrame) -> dict[str, Any]:
    """The headline's numbers as JSON values.

    Returns:
        The numbers of `cells` over all samples;
        ``lengths`` and ``depths`` that were asked; ``best`` and ``worst``: for ``length`` and ``depth`` the same
        numbers of the best and the worst one (missing where there is only one).

    Raises:
        UsageError: the frame holds no sample.
    """
    if asked(frame).empty:
        raise UsageError("There is no sample to sum up: the frame is empty, or holds controls alone.")
    frame = frame.assign(**_drawn(frame))
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
