"""Before a run: the order of its samples, what they cost at best, and how long that may take."""

from __future__ import annotations

import bisect
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from longctx.types import Cell, Ids, Sample

_HALFWAY = 16_384
"""Tokens at which attention costs as much as everything else, assumed until two lengths were timed.

Between SmolLM2-135M (about 4K) and models of several billion parameters (50K and more).
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a list of cells asks of an engine."""

    cells: int  # points of the grid, seeds not told apart
    samples: int
    haystacks: int  # different ones
    prompt_tokens: int  # of all samples
    longest: int  # tokens of the longest prompt
    computed_at_best: int  # prompt tokens left to compute if every prefix shared within a haystack is computed once
    controls: int = 0  # of the samples, those without a haystack

    def to_json(self) -> dict[str, int]:
        """As in ``manifest.json``."""
        return asdict(self)


def in_order(cells: Iterable[Cell]) -> list[Cell]:
    """Cells in the order in which they are asked.

    Shorter lengths come first, so that a person soon sees results; within a length every corpus gets its first
    seed before any gets its second; whatever may share a haystack is adjacent, so that a prefix cache still holds it.
    """
    return sorted(cells, key=_rank)


def _family(cell: Cell) -> tuple[int, int, str]:
    return cell.length, cell.seed, cell.corpus


def _rank(cell: Cell) -> tuple[Any, ...]:
    variant = json.dumps(cell.variant)
    depth = -1.0 if cell.depth is None else cell.depth
    return (*_family(cell), cell.density, variant, cell.depths_together, cell.task, depth)


def make_plan(cells: Sequence[Cell], build: Callable[[Cell], Sample]) -> tuple[Plan, list[int]]:
    """Build every sample once and count what is shared.

    Prefixes are compared among samples with the same length, seed and corpus; the few tokens of the chat template
    that all samples share are not counted as shared beyond that.

    Args:
        cells: in the order in which they will be asked.
        build: cell → sample; its ids are dropped as soon as the next group begins.

    Returns:
        The plan, and for each cell the prompt tokens that no sample before it has computed; these add up to
        `computed_at_best`, the number of distinct nodes in the groups' prefix tries.

    Raises:
        ImpossibleSample: a sample cannot be built as asked.
    """
    lengths: list[int] = []
    fresh: list[int] = []
    haystacks: set[str] = set()
    for _, family in itertools.groupby(cells, _family):
        seen: list[bytes] = []
        for cell in family:
            sample = build(cell)
            lengths.append(len(sample.prompt_ids))
            fresh.append(lengths[-1] - _longest_shared(sample.prompt_ids, seen))
            if haystack := sample.metadata.get("haystack", sample.id):
                haystacks.add(str(haystack))
    points = len({replace(cell, seed=0) for cell in cells})
    controls = sum("control" in dict(cell.variant) for cell in cells)
    prompts = len(lengths), len(haystacks), sum(lengths), max(lengths, default=0)
    return Plan(points, *prompts, sum(fresh), controls), fresh


def _longest_shared(ids: Ids, seen: list[bytes]) -> int:
    """Length of the longest prefix shared with any of `seen`, which is kept sorted and gets the new one.

    Big-endian ids sort as bytes in the order of the ids, and the longest shared prefix is with a neighbour.
    """
    key = ids.astype(">u4").tobytes()
    place = bisect.bisect_left(seen, key)
    shared = max((_shared_prefix(key, other) for other in seen[max(place - 1, 0) : place + 1]), default=0)
    seen.insert(place, key)
    return shared


def _shared_prefix(a: bytes, b: bytes) -> int:
    size = min(len(a), len(b)) // 4
    differ = np.frombuffer(a, np.uint32, size) != np.frombuffer(b, np.uint32, size)
    return int(differ.argmax()) if differ.any() else size


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

    def seconds(self, lengths: Sequence[int], fresh: Sequence[int]) -> float:
        """Expected seconds for all these samples together; 0 where nothing was timed yet."""
        if not self._timed or not len(lengths):
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
