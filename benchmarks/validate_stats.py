"""Do the statistics keep what they promise? Simulated runs of models whose truth is known: `make validate-stats`.

Answers are drawn with the chances that `longctx.backends.doubles.Lossy.truth` gives. Where answers share a haystack or
a question, they are drawn from correlated normal numbers, each below the point that its chance fixes: the chances stay
exact. Prints a Markdown table; with --write it goes into docs/statistics.md.
"""

from __future__ import annotations

import argparse
import re
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from longctx import stats
from longctx.backends.doubles import Lossy
from longctx.stats import model
from longctx.stats.effective import RULER_TASKS
from longctx.stats.picks import chance_test

DOCS = Path(__file__).parents[1] / "docs" / "statistics.md"
LENGTHS = [4096, 8192, 16384, 32768, 65536, 131072]
DEPTHS = [0.0, 0.25, 0.5, 0.75, 1.0]
TRUTH = Lossy(midpoint=65536.0, steepness=2.0, dip=0.3)
FLAT = Lossy(midpoint=1e12, dip=0.0, density_loss=0.0, ceiling=0.7)

Row = tuple[str, str, str, float, str]
"""What, under which circumstances, what was counted, share, what was promised."""


def simulate(
    rng: np.random.Generator,
    truth: Lossy,
    runs: int,
    *,
    lengths: list[int] = LENGTHS,
    depths: list[float] = DEPTHS,
    densities: tuple[float, ...] = (0.0,),
    n: int = 30,
    haystack: float = 0.0,
    question: float = 0.0,
    fact: float = 0.0,
) -> pd.DataFrame:
    """Runs over the full grid, paired by depth: one row a sample, one frame for all of them.

    Args:
        rng: draws.
        truth: the model.
        runs: how many.
        lengths: asked.
        depths: asked.
        densities: asked.
        n: haystacks for each length and density.
        haystack: correlation of answers over one haystack, beside that of the question.
        question: correlation of answers about the facts of one seed at all lengths, depths and densities.
        fact: correlation of answers to one question, which a seed asks at one depth, at all lengths and densities.
    """
    grid = np.array([(length, depth, density) for length in lengths for density in densities for depth in depths])
    chance = np.array([truth.truth(int(a), b, c) for a, b, c in grid])
    places = len(lengths) * len(densities)
    shape = runs, n, places, len(depths)
    normal = np.sqrt(question) * rng.standard_normal((runs, n, 1, 1))
    normal = normal + np.sqrt(haystack) * rng.standard_normal((runs, n, places, 1))
    if fact:
        normal = normal + np.sqrt(fact) * rng.standard_normal((runs, n, 1, len(depths)))
    normal = normal + np.sqrt(1 - haystack - question - fact) * rng.standard_normal(shape)
    right = norm.cdf(normal) < chance.reshape(places, len(depths))
    run, seed, place, _ = (index.ravel() for index in np.indices(shape))
    frame = pd.DataFrame(np.tile(grid, (runs * n, 1)), columns=["length_asked", "depth_asked", "density_asked"])
    return frame.assign(
        run=run, seed=seed, haystack=(run * n + seed) * places + place, depth=frame["depth_asked"],
        truth=np.tile(chance, runs * n),
        task="niah_single", corpus="contracts", model="lossy", question=seed, target="", output_text="",
        id=np.arange(right.size), score=right.ravel().astype(float),
        outcome=pd.Categorical(np.where(right.ravel(), "right", "wrong")),
    )  # fmt: skip


def each(frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The runs of a frame, one by one."""
    for _, part in frame.groupby("run"):
        yield part


def covers(low: Any, high: Any, truth: Any) -> float:
    """Share of intervals that hold the truth."""
    return float(np.mean((np.asarray(low) <= np.asarray(truth)) & (np.asarray(truth) <= np.asarray(high))))


def cells(rng: np.random.Generator, runs: int) -> Iterator[Row]:
    """Wilson's intervals, haystacks shared or not, and the bootstrap."""
    for n in (10, 30, 100):
        frame = simulate(rng, TRUTH, runs, n=n)
        found = stats.cells(frame, ["run", "length", "depth"])
        found["truth"] = [TRUTH.truth(int(a), b, 0.0) for a, b in zip(found["length"], found["depth"], strict=True)]
        inner = found[found["truth"].between(0.1, 0.9)]
        yield "cell, Wilson", f"n = {n}, truth 0.1–0.9", "covers", covers(inner.low, inner.high, inner.truth), BAND
    for haystack, n in ((0.0, 30), (0.3, 30), (0.6, 30), (0.3, 100), (0.6, 12)):
        frame = simulate(rng, TRUTH, runs, n=n, haystack=haystack, lengths=LENGTHS[2:])
        found = stats.cells(frame, ["run", "length"])
        truth = found["length"].map({x: np.mean([TRUTH.truth(x, d, 0.0) for d in DEPTHS]) for x in LENGTHS})
        where = f"{n} haystacks × 5 depths, correlation {haystack:g}"
        yield (
            "length, shared haystacks",
            where,
            "covers",
            covers(found.low, found.high, truth),
            BAND if haystack else WIDE,
        )
        low, high = stats.wilson(found.right, found.n)
        yield "the same, taken as independent", where, "covers", covers(low, high, truth), "for comparison"
    for groups, size in ((50, 1), (30, 4)):
        level = rng.beta(2, 3, (runs, groups, 1))
        scores = np.clip(level + rng.normal(0, 0.1, (runs, groups, size)) * np.minimum(level, 1 - level) * 2, 0, 1)
        target = float(
            np.clip((x := rng.beta(2, 3, 10**6)) + rng.normal(0, 0.1, 10**6) * np.minimum(x, 1 - x) * 2, 0, 1).mean()
        )
        ends = [stats.bootstrap(one.ravel(), np.repeat(np.arange(groups), size)) for one in scores]
        where = f"{groups} haystacks × {size}"
        yield "mean of fractional scores, bootstrap", where, "covers", covers(*zip(*ends, strict=True), target), BAND


def pooled(rng: np.random.Generator, runs: int) -> Iterator[Row]:
    """Rows over several lengths, at each of which a seed asks about the same facts."""
    for n in (4, 8, 20, 60):
        frame = simulate(rng, TRUTH, runs, n=n, haystack=0.1, question=0.1, fact=0.3, lengths=LENGTHS[2:])
        where = f"{n} seeds × 4 lengths, the same facts, correlation 0.5"
        found = stats.cells(frame, ["run", "depth"])
        truth = found["depth"].map({d: np.mean([TRUTH.truth(x, d, 0.0) for x in LENGTHS[2:]]) for d in DEPTHS})
        promise = BAND if n >= 20 else WIDE
        yield "depth, all lengths", where, "covers", covers(found.low, found.high, truth), promise
        low, high = stats.wilson(found.right, found.n)
        yield "the same, haystacks taken as independent", where, "covers", covers(low, high, truth), "for comparison"
    frame = simulate(rng, FLAT, runs, lengths=LENGTHS[:3], n=20, haystack=0.2, fact=0.4)
    for name, part in stats.lost_in_the_middle(frame, ("run",)).groupby("contrast"):
        yield name, "20 seeds × 3 lengths × 5 depths, the same facts", "rejects", float((part.p < 0.05).mean()), SIZE
    for n in (4, 8):
        frame = simulate(rng, TRUTH, runs, n=n, haystack=0.1, question=0.1, fact=0.3)
        found = [stats.threshold(part, 0.6) for part in each(frame)]
        ends = [f.low for f in found], [f.high for f in found]
        where = f"{n} seeds × 5 depths × 6 lengths, the same facts, correlation 0.5"
        yield "effective length, fixed threshold", where, "covers", covers(*ends, crossing(mean, 0.6)), WIDE
    better, worse = Lossy(midpoint=1e12, dip=0.0, ceiling=0.8), Lossy(midpoint=1e12, dip=0.0, ceiling=0.65)
    for second, name in ((worse, "15 points"), (better, "none")):
        first = simulate(rng, better, runs, lengths=LENGTHS[:3], n=30, haystack=0.1, fact=0.4)
        other = correlated(rng, first, second.ceiling, 0.2)
        found = stats.compare(first, other, ["run"])
        where = f"30 seeds × 3 lengths × 5 depths, the same facts, difference {name}"
        yield "paired difference", where, "covers", covers(found.low, found.high, 100 * (second.ceiling - 0.8)), BAND
        if second is better:
            yield found.test[0], where, "rejects", float((found.p < 0.05).mean()), SIZE


def crossing(mean: Callable[[float], float], at: float) -> float:
    """Length at which the line through the true means falls to a threshold."""
    values = np.array([mean(length) for length in LENGTHS]) - at
    last = int(np.flatnonzero(values > 0)[-1])
    return float(LENGTHS[last] * 2 ** (values[last] / (values[last] - values[last + 1])))


def mean(length: float) -> float:
    """The true mean over depths."""
    return float(np.mean([TRUTH.truth(int(length), depth, 0.0) for depth in DEPTHS]))


def effective(rng: np.random.Generator, runs: int) -> Iterator[Row]:
    """Intervals of effective lengths."""
    for question, haystack, n in ((0.0, 0.0, 20), (0.2, 0.2, 20), (0.2, 0.2, 60)):
        frame = simulate(rng, TRUTH, runs, n=n, question=question, haystack=haystack)
        found = [stats.threshold(part, 0.6) for part in each(frame)]
        where = f"{n} seeds × 5 depths × 6 lengths, correlation {question + haystack:g}"
        ends = [f.low for f in found], [f.high for f in found]
        yield "effective length, fixed threshold", where, "covers", covers(*ends, crossing(mean, 0.6)), BAND
        found = [stats.nolima(part) for part in each(frame)]
        ends = [f.low for f in found], [f.high for f in found]
        target = crossing(mean, 0.85 * mean(LENGTHS[0]))
        yield "effective length, NoLiMa", where, "covers", covers(*ends, target), BAND
    ceilings = np.linspace(0.8, 1, 13)
    tasks = [
        simulate(rng, Lossy(midpoint=150_000, dip=0.0, ceiling=c), runs, depths=[0.5], n=25, question=0.2).assign(
            task=t
        )
        for c, t in zip(ceilings, RULER_TASKS, strict=True)
    ]
    found = [stats.ruler(part) for part in each(pd.concat(tasks))]
    ends = [f.low for f in found], [f.high for f in found]
    target = crossing(lambda x: float(ceilings.mean() / (1 + (x / 150_000) ** 2)), 0.856)
    yield "effective length, RULER", "13 tasks × 25 seeds × 6 lengths", "covers", covers(*ends, target), BAND


def frontier(rng: np.random.Generator, runs: int) -> Iterator[Row]:
    """How often the certified frontier claims too much."""
    edge = Lossy(midpoint=1e12, dip=0.2, ceiling=1.0)  # 0.8 in the middle, at every length
    for n in (60, 200):
        frame = simulate(rng, edge, runs, n=n)
        claimed = [stats.frontier(part, 0.8).length is not None for part in each(frame)]
        yield (
            "certified frontier",
            f"n = {n}, the middle exactly as good as asked",
            "claims too much",
            float(np.mean(claimed)),
            AT_MOST,
        )
    steep = Lossy(midpoint=40_000, steepness=6.0, dip=0.0)
    limit = max(length for length in LENGTHS if steep.truth(length, 0.5, 0.0) >= 0.6)
    frame = simulate(rng, steep, runs, n=60, question=0.3)
    found = [stats.frontier(part, 0.6).length or 0 for part in each(frame)]
    yield (
        "certified frontier",
        "n = 60, falling steeply",
        "claims too much",
        float(np.mean(np.array(found) > limit)),
        AT_MOST,
    )
    yield (
        "certified frontier",
        "n = 60, falling steeply",
        "finds the true one",
        float(np.mean(np.array(found) == limit)),
        "power",
    )


def comparison(rng: np.random.Generator, runs: int) -> Iterator[Row]:
    """Paired differences and their tests."""
    better, worse = Lossy(midpoint=1e12, dip=0.0, ceiling=0.8), Lossy(midpoint=1e12, dip=0.0, ceiling=0.65)
    for n, depths, haystack in ((50, [0.5], 0.0), (200, [0.5], 0.0), (40, DEPTHS, 0.3)):
        where = f"{n} haystacks × {len(depths)}" + (f", correlation {haystack:g}" if haystack else "")
        for second, name in ((worse, "15 points"), (better, "none")):
            shared = rng.spawn(1)[0]
            first = simulate(shared, better, runs, lengths=[4096], depths=depths, n=n, haystack=haystack)
            other = correlated(rng, first, second.ceiling, haystack)
            found = stats.compare(first, other, ["run"])
            gap = 100 * (second.ceiling - better.ceiling)
            promise = WIDE if n == 50 and not gap else BAND  # about eight samples differ
            found_share = covers(found.low, found.high, gap)
            yield "paired difference", f"{where}, difference {name}", "covers", found_share, promise
            if not gap:
                rejected = float((found.p < 0.05).mean())
                yield found.test[0], f"{where}, difference none", "rejects", rejected, SIZE


def correlated(rng: np.random.Generator, first: pd.DataFrame, chance: float, haystack: float) -> pd.DataFrame:
    """A second run over the same samples: half of the time it sees a sample as the first did."""
    same = rng.random(len(first)) < 0.5
    base = first["score"].to_numpy() > 0
    ceiling = first["truth"].to_numpy()
    keep = np.where(base, rng.random(len(first)) < np.minimum(chance / ceiling, 1), False)
    hay, codes = np.unique(first["haystack"], return_inverse=True)
    normal = np.sqrt(haystack) * rng.standard_normal(len(hay))[codes] + np.sqrt(1 - haystack) * rng.standard_normal(
        len(first)
    )
    right = np.where(same, keep, norm.cdf(normal) < chance)
    return first.assign(score=right.astype(float), outcome=pd.Categorical(np.where(right, "right", "wrong")))


def position(rng: np.random.Generator, runs: int) -> Iterator[Row]:
    """Tests of position and density where there is no effect, and the interval where there is one."""
    frame = simulate(rng, FLAT, runs, lengths=[8192], n=40, haystack=0.3)
    found = stats.lost_in_the_middle(frame, ("run",))
    for name, part in found.groupby("contrast"):
        yield name, "40 haystacks × 5 depths, no effect", "rejects", float((part.p < 0.05).mean()), SIZE
    dip = Lossy(midpoint=1e12, dip=0.4, ceiling=0.9)
    found = stats.lost_in_the_middle(simulate(rng, dip, runs, lengths=[8192], n=40, haystack=0.3), ("run",))
    gap = 100 * (0.9 - np.mean([dip.truth(1, d, 0) for d in (0.25, 0.5, 0.75)]))
    lost = found[found.contrast == "lost in the middle"]
    yield "lost in the middle", "the same, true effect", "covers", covers(lost.low, lost.high, gap), BAND
    frame = simulate(rng, FLAT, runs, lengths=LENGTHS[:3], densities=(0.0, 4.0), n=SEEDS, haystack=0.2, fact=0.3)
    fits = [model.fit(part) for part in each(frame)]
    tables = pd.concat([stats.effects(frame, model=fit) for fit in fits])
    for name, part in tables.groupby("effect"):
        yield (
            f"logistic model, {name}",
            f"{SEEDS} seeds × 3 lengths × 2 densities × 5 depths, the same facts",
            "rejects",
            float((part.p < 0.05).mean()),
            SIZE,
        )
    halved = [
        stats.halving(part).iloc[0]
        for part in each(
            simulate(rng, HALVED, runs, lengths=[8192], densities=(0.0, 2.0, 4.0, 8.0), n=15, haystack=0.2)
        )
    ]
    ends = [row.low for row in halved], [row.high for row in halved]
    yield "density that halves the odds", "60 haystacks × 5 depths", "covers", covers(*ends, HALVED.half), BAND


class _Odds(Lossy):
    """A model whose odds halve with every `half` distractors per 10K tokens."""

    half = 5.0

    def truth(self, length: int, depth: float, density: float) -> float:
        odds = 4 * 0.5 ** (density / self.half)
        return odds / (1 + odds)


HALVED = _Odds()


def chosen(rng: np.random.Generator, runs: int) -> Iterator[Row]:
    """The test of which distractor is chosen, where chance chooses."""
    rejected = []
    for _ in range(runs):
        counts = rng.integers(2, 12, 40)
        ranks = (np.floor(rng.random(40) * counts) + 0.5) / counts
        rejected.append(chance_test(ranks, counts, 0.95)["p"] < 0.05)
    yield "nearer or later distractors", "40 picks of 2 to 11", "rejects", float(np.mean(rejected)), SIZE


SEEDS = 12
BAND, WIDE, SIZE, AT_MOST = "93–97 %", "at least 93 %", "3.5–6.5 %", "at most 5 %"
_KEPT: dict[str, Callable[[float], bool]] = {
    BAND: lambda share: 0.93 <= share <= 0.97,
    WIDE: lambda share: share >= 0.93,
    SIZE: lambda share: 0.035 <= share <= 0.065,
    AT_MOST: lambda share: share <= 0.065,  # 5 % and two standard errors of 1,000 runs
}


def main() -> int:
    """Simulate, print, and say whether every promise was kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="simulated runs of each kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="one part: " + ", ".join(f.__name__ for f in PARTS))
    parser.add_argument("--write", action="store_true", help="put the table into docs/statistics.md")
    given = parser.parse_args()
    lines = ["| statistic | simulated runs | counted | found | promised | kept |", "|---|---|---|---|---|---|"]
    failed, begun = 0, time.process_time()
    print("\n".join(lines), flush=True)
    for part in PARTS:
        if given.only in ("", part.__name__):
            for what, where, counted, share, promise in part(np.random.default_rng(given.seed), given.runs):
                kept = _KEPT.get(promise, lambda share: True)(share)
                failed += not kept
                mark = "" if promise not in _KEPT else "yes" if kept else "**no**"
                lines.append(f"| {what} | {where} | {counted} | {100 * share:.1f} % | {promise} | {mark} |")
                print(lines[-1], flush=True)
    print(f"\n{given.runs:,} runs each, {time.process_time() - begun:.0f} s of CPU time; {failed} promises not kept")
    if given.write:
        text = DOCS.read_text(encoding="utf-8")
        begin, end = "<!-- validation -->", "<!-- end of validation -->"
        table = "\n".join([begin, *lines, end])
        DOCS.write_text(re.sub(f"{begin}.*?{end}", lambda _: table, text, flags=re.DOTALL), encoding="utf-8")
    return failed > 0


PARTS = (cells, pooled, effective, frontier, comparison, position, chosen)

if __name__ == "__main__":
    warnings.simplefilter("error")
    raise SystemExit(main())
