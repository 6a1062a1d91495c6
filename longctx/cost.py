"""What samples cost: seconds fitted to samples that were timed, and money by a list of prices."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from longctx.errors import UsageError, unknown
from longctx.types import Cell

_HALFWAY = 16_384
"""Tokens at which attention costs as much as everything else, assumed until two lengths were timed.

Between SmolLM2-135M (about 4K) and models of several billion parameters (50K and more).
"""


class CostCurve:
    """Seconds that a sample takes, fitted to samples that were timed.

    A prompt of n tokens of which f must be computed costs a·f for what is done to every token, b·(n² − (n − f)²) for
    attention to those before it, and a constant for decoding; none can be negative (least squares).
    """

    def __init__(self) -> None:
        self._timed: list[tuple[int, int, float]] = []
        self._weights: Any = None

    def add(self, length: int, fresh: int, seconds: float) -> None:
        """Learn from a sample: prompt tokens, tokens of these that were computed, seconds."""
        self._timed.append((length, fresh, seconds))
        self._weights = None

    def seconds(self, lengths: npt.ArrayLike, fresh: npt.ArrayLike) -> float:
        """Expected seconds for all these samples together; 0 where nothing was timed yet."""
        if not self._timed or not np.size(lengths):
            return 0.0
        if self._weights is None:
            from scipy.optimize import nnls  # slow to import

            timed = np.array(self._timed)
            self._weights, _ = nnls(self._features(timed[:, 0], timed[:, 1]), timed[:, 2])
        return float((self._features(np.asarray(lengths), np.asarray(fresh)) @ self._weights).sum())

    def _features(self, lengths: Any, fresh: Any) -> Any:
        # In thousands of tokens, which keeps the columns of similar size.
        length, computed = lengths / 1000.0, fresh / 1000.0
        attention = length**2 - (length - computed) ** 2
        columns = [computed, attention, np.ones_like(length)]
        if len({row[0] for row in self._timed}) < 2:  # one length cannot tell the first two apart
            columns = [computed + attention / (_HALFWAY / 1000), np.ones_like(length)]
        return np.stack(columns[: len({row[:2] for row in self._timed})], axis=1)


def probes(cells: Sequence[Cell]) -> list[Cell]:
    """The cells to time before a run: the first of the shortest length, and of a middle one where there are more."""
    by_length = {length: next(group) for length, group in _grouped(cells)}
    lengths = sorted(by_length)
    return [by_length[length] for length in sorted({lengths[0], lengths[len(lengths) // 2]})] if lengths else []


def _grouped(cells: Sequence[Cell]) -> Iterator[tuple[int, Iterator[Cell]]]:
    return itertools.groupby(sorted(cells, key=lambda cell: cell.length), lambda cell: cell.length)


@dataclass(frozen=True, slots=True)
class Prices:
    """What a provider asks for a million tokens."""

    currency: str  # as it is printed: "USD"
    input: float  # prompt tokens that are computed
    output: float  # generated tokens
    cached_input: float  # prompt tokens from the provider's cache

    @classmethod
    def read(cls, path: Path) -> Prices:
        """Prices from a TOML file: ``currency``, ``input``, ``output``, and ``cached_input`` (as ``input`` by default).

        Raises:
            UsageError: it cannot be read, lacks one of them, or holds something else.
        """
        try:
            given = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"Prices {path} cannot be read: {error}.") from None
        known = [field.name for field in fields(cls)]
        for name in given:
            if name not in known:
                raise UsageError(f"Prices {path}: " + unknown("price", name, known))
        for name in ("currency", "input", "output"):
            if name not in given:
                raise UsageError(f"Prices {path} lack {name}; needed are currency, input and output (per 1M tokens).")
        for name in ("input", "output", "cached_input"):
            value = given.setdefault(name, given["input"])
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
                raise UsageError(f"Prices {path}: {name} is {value!r}; possible are numbers from 0 (per 1M tokens).")
        return cls(**given)

    def cost(self, computed: float, cached: float, output: float) -> float:
        """Money for so many tokens of each kind."""
        return (computed * self.input + cached * self.cached_input + output * self.output) / 1e6

    def most(self, prompts: float, output: float) -> float:
        """Money for so many tokens at most: no prompt token is cheaper for being found in a cache."""
        return (prompts * max(self.input, self.cached_input) + output * self.output) / 1e6
