"""Does it matter that several needles share a haystack? Two runs, with one question a haystack and with several.

Answers are paired by corpus, seed and depth: the facts differ, as each needle of a shared haystack must be another one.
The interval is that of `longctx.stats.compare`, by corpus and seed, whose answers stand and fall together.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from longctx.stats.compare import paired
from longctx.table import load

CELL = ["task", "corpus", "length_asked", "depth_asked", "density_asked", "seed"]


def main() -> None:
    """Print the difference at each depth and over all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("one", type=Path, help="run with one question a haystack")
    parser.add_argument("several", type=Path, help="run with several")
    options = parser.parse_args()
    frames = [load(run)[[*CELL, "score"]].dropna(subset=["score"]) for run in (options.one, options.several)]
    both = frames[0].merge(frames[1], on=CELL, suffixes=("_one", "_several"))
    group = both.groupby(["corpus", "seed"], observed=True).ngroup().to_numpy()
    print(f"{'depth':>6} {'n':>4} {'alone':>7} {'shared':>7} {'points':>7}  95 % interval      p")
    for depth in [*sorted(both["depth_asked"].unique()), None]:
        rows = np.ones(len(both), bool) if depth is None else (both["depth_asked"] == depth).to_numpy()
        first, second = both["score_one"].to_numpy()[rows], both["score_several"].to_numpy()[rows]
        row = paired(first, second, group[rows])
        name = "all" if depth is None else f"{depth:g}"
        shares = f"{100 * row['first']:>6.1f}% {100 * row['second']:>6.1f}%"
        interval = f"{row['low']:>+6.1f} to {row['high']:>+5.1f}"
        print(f"{name:>6} {row['n']:>4} {shares} {row['points']:>+7.1f}  {interval}  {row['p']:.2f}")


if __name__ == "__main__":
    main()
