"""Figures: a frame in, Axes out (a Figure where there are several panels). Nothing touches pyplot."""

from longctx.figures.bars import attribution_bars
from longctx.figures.canvas import save
from longctx.figures.curves import density_lines, depth_curves, length_curves, spending_curve
from longctx.figures.differences import difference, forest
from longctx.figures.frontier import trust_frontier
from longctx.figures.gallery import Album, Picture, draw, draw_pair
from longctx.figures.heatmaps import THRESHOLD, density_map, grid, heatmap
from longctx.figures.mrcr import mrcr_curves
from longctx.figures.multiples import small_multiples
from longctx.figures.outcomes import outcome_areas

__all__ = [
    "THRESHOLD", "Album", "Picture", "attribution_bars", "density_lines", "density_map", "depth_curves", "difference",
    "draw", "draw_pair", "forest", "grid", "heatmap", "length_curves", "mrcr_curves", "outcome_areas", "save",
    "small_multiples", "spending_curve", "trust_frontier",
]  # fmt: skip
