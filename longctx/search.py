"""The longest length that can be trusted, looked for where it is cheapest to find: a search without input or output.

What is claimed holds with the asked confidence if accuracy at the worst depth does not rise with the length:

* *good*, a length is trusted: at every depth the bet that accuracy is above the asked one has paid off. One depth that
  is below it must have been mistaken for one above, so that no correction for the number of depths is due (a test of
  an intersection by a union, R. L. Berger 1982).
* *bad*, a length is not trusted: the mean of the bets, one a depth, that accuracy is below has paid off.

Each of the two gets half of the error that the confidence leaves, in equal shares for every length of the search.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from longctx.errors import UsageError
from longctx.evidence import Bet

_SCREEN = 4  # samples a depth before a length is taken to lean to one side
_SHRINK = 16.0  # samples that the mean of all depths counts for in a depth's own
_SHARES = (0.5, 1.0)  # of the budget that is left, for one length: half as long as that is enough for some length

Verdict = Literal["good", "bad"]


@dataclass(frozen=True, slots=True)
class Point:
    """One sample to ask."""

    length: int  # tokens
    depth: float  # 0-1
    number: int  # the how-manieth at this length and depth, from 0


@dataclass(frozen=True, slots=True)
class Claim:
    """What a search found.

    Attributes:
        good: longest length at which accuracy is at least the asked one at every depth, tokens; None: shown for none.
        bad: shortest length at which it is below it at some depth, tokens; None: shown for none.
        worst_depth: of these depths at `bad`, the one with the fewest right answers; None where `bad` is.
        spent: prompt tokens of all samples asked.
        samples: asked.
        settled: no length lies between `good` and `bad`; else the budget ended, or what lies between is so near the
            asked accuracy that to tell would cost more than all that was spent before.
    """

    good: int | None
    bad: int | None
    worst_depth: float | None
    spent: int
    samples: int
    settled: bool


class _Length:
    """All that is known of one length."""

    def __init__(self, depths: Sequence[float], accuracy: float, log_needed: float) -> None:
        self.depths = depths
        self.level = accuracy
        self.log_needed = log_needed
        self.counts = [0] * len(depths)
        self.sums = [0.0] * len(depths)
        self.above = [Bet(accuracy, above=True) for _ in depths]
        self.below = [Bet(accuracy, above=False) for _ in depths]
        self.verdict: Verdict | None = None

    def update(self, depth: int, score: float) -> None:
        self.counts[depth] += 1
        self.sums[depth] += score
        self.above[depth].update(score)
        self.below[depth].update(score)
        if self.verdict is None:
            if all(bet.log_value >= self.log_needed for bet in self.above):
                self.verdict = "good"
            elif self._log_below() >= self.log_needed:
                self.verdict = "bad"

    def _log_below(self) -> float:
        return math.log(sum(math.exp(bet.log_value) for bet in self.below) / len(self.below))

    @property
    def begun(self) -> bool:
        return any(self.counts)

    @property
    def screened(self) -> bool:
        return self.verdict is not None or min(self.counts) >= _SCREEN

    def estimates(self) -> list[float]:
        """Accuracy at each depth, drawn towards that of all depths, which steadies the first few samples."""
        pooled = sum(self.sums) / max(1, sum(self.counts))
        pairs = zip(self.sums, self.counts, strict=True)
        return [(total + _SHRINK * pooled) / (count + _SHRINK) for total, count in pairs]

    @property
    def leaning(self) -> Verdict | None:
        if self.verdict or not self.screened:
            return self.verdict
        return "good" if min(self.estimates()) >= self.level else "bad"

    def wanted(self) -> list[int]:
        """Depths to ask next: all until the length is screened, then those that decide."""
        if not self.screened:
            return [index for index, count in enumerate(self.counts) if count == min(self.counts)]
        estimates = self.estimates()
        worst = min(range(len(estimates)), key=estimates.__getitem__)
        if estimates[worst] < self.level:
            return [worst]
        return [index for index, bet in enumerate(self.above) if bet.log_value < self.log_needed]

    def missing(self, verdict: Verdict, *, anew: bool = False) -> float:
        """Samples that are still needed for a verdict, if accuracies are a standard error better for it than estimated.

        Hope is cheap while there are few samples, and fades as they come in.

        Args:
            verdict: that is hoped for.
            anew: at another length, where nothing was asked yet.
        """
        hope = 1.0 if verdict == "good" else -1.0
        pairs = zip(self.estimates(), self.counts, strict=True)
        hoped = [mean + hope * math.sqrt(mean * (1 - mean) / (count + _SHRINK)) for mean, count in pairs]
        if verdict == "good":
            gained = [0.0 if anew else bet.log_value for bet in self.above]
            bets = zip(hoped, gained, strict=True)
            return sum(_needed(self.log_needed - log, mean, self.level, above=True) for mean, log in bets)
        return _needed(self.log_needed - (0.0 if anew else self._log_below()), min(hoped), self.level, above=False)


def _needed(log_missing: float, mean: float, level: float, *, above: bool) -> float:
    """Samples until a bet gains `log_missing`: its gain a sample is the Kullback-Leibler divergence from the level."""
    if log_missing <= 0:
        return 0.0
    if (mean <= level) if above else (mean >= level):
        return math.inf
    mean = min(max(mean, 1e-9), 1 - 1e-9)
    gain = mean * math.log(mean / level) + (1 - mean) * math.log((1 - mean) / (1 - level))
    return log_missing / gain


class Search:
    """Says what to ask next until the frontier is known or the budget is spent.

    Lengths are bisected by what a few samples at each suggest; only the two lengths on either side of the frontier are
    then asked until they are certain. Where that would take more than the budget, the search steps aside: to a shorter
    length that is easier to show good, a longer one that is easier to show bad.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        depths: Sequence[float],
        *,
        accuracy: float,
        confidence: float,
        budget: int,
        start: int | None = None,
    ) -> None:
        """Begin.

        Args:
            lengths: in tokens, ascending.
            depths: 0-1; the worst of them counts.
            accuracy: that is asked for, between 0 and 1 exclusive.
            confidence: of the whole claim, between 0 and 1 exclusive.
            budget: prompt tokens that may be spent.
            start: index of the length to look at first; the middle one by default.

        Raises:
            UsageError: nothing to search, or a budget that cannot give a first sample.
        """
        if not lengths or not depths:
            raise UsageError("A frontier needs at least one length and one depth.")
        for name, value in (("accuracy", accuracy), ("confidence", confidence)):
            if not 0 < value < 1:
                raise UsageError(f"{name} is {value}; possible are numbers between 0 and 1, both excluded.")
        log_needed = math.log(2 * len(lengths) / (1 - confidence))
        self.lengths, self.depths, self.budget = list(lengths), list(depths), budget
        self.at = [_Length(depths, accuracy, log_needed) for _ in lengths]
        self.spent = self.samples = 0
        self._start = len(lengths) // 2 if start is None else start
        if budget < lengths[self._start]:
            raise UsageError(
                f"A budget of {budget:,} prompt tokens does not hold one sample of {lengths[self._start]:,} tokens, "
                "where the search begins. Raise the budget or lower the longest length."
            )

    def ask(self) -> list[Point]:
        """The next samples, all at one length and about as many as there are depths; none when the search is over."""
        index = self._next_length()
        if index is None:
            return []
        length, at = self.lengths[index], self.at[index]
        wanted = at.wanted()
        rounds = len(self.depths) // len(wanted)
        points = [Point(length, self.depths[d], at.counts[d] + more) for more in range(rounds) for d in wanted]
        return points[: (self.budget - self.spent) // length]

    def tell(self, point: Point, score: float) -> None:
        """Take note of a score, 0-1."""
        self.at[self.lengths.index(point.length)].update(self.depths.index(point.depth), score)
        self.spent += point.length
        self.samples += 1

    def claim(self) -> Claim:
        """What is certain so far."""
        good = max((i for i, at in enumerate(self.at) if at.verdict == "good"), default=-1)
        bad = min((i for i, at in enumerate(self.at) if at.verdict == "bad" and i > good), default=len(self.at))
        worst = None
        if bad < len(self.at):
            estimates = self.at[bad].estimates()
            worst = self.depths[min(range(len(estimates)), key=estimates.__getitem__)]
        return Claim(
            good=self.lengths[good] if good >= 0 else None,
            bad=self.lengths[bad] if bad < len(self.at) else None,
            worst_depth=worst,
            spent=self.spent,
            samples=self.samples,
            settled=bad - good == 1,
        )

    def _next_length(self) -> int | None:
        """Index of the length to ask at; None where all is settled or nothing more can be afforded."""
        if not self.samples:
            return self._start
        bottom = min((i for i, at in enumerate(self.at) if at.leaning == "bad"), default=len(self.at))
        top = max((i for i, at in enumerate(self.at[:bottom]) if at.leaning == "good"), default=-1)
        between = range(top + 1, bottom)
        if between:  # one that is being screened goes on being screened
            begun = next((index for index in between if self.at[index].begun), None)
            return self._affordable((top + bottom) // 2 if begun is None else begun)
        left = self.budget - self.spent
        ends: list[tuple[range, Verdict]] = [(range(top, -1, -1), "good"), (range(bottom, len(self.at)), "bad")]
        for share in _SHARES:
            found = [self._nearest(*end, left * share) for end in ends if end[0]]
            if any(found):
                return self._affordable(min(filter(None, found))[1])
        return None

    def _nearest(self, indices: range, verdict: Verdict, left: float) -> tuple[float, int] | None:
        """Tokens until the nearest of these lengths is settled that can be settled with `left` tokens, and its index.

        A length that was not asked yet is taken to be like the last one before it that was. If that one is hopeless,
        steps are doubled: its neighbour will seldom be better.
        """
        like, skip = self.at[indices[0]], 0
        if any(self.at[index].verdict == verdict for index in indices):
            left = min(left, self.spent)  # a claim that stands already is not worth more than all that led to it
        for step, index in enumerate(indices):
            at, length = self.at[index], self.lengths[index]
            if at.verdict is not None:
                return None
            if at.screened:
                like, missing = at, at.missing(verdict)
            elif (missing := like.missing(verdict, anew=True)) == math.inf and step >= skip:
                missing = float(_SCREEN * len(self.depths))
            if length * missing <= left:
                return length * missing, index
            if step >= skip:
                skip = 2 * step + 1
        return None

    def _affordable(self, index: int) -> int | None:
        return index if self.budget - self.spent >= self.lengths[index] else None
