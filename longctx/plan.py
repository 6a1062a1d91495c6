"""Before a run: the order of its samples, and how many of their tokens must be computed in it."""

from __future__ import annotations

import bisect
import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from longctx.controls import control_of
from longctx.types import Cell, Sample

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Cache:
    """A server's prefix cache."""

    block: int = 1  # tokens of a block; only whole blocks are found again
    tokens: int | None = None  # that it holds; None: enough for everything


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A list of cells in the order in which they should be asked, and what they share.

    Samples of a length (nested ones: of all lengths), seed and corpus follow each other in the order of their token
    ids. That is a walk through the trie of their prefixes, branch by branch: what a sample shares with any before it,
    it shares with the one just before it. So every prefix is computed once by any cache that holds the longest prompt,
    whichever blocks it gives up first as long as those of the last prompt stay.

    Attributes:
        cells: in that order.
        lengths: (n,) prompt tokens of each.
        shared: (n,) of these, the first ones that are also those of the sample before.
        points: points of the grid, seeds not told apart.
        haystacks: different ones.
        controls: of the samples, those without a haystack.
    """

    cells: list[Cell]
    lengths: Counts
    shared: Counts
    points: int
    haystacks: int
    controls: int = 0

    def computed(self, cache: Cache = Cache()) -> Counts:  # noqa: B008 - frozen
        """Prompt tokens of each sample that are left to compute, shape (n,).

        Whole blocks alone are found again, and the last token of a prompt is always computed. A prompt that is longer
        than the cache leaves nothing in it that could be relied on.
        """
        found: Counts = np.minimum(self.shared, self.lengths - 1) // cache.block * cache.block
        if cache.tokens is not None:
            before = np.concatenate(([0], self.lengths[:-1]))
            found = np.where(before > cache.tokens, 0, found)
        return self.lengths - found

    @property
    def floor(self) -> int:
        """Tokens to compute if every prefix is computed once: the nodes of the prefix trie.

        Counted from neighbours: the first tokens that several lengths or seeds have in common may be counted again.
        """
        return int((self.lengths - self.shared).sum())

    def to_json(self, cache: Cache | None = None) -> dict[str, int]:
        """As in ``manifest.json``; what is expected of a cache where one is given."""
        about = {
            "cells": self.points,
            "samples": len(self.cells),
            "haystacks": self.haystacks,
            "prompt_tokens": int(self.lengths.sum()),
            "longest": int(self.lengths.max(initial=0)),
            "computed_at_best": self.floor,
            "controls": self.controls,
            "nested": sum(cell.nested > 0 and not control_of(cell) for cell in self.cells),
        }
        if cache is None:
            return about
        return {**about, "cache_block": cache.block, "computed_expected": int(self.computed(cache).sum())}


def in_order(cells: Iterable[Cell]) -> list[Cell]:
    """Cells in the order in which their samples are built.

    Shorter lengths come first, so that a person soon sees results; within a length every corpus gets its first
    seed before any gets its second; whatever may share a haystack is adjacent.
    """
    return sorted(cells, key=_rank)


def _family(cell: Cell) -> tuple[int, int, str]:
    return max(cell.length, cell.nested), cell.seed, cell.corpus


def _rank(cell: Cell) -> tuple[Any, ...]:
    variant = json.dumps(cell.variant)
    depth = -1.0 if cell.depth is None else cell.depth
    return (*_family(cell), cell.length, cell.density, variant, cell.depths_together, cell.task, depth)


def make_plan(cells: Sequence[Cell], build: Callable[[Cell], Sample]) -> Plan:
    """Build every sample once, put them in order and count what they share.

    Args:
        cells: as `in_order` gives them.
        build: cell → sample; its ids are dropped as soon as the next length, seed or corpus begins.

    Raises:
        ImpossibleSample: a sample cannot be built as asked.
    """
    order: list[Cell] = []
    lengths: list[int] = []
    shared: list[int] = []
    haystacks: set[str] = set()
    last = b""
    for _, family in itertools.groupby(cells, _family):
        sorted_keys: list[tuple[bytes, int]] = []
        built: list[Cell] = []
        for cell in family:
            sample = build(cell)
            # Big-endian ids sort as bytes in the order of the ids.
            bisect.insort(sorted_keys, (sample.prompt_ids.astype(">u4").tobytes(), len(built)))
            built.append(cell)
            if haystack := sample.metadata.get("haystack", sample.id):
                haystacks.add(str(haystack))
        for key, index in sorted_keys:
            order.append(built[index])
            lengths.append(len(key) // 4)
            shared.append(_shared_prefix(last, key))
            last = key
    points = len({replace(cell, seed=0) for cell in cells})
    controls = sum(bool(control_of(cell)) for cell in cells)
    return Plan(order, np.array(lengths, np.int64), np.array(shared, np.int64), points, len(haystacks), controls)


def _shared_prefix(a: bytes, b: bytes) -> int:
    size = min(len(a), len(b)) // 4
    differ = np.frombuffer(a, np.uint32, size) != np.frombuffer(b, np.uint32, size)
    return int(differ.argmax()) if differ.any() else size
