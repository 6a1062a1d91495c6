"""In which order needles and distractors stand in a haystack, and at which of its places each."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from longctx.errors import ImpossibleSample
from longctx.exact import Insert
from longctx.placement import Places, apart, beside, nearest, scatter, spread, with_inserts
from longctx.voice import Boundary

NEAR = 512  # tokens within which a ``near`` distractor stands from its needle

Order = list[tuple[int, int]]
"""(insert, place) in the order in which they stand: place -1 is the beginning, the number of places the end."""


@dataclass(frozen=True, slots=True)
class Ordering:
    """What inserts are put in order by.

    Attributes:
        inserts: needles and distractors.
        sizes: tokens that each takes, blanks around it included.
        seed: names the haystack.
        boundary: where the voice's needles stand.
        haystack: its tokens.
        spacing: tokens of a nested haystack in which one uniform distractor stands; 0: it is not nested.
    """

    inserts: Sequence[Insert]
    sizes: Sequence[float]
    seed: str
    boundary: Boundary
    haystack: int
    spacing: float = 0.0

    def order(self, places: Places) -> Order:
        """Every insert at one of `places`: distractors first, then needles at their depths, then what is bound to them.

        Raises:
            ImpossibleSample: there are not as many places as inserts, or two halves are asked to stand too far apart.
        """
        inserts = self.inserts
        behind = {index: self._is_behind(index) for index, insert in enumerate(inserts) if insert.gap}
        near, order = self._distractors(places, behind)
        order += self._needles(places, order, behind, near)
        order.sort(key=lambda item: item[1])  # stable: distractors, then needles from shallow to deep
        for index in [*behind, *behind] if len(behind) > 1 else behind:  # twice: one may stand between two others
            order = [item for item in order if item[0] != index]
            insert = inserts[index]
            at, spot = apart(
                places, order, self.sizes, index, insert.needle, insert.gap, self.haystack, self.boundary,
                behind=behind[index],
            )  # fmt: skip
            order.insert(at, (index, spot))
        return order

    def _distractors(
        self, places: Places, bound: dict[int, bool]
    ) -> tuple[dict[int, tuple[list[int], list[int]]], Order]:
        """Needle → those that stand close before and after it; and all others, where they are scattered to."""
        near: dict[int, tuple[list[int], list[int]]] = {}
        order: Order = []
        groups: dict[tuple[str, int], list[int]] = {}
        for index, insert in enumerate(self.inserts):
            if insert.depth is None and index not in bound:
                groups.setdefault((insert.near, insert.needle), []).append(index)
        for (rule, needle), group in groups.items():
            if rule == "near":
                near[needle] = self._sides(group, self.inserts[needle].depth or 0.0)
                continue
            plain = rule == "uniform" and not needle
            rng = random.Random(f"{self.seed}:distractors" + ("" if plain else f":{rule}:{needle}"))
            if self.spacing and rule == "uniform":
                spots = spread(places, [self.sizes[k] for k in group], self.spacing, rng, self.boundary)
                order += zip(group, spots, strict=True)
                continue
            away = self.inserts[needle].depth if rule == "far" else None
            order += zip(group, scatter(places, len(group), rng, self.boundary, away), strict=True)
        order.sort(key=lambda item: item[::-1])
        return near, order

    def _needles(
        self, places: Places, order: Order, behind: dict[int, bool], near: dict[int, tuple[list[int], list[int]]]
    ) -> Order:
        """Inserts with a depth, from shallow to deep, each between those that stand close to it."""
        inserts, sizes, haystack = self.inserts, self.sizes, self.haystack
        fixed = [index for index, insert in enumerate(inserts) if insert.depth is not None]
        fixed.sort(key=lambda index: (inserts[index].depth, index))
        mates = {inserts[index].needle: index for index in behind if not behind[index]}  # stand in front
        tokens = with_inserts(places, order, sizes)
        taken = [spot for _, spot in order if 0 <= spot < len(places.token)]
        placed: Order = []
        before = 0.0  # tokens of the needles, and of what stands near them, placed so far
        for index in fixed:
            depth = inserts[index].depth or 0.0
            left, right = near.get(index, ([], []))
            lead = sum(sizes[k] for k in left) + (sizes[mates[index]] if index in mates else 0.0)
            if depth in (0.0, 1.0):
                spot = -1 if depth == 0.0 else len(places.token)
            else:
                last = haystack - sizes[index] - before
                wanted = depth * (haystack - sizes[index]) - before - lead
                spot = nearest(places, tokens, wanted, last, haystack, self.boundary, taken)
            around = [[sizes[k] for k in side] for side in (left, right)]
            before_it, after_it = beside(places, tokens, spot, around[0], around[1], self.boundary, NEAR)
            added = [*zip(left, before_it, strict=True), (index, spot), *zip(right, after_it, strict=True)]
            taken += [place for _, place in added if 0 <= place < len(places.token)]
            placed += added
            before += sizes[index] + lead + sum(sizes[k] for k in right)
        return placed

    def _is_behind(self, index: int) -> bool:
        """Does the asked distance fit behind the needle that it is from; otherwise it must in front of it."""
        insert, haystack = self.inserts[index], self.haystack
        depth = self.inserts[insert.needle].depth or 0.0
        begin = depth * (haystack - self.sizes[insert.needle])
        room = haystack - self.sizes[index] - begin
        if max(insert.gap, self.sizes[insert.needle]) <= room:
            return True
        if max(insert.gap, self.sizes[index]) <= begin:
            return False
        raise ImpossibleSample(
            f"Two halves {insert.gap:,} tokens apart, the first at depth {depth:g}, do not fit into a haystack of "
            f"{haystack:,} tokens: from that depth at most {int(max(room, begin)):,} are possible. Ask for a smaller "
            "gap, a longer length, or another depth."
        )

    def _sides(self, group: list[int], depth: float) -> tuple[list[int], list[int]]:
        """Near inserts that stand before their needle, and those that stand after it."""
        if depth in (0.0, 1.0):
            left, right = (group, []) if depth else ([], group)
        else:
            left, right = group[::2], group[1::2]
        for side in (left, right):
            if (taken := sum(self.sizes[index] for index in side)) > NEAR:
                fit = int(len(side) * NEAR / taken)
                raise ImpossibleSample(
                    f"{len(group)} distractors were asked for within {NEAR} tokens of the needle, and {len(side)} on "
                    f"one side of it take {taken:,.0f}: about {fit * (2 if left and right else 1)} fit. Ask for a "
                    "lower density, a shorter length, or distance=uniform."
                )
        return left, right
