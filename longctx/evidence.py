"""Evidence that holds however often one looks at it: betting against a claim about a mean."""

from __future__ import annotations

import numpy as np

_GRID = 64
"""Possible means among which a stake is spread: enough that a finer grid changes no decision."""


class Bet:
    """A stake of 1 against the claim that the mean of scores is at most, or at least, a level.

    Whoever bets against a true claim, each stake chosen before the score is seen, does not gain on average: at any
    time at all the stake has grown to 1/α or more with a chance of at most α (J. Ville 1939). So one may look after
    every score, and stop whenever one likes. Scores need only lie between 0 and 1. Follows I. Waudby-Smith and
    A. Ramdas, "Estimating means of bounded random variables by betting" (JRSS-B 2024, arXiv 2010.09686); the stake is
    spread over a grid of possible means, a mixture as H. Robbins took it (1970).

    Attributes:
        log_value: natural logarithm of what the stake has become.
    """

    def __init__(self, level: float, *, above: bool) -> None:
        """Begin to bet.

        Args:
            level: the mean in the claim, between 0 and 1 exclusive.
            above: bet that the mean is above `level`; else that it is below.
        """
        low, high = (level, 1.0) if above else (0.0, level)
        means = low + (high - low) * (np.arange(_GRID) + 0.5) / _GRID
        self._level = level
        self._stakes = (means - level) / (level * (1 - level))  # what gains most if the mean is one of `means`
        self._logs = np.zeros(_GRID)
        self.log_value = 0.0

    def update(self, score: float) -> None:
        """Take note of a score, 0-1."""
        self._logs += np.log1p(self._stakes * (score - self._level))
        top = float(self._logs.max())
        self.log_value = top + float(np.log(np.exp(self._logs - top).mean()))
