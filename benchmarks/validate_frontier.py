"""How often a frontier's claims are true, and what they cost beside a full grid: ``make validate-frontier``.

Models with known cliffs are drawn at random; their answers are drawn from the very chances that `lossy` has. The grid
that it is compared with asks every length and depth equally often, just as often as it takes to have an even chance of
giving the same interval by exact binomial bounds at the same confidence (C. Clopper and E. Pearson 1934; Bonferroni
over the lengths, and over the depths where one of them fails).
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
from functools import cache

import numpy as np
from scipy.stats import beta, binom

from longctx.adaptive import lattice
from longctx.backends.doubles import Lossy
from longctx.search import Claim, Search

LENGTHS = list(lattice([1024, 131072]))
DEPTHS = [0.0, 0.25, 0.5, 0.75, 1.0]
ACCURACY, CONFIDENCE = 0.9, 0.95
COUNTS = sorted({round(10 * 1.05**k) for k in range(160)})  # answers a cell of the grid, 10 to 23,000


@cache
def bounds(n: int) -> tuple[int, int]:
    """Of n answers: right ones from which a cell is shown good, and up to which it is shown bad."""
    share = (1 - CONFIDENCE) / 2 / len(LENGTHS)
    right = np.arange(n + 1)
    low = np.where(right == 0, 0.0, beta.ppf(share, right, n - right + 1))
    high = np.where(right == n, 1.0, beta.ppf(1 - share / len(DEPTHS), right + 1, n - right))
    return int((low < ACCURACY).sum()), int((high < ACCURACY).sum()) - 1


def grid_tokens(model: Lossy, claim: Claim) -> int | None:
    """Prompt tokens of the full grid that gives the same interval; None: more than any of `COUNTS` answers a cell."""
    for n in COUNTS:
        good, bad = bounds(n)
        chance = 1.0
        for depth in DEPTHS if claim.good else ():
            chance *= float(binom.sf(good - 1, n, model.truth(claim.good or 0, depth, 0)))
        if claim.bad:
            missed = [1 - float(binom.cdf(bad, n, model.truth(claim.bad, depth, 0))) for depth in DEPTHS]
            chance *= 1 - math.prod(missed)
        if chance >= 0.5:
            return n * len(DEPTHS) * sum(LENGTHS)
    return None


def main() -> None:
    """Search the frontier of many models and print what came of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", type=int, default=200)
    parser.add_argument("--budget", type=int, default=60_000_000)
    options = parser.parse_args()
    true = settled = ends = 0
    shares: list[float] = []
    octaves: list[float] = []
    spent: list[int] = []
    for number in range(options.models):
        rng = random.Random(f"frontier {number}")
        model = Lossy(midpoint=2 ** rng.uniform(11, 17.5), steepness=rng.uniform(6, 20), dip=rng.uniform(0, 0.04))
        search = Search(LENGTHS, DEPTHS, accuracy=ACCURACY, confidence=CONFIDENCE, budget=options.budget)
        while points := search.ask():
            for point in points:
                search.tell(point, float(rng.random() < model.truth(point.length, point.depth, 0)))
        claim = search.claim()
        worst = {length: min(model.truth(length, depth, 0) for depth in DEPTHS) for length in LENGTHS}
        good = claim.good is None or worst[claim.good] >= ACCURACY
        true += good and (claim.bad is None or worst[claim.bad] < ACCURACY)
        settled += claim.settled
        ends += claim.good is not None and (claim.bad is not None or claim.good == LENGTHS[-1])
        spent.append(claim.spent)
        if claim.good and claim.bad:
            octaves.append(math.log2(claim.bad / claim.good))
        if (claim.good or claim.bad) and (grid := grid_tokens(model, claim)):
            shares.append(claim.spent / grid)
    n = options.models
    print(f"models                                  {n} (asked: accuracy {ACCURACY}, confidence {CONFIDENCE})")
    print(f"claims that are true                    {true} of {n} ({true / n:.1%})")
    print(f"both ends found                         {ends} of {n}; without a length between them: {settled}")
    print(
        f"width of the interval, octaves          median {statistics.median(octaves):.2f}, 90 % {quantile(octaves):.2f}"
    )
    print(f"prompt tokens spent                     median {statistics.median(spent):,.0f}")
    print(
        f"share of what the full grid would take  median {statistics.median(shares):.1%}, 90 % {quantile(shares):.1%},"
    )
    print(f"                                        most {max(shares):.1%}; at most 25 % in "
          f"{sum(share <= 0.25 for share in shares)} of {len(shares)}")  # fmt: skip


def quantile(values: list[float]) -> float:
    """The value that 90 % do not exceed."""
    return float(np.quantile(values, 0.9))


if __name__ == "__main__":
    main()
