"""The sentence that a run is for: up to which length a model can be trusted, or that this was not shown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from longctx import stats
from longctx.textmap import depth_labels, length_labels, names, short_name
from longctx.units import percent

if TYPE_CHECKING:
    import pandas as pd

POWER = 0.8


@dataclass(frozen=True, slots=True)
class Claim:
    """What is shown, as numbers and as a sentence.

    Attributes:
        text: the sentence; where it shows less than hoped for, why, and what would be needed.
        length: certified tokens; None where none are.
        density: distractors per 10K tokens up to which that holds.
        accuracy: share of right answers that is certified, 0-1.
        level: confidence, 0-1.
        tokens: generated tokens for each right answer, over the cells that it is about; None where not known.
    """

    text: str
    length: int | None
    density: float
    accuracy: float
    level: float
    tokens: float | None


def claim(
    frame: pd.DataFrame,
    manifest: Mapping[str, Any],
    accuracy: float = 0.9,
    density: float | None = None,
    level: float = 0.95,
) -> Claim:
    """What a run shows, by its certified frontier.

    Args:
        frame: from `longctx.table.load`, of one run.
        manifest: of that run.
        accuracy: share of right answers that "correctly" means, between 0 and 1.
        density: distractors per 10K tokens up to which it must hold. By default every density of the run is tried at
            once; the highest that carries any length is stated, and after it what lower ones carry beyond that.
        level: confidence, 0-1.

    Raises:
        UsageError: an accuracy or a density that cannot be, or no answer at all.
    """
    every: dict[float, stats.Frontier] = {}
    if density is None:
        every = stats.frontiers(frame, accuracy, level=level)
        if not every:
            stats.frontier(frame, accuracy)  # says what is missing
        carried = [asked for asked, found in every.items() if found.length is not None]
        density = max(carried, default=max(every))
        found = every[density]
    else:
        there = sorted(stats.answered(frame)["density_asked"].dropna().unique().tolist())
        found = stats.frontier(
            frame, accuracy, sorted({*(one for one in there if one <= density), density}), level=level
        )
    asked = stats.answered(frame)
    tasks = f" ({names(asked['task'])})" if asked["task"].nunique() > 1 else ""
    who = f"On {names(asked['corpus'])}{tasks}, {_who(frame, manifest)}"
    alike = _alike(density)
    held = f"{_where(found)}{alike}, at {100 * level:g} % confidence"
    if found.length is None:
        text = f"{who}: not shown at any length that it answers correctly in {100 * accuracy:g} % of cases, {held}. "
        return Claim(text + _lacking(found, found.lengths[0]), None, density, accuracy, level, None)
    tokens = _tokens(frame, found)
    text = (
        f"{who}, answers correctly in at least {100 * accuracy:g} % of cases up to {_tokens_of(found.length)}, {held}"
    )
    text += f", for {tokens:.3g} generated tokens per right answer." if tokens else "."
    for fewer, other in every.items():
        if fewer < density and other.length is not None and other.length > found.length:
            text += f" {_alike(fewer)[0].upper()}{_alike(fewer)[1:]}: up to {_tokens_of(other.length)}."
    longer = [length for length in found.lengths if length > found.length]
    if longer:
        text += f" Not shown at {_tokens_of(longer[0])}. {_lacking(found, longer[0])}"
    return Claim(text, found.length, density, accuracy, level, tokens)


def _alike(density: float) -> str:
    return f"with up to {density:g} look-alikes per 10K tokens" if density else "without look-alikes"


def _where(found: stats.Frontier) -> str:
    """Where the fact sat, ending with a comma: anywhere only if both ends and something between were asked."""
    depths = sorted(found.cells["depth"].unique())
    if depths == [-1.0]:
        return ""
    if len(depths) > 2 and 0 <= depths[0] <= 0.1 and depths[-1] >= 0.9:
        return "wherever the fact sits, "
    shown = " and ".join(depth_labels([depth for depth in depths if depth >= 0]))
    return f"with the fact at {shown} of the documents, "


def _who(frame: pd.DataFrame, manifest: Mapping[str, Any]) -> str:
    if frame["double"].any():
        return f"{names(frame.loc[frame['double'], 'backend'])} (a test double, no model)"
    yarn = manifest.get("yarn")
    yarn = yarn if isinstance(yarn, Mapping) else {}
    factor = yarn.get("factor")
    served = f"with YaRN factor {factor:g}" if isinstance(factor, int | float) else "without YaRN"
    if yarn.get("asked") == "extrapolate" and yarn.get("hf_overrides"):
        served = f"without YaRN, its window of {yarn['native']:,} tokens raised"
    return f"{names(frame['model'].map(short_name))}, served by {names(frame['backend'])} {served}"


def _tokens_of(length: int) -> str:
    return f"{length_labels([length])[0]} tokens"


def _tokens(frame: pd.DataFrame, found: stats.Frontier) -> float | None:
    """Output tokens of all answers in the certified cells, over those that are right."""
    asked = stats.answered(frame)
    asked = asked[(asked["length_asked"] <= found.length) & asked["density_asked"].isin(found.densities)]
    spent, right = asked["output_tokens"].sum(min_count=len(asked)), (asked["outcome"] == "right").sum()
    return float(spent) / float(right) if right and spent == spent and spent is not None else None


def _lacking(found: stats.Frontier, length: int) -> str:
    """Why a length is not certified, and what it would take."""
    worst = found.worst[found.worst["length"] == length].iloc[0]
    depth = "" if worst["depth"] < 0 else f"depth {depth_labels([float(worst['depth'])])[0]} and "
    said = f"The worst cell at {_tokens_of(length)}, {depth}density {worst['density']:g}, "
    said += f"had {int(worst['right'])} of {int(worst['n'])} right, "
    said += f"so that at least {math.floor(100 * worst['bound'])} % is shown. "  # never more than is shown
    if worst["passes"]:
        return "A depth or density that was asked at other lengths has no answers there."
    needed = stats.samples_needed(found.accuracy, float(worst["accuracy"]), found.level, POWER)
    apart = ", each from a seed of its own," if worst["worth"] < worst["n"] else ""
    if worst["accuracy"] == 1:
        return said + f"With all of them right, {found.needed:,} answers in each cell{apart} are needed."
    if needed is None:
        return said + "That share is not above what was asked for: more samples would not show more."
    return (
        said
        + f"If that share is the truth, {needed:,} answers in each cell{apart} would show it with "
        + f"{percent(POWER)} % chance."
    )
