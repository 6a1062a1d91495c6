"""The certified frontier: the longest length at which even the worst depth is shown to be right often enough.

A length is certified where every depth bin, at every stated density, has a one-sided exact lower bound (Clopper &
Pearson 1934; with shared haystacks Korn & Graubard 1998) of at least the asked accuracy. Over depths and densities
that is an intersection-union test (Berger 1982): all must pass, so each is tested at the full level without correction.
Over lengths it goes from short to long and stops at the first that fails: a fixed sequence, which keeps the family-wise
error at the level, again without correction (Maurer, Hothorn & Lehmacher 1995; Westfall & Krishen 2001). Holm's or
Bonferroni's division would cost power for claims that nobody makes: that a long length is safe and a shorter is not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from longctx.errors import UsageError
from longctx.stats.cells import answered, clusters, keys, rows
from longctx.stats.intervals import Array, design_effects

if TYPE_CHECKING:
    import pandas as pd

BINS = 5  # where depths are drawn by seed


@dataclass(frozen=True, slots=True)
class Frontier:
    """What is shown about an accuracy at every depth.

    Attributes:
        accuracy: asked, 0-1.
        level: confidence in all that is certified, together; 0-1.
        densities: stated: every one of them must pass.
        length: longest certified length, tokens; None where none is.
        lengths: tested, ascending, tokens.
        certified: for each of these whether it is.
        cells: every tested cell: its columns, ``n``, ``right``, ``accuracy``, ``worth`` (independent answers that it
            is worth), ``bound`` (lower, one-sided) and ``passes``.
        worst: for each length the row of the cell with the lowest bound.
        needed: answers a cell that are needed where all of them are right.
    """

    accuracy: float
    level: float
    densities: tuple[float, ...]
    length: int | None
    lengths: tuple[int, ...]
    certified: tuple[bool, ...]
    cells: pd.DataFrame
    worst: pd.DataFrame
    needed: int

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**plain, "cells": rows(self.cells), "worst": rows(self.worst)}


def frontier(
    frame: pd.DataFrame,
    accuracy: float = 0.9,
    densities: Sequence[float] | None = None,
    each: Sequence[str] = (),
    level: float = 0.95,
) -> Frontier:
    """Certify lengths.

    Right is an answer that is wholly right (outcome ``right``): a part of one is none.

    Args:
        frame: from `longctx.table.load`.
        accuracy: asked, between 0 and 1.
        densities: that must pass, of those in the frame; all by default.
        each: further columns, such as ``task``, every value of which must pass too. Otherwise they are pooled.
        level: confidence, 0-1.

    Raises:
        UsageError: an accuracy or a density that cannot be, a column that is not there, or no answer.
    """
    if not 0 < accuracy < 1:
        raise UsageError(f"The accuracy is {accuracy!r}; possible are numbers between 0 and 1.")
    asked = answered(frame)
    there = sorted(asked["density_asked"].dropna().unique().tolist())
    stated = there if densities is None else sorted(set(map(float, densities)))
    if missing := [density for density in stated if density not in there]:
        possible = ", ".join(f"{density:g}" for density in there) or "none"
        raise UsageError(f"Density {missing[0]:g} was not asked; there is {possible}.")
    asked = asked[asked["density_asked"].isin(stated)]
    if asked.empty:
        raise UsageError("No answer to certify anything from.")
    work = keys(asked, ["length", "density", *each]).assign(depth=depth_bins(asked))
    table = _cells(asked, work, accuracy, level)
    lengths = sorted(int(length) for length in table["length"].unique())
    complete = _complete(table, lengths)
    certified, open_ = [], True
    for length in lengths:
        open_ = open_ and length in complete and bool(table.loc[table["length"] == length, "passes"].all())
        certified.append(open_)
    worst = table.loc[table.groupby("length")["bound"].idxmin()].reset_index(drop=True)
    return Frontier(
        accuracy=accuracy,
        level=level,
        densities=tuple(stated),
        length=max((length for length, yes in zip(lengths, certified, strict=True) if yes), default=None),
        lengths=tuple(lengths),
        certified=tuple(certified),
        cells=table,
        worst=worst,
        needed=all_right_needed(accuracy, level),
    )


def frontiers(
    frame: pd.DataFrame, accuracy: float = 0.9, each: Sequence[str] = (), level: float = 0.95
) -> dict[float, Frontier]:
    """Density D → frontier with all densities up to D, all of them at once at the confidence asked for.

    The error is divided among the densities (Bonferroni): each is certified at 1 - (1 - level) / K.
    """
    there = sorted(answered(frame)["density_asked"].dropna().unique().tolist())
    each_level = 1 - (1 - level) / max(len(there), 1)
    return {
        density: frontier(frame, accuracy, there[: place + 1], each, each_level) for place, density in enumerate(there)
    }


def depth_bins(frame: pd.DataFrame) -> pd.Series[Any]:
    """Asked depths, or where they were drawn by seed the middle of the fifth in which the needle stands.

    A sample without any depth has the bin -1.
    """
    fifth = (np.floor(frame["depth"].clip(upper=1 - 1e-9) * BINS) + 0.5) / BINS
    given = fifth if _drawn(frame) else frame["depth_asked"]
    return given.fillna(fifth).fillna(-1.0)


def _drawn(frame: pd.DataFrame) -> bool:
    """Whether each haystack has a depth of its own (``--depth random``).

    A grid has the same depths in every haystack, or where haystacks are not shared each depth as often as any other.
    """
    if "haystack" not in frame or frame["depth_asked"].nunique() <= BINS:
        return False
    if frame.groupby(["length_asked", "depth_asked"], observed=True).size().nunique() == 1:
        return False
    several = frame.groupby([name for name in ("run", "model", "task", "haystack") if name in frame], observed=True)
    return bool((several["depth_asked"].nunique() <= 1).all())


def all_right_needed(accuracy: float, level: float = 0.95) -> int:
    """Answers that must all be right for the lower bound to reach an accuracy."""
    return math.ceil(math.log(1 - level) / math.log(accuracy) - 1e-12)


def samples_needed(accuracy: float, truth: float, level: float = 0.95, power: float = 0.8) -> int | None:
    """Answers a cell with which one that is right with the chance `truth` passes with probability `power`.

    None where none would do: the truth is not above the asked accuracy (or so little that it takes over a million).
    """
    from scipy import stats

    if truth <= accuracy:
        return None
    n = np.unique(np.geomspace(all_right_needed(accuracy, level), 1e6, 2000).astype(int))
    least = stats.binom.isf(1 - level, n, accuracy) + 1  # right answers from which the exact test rejects
    enough = np.flatnonzero(stats.binom.sf(least - 1, n, truth) >= power)
    return int(n[enough[0]]) if len(enough) else None


def lower_bound(right: Array, n: Array, level: float) -> Array:
    """One-sided exact lower bound of a share."""
    from scipy import stats

    with np.errstate(invalid="ignore"):
        return np.where(right > 0, stats.beta.ppf(1 - level, right, n - right + 1), 0.0)


def _cells(frame: pd.DataFrame, work: pd.DataFrame, accuracy: float, level: float) -> pd.DataFrame:
    from scipy import stats

    names = list(work)
    right = (frame["outcome"] == "right").to_numpy(dtype=float)
    extra: Any = {"n ": 1, "right ": right}
    groups = work.assign(**extra).groupby(names, observed=True, dropna=False, sort=True)
    table = groups.sum().rename(columns=str.strip).reset_index()
    code = groups.ngroup().to_numpy()
    units, effect = design_effects(code, clusters(frame, code), right)
    n = table["n"].to_numpy(dtype=float)
    shared = units < n
    shrunk = (stats.t.ppf(level, n - 1) / stats.t.ppf(level, np.maximum(units - 1, 1))) ** 2
    worth = np.where(shared, n / effect * np.where(effect == n / units, 1, shrunk), n)
    share = table["right"].to_numpy() / n
    table = table.assign(accuracy=share, worth=worth, bound=lower_bound(share * worth, worth, level))
    return table.assign(passes=table["bound"] >= accuracy)


def _complete(table: pd.DataFrame, lengths: Sequence[int]) -> set[int]:
    """Lengths with every cell that any length has: a depth that was not asked is not shown."""
    rest = [name for name in table if name not in ("length", "n", "right", "accuracy", "worth", "bound", "passes")]
    every = set(map(tuple, table[rest].to_numpy().tolist()))
    return {
        length
        for length in lengths
        if set(map(tuple, table.loc[table["length"] == length, rest].to_numpy().tolist())) == every
    }
