"""Statistics of a run: a frame in, tables out. What each is and where it is from stands in docs/statistics.md."""

from longctx.columns import OUTCOMES
from longctx.stats.attribution import PARTS, attribution, controls
from longctx.stats.cells import ASKED, FEW, answered, asked, cells, groupable, needed, rows, summary
from longctx.stats.compare import compare, flips, pairs
from longctx.stats.density import by_tier, halving
from longctx.stats.effective import EffectiveLength, nolima, ruler, threshold
from longctx.stats.frontier import Frontier, frontier, frontiers, samples_needed
from longctx.stats.intervals import bootstrap, wilson
from longctx.stats.outcomes import outcomes
from longctx.stats.picks import picks, preference
from longctx.stats.position import effects, lost_in_the_middle

__all__ = [
    "ASKED",
    "FEW",
    "OUTCOMES",
    "PARTS",
    "EffectiveLength",
    "Frontier",
    "answered",
    "asked",
    "attribution",
    "bootstrap",
    "by_tier",
    "cells",
    "compare",
    "controls",
    "effects",
    "flips",
    "frontier",
    "frontiers",
    "groupable",
    "halving",
    "lost_in_the_middle",
    "needed",
    "nolima",
    "outcomes",
    "pairs",
    "picks",
    "preference",
    "rows",
    "ruler",
    "samples_needed",
    "summary",
    "threshold",
    "wilson",
]
