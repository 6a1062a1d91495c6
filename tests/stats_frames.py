"""Frames of simulated answers, for tests of the statistics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from longctx.columns import OUTCOMES

Chance = Callable[[int, float, float], float]
"""(length, depth, density) → chance of a right answer."""


def answers(
    chance: Chance,
    lengths: Sequence[int] = (1024, 2048, 4096),
    depths: Sequence[float | None] = (0.0, 0.25, 0.5, 0.75, 1.0),
    densities: Sequence[float] = (0.0,),
    n: int = 20,
    seed: int = 0,
    **fields: Any,
) -> pd.DataFrame:
    """The full grid, one haystack for each length, density and seed; chances of 0 and 1 are kept exactly."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for length in lengths:
        for density in densities:
            for number in range(n):
                for depth in depths:
                    right = bool(rng.random() < chance(length, 0.5 if depth is None else depth, density))
                    row = {"length_asked": length, "depth_asked": depth, "density_asked": density, "seed": number}
                    row |= {"haystack": f"{length}-{density}-{number}", "question": f"q{number}"}
                    rows.append(row | {"score": float(right), "outcome": "right" if right else "wrong"})
    frame = pd.DataFrame(rows).astype({"depth_asked": float})
    frame["depth"] = frame["depth_asked"]
    frame["id"] = [str(number) for number in range(len(frame))]
    common = {"run": "r", "task": "niah_single", "corpus": "contracts", "model": "m", "backend": "vllm", "target": "t"}
    common |= {"double": False, "host_format": "text", "output_text": "", "output_tokens": 10, "n_distractors": 0}
    frame = frame.assign(**(common | {"control": "", "picked_tier": ""} | fields))
    frame["outcome"] = pd.Categorical(frame["outcome"], categories=OUTCOMES)
    return frame
