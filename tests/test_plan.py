from __future__ import annotations

import itertools
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longctx.plan import CostCurve, in_order, make_plan, probes
from longctx.sweep import Sweep
from longctx.types import Cell, Sample


def sweep(**fields: Any) -> Sweep:
    return Sweep.from_fields({"corpora": ["b", "a"], "lengths": [64, 32, 128]}, fields)


def sample(cell: Cell, ids: list[int], haystack: str = "h") -> Sample:
    return Sample(repr(cell), "", "", {"haystack": haystack}, "", np.array(ids, np.uint32))


def trie_nodes(prompts: list[list[int]]) -> int:
    return len({tuple(ids[:end]) for ids in prompts for end in range(1, len(ids) + 1)})


@given(st.lists(st.lists(st.sampled_from([0, 1, 255, 256, 70_000]), min_size=1, max_size=6), min_size=1, max_size=12))
def test_tokens_computed_at_best_are_the_nodes_of_the_prefix_trie(prompts: list[list[int]]) -> None:
    cells = [Cell("t", "c", 8, index / 100) for index in range(len(prompts))]
    by_cell = dict(zip(cells, prompts, strict=True))
    plan, fresh = make_plan(cells, lambda cell: sample(cell, by_cell[cell]))
    assert plan.computed_at_best == sum(fresh) == trie_nodes(prompts)
    assert plan.prompt_tokens == sum(map(len, prompts))
    assert plan.longest == max(map(len, prompts))
    for index, prompt in enumerate(prompts):
        assert trie_nodes(prompts[: index + 1]) == sum(fresh[: index + 1]), prompt


def test_prefixes_of_other_corpora_and_seeds_are_not_counted_as_shared() -> None:
    cells = [Cell("t", "a", 3, 0), Cell("t", "b", 3, 0), Cell("t", "b", 3, 0, seed=1)]
    plan, fresh = make_plan(cells, lambda cell: sample(cell, [1, 2, 3], cell.corpus))
    assert fresh == [3, 3, 3]
    assert (plan.cells, plan.samples, plan.haystacks) == (2, 3, 2)


def test_an_empty_list_is_an_empty_plan() -> None:
    assert make_plan([], lambda cell: sample(cell, []))[0].to_json() == {
        "cells": 0,
        "samples": 0,
        "haystacks": 0,
        "prompt_tokens": 0,
        "longest": 0,
        "computed_at_best": 0,
        "controls": 0,
    }


def test_order_is_a_permutation_and_does_not_depend_on_the_order_before() -> None:
    cells = sweep(densities=[0, 3], samples=2, tasks=["x", "y"], variant={"tier": ["a", 1]}).cells()
    shuffled = random.Random(3).sample(cells, len(cells))
    assert in_order(cells) == in_order(shuffled)
    assert sorted(map(repr, cells)) == sorted(map(repr, in_order(cells)))


def test_shorter_lengths_come_first_and_every_corpus_before_the_next_seed() -> None:
    ordered = in_order(sweep(samples=2, densities=[0, 3]).cells())
    families = [key for key, _ in itertools.groupby(ordered, lambda cell: (cell.length, cell.seed, cell.corpus))]
    assert families == list(itertools.product([32, 64, 128], [0, 1], ["a", "b"]))


def test_questions_of_one_haystack_are_adjacent() -> None:
    ordered = in_order(sweep(questions_per_haystack=2, samples=2, densities=[0, 3]).cells())
    haystacks = [
        key
        for key, _ in itertools.groupby(
            ordered, lambda c: (c.task, c.length, c.corpus, c.seed, c.density, c.depths_together)
        )
    ]
    assert len(haystacks) == len(set(haystacks)) == 3 * 2 * 2 * 2 * 3


def timed(lengths: list[int], each: Any) -> CostCurve:
    curve = CostCurve()
    for length in lengths:
        curve.add(length, length, each(length))
    return curve


def test_cost_follows_growing_prefill() -> None:
    # seconds measured with SmolLM2-135M on two cores
    measured = {1024: 2.2, 2048: 5.9, 4096: 12.3}
    curve = timed(list(measured), measured.__getitem__)
    assert curve.seconds([7500], [7500]) == pytest.approx(33, rel=0.35)
    assert curve.seconds([7500, 7500], [7500, 7500]) == pytest.approx(2 * curve.seconds([7500], [7500]))


def test_cost_recovers_an_exact_law_with_shared_prefixes() -> None:
    def law(length: int, fresh: int) -> float:
        return 1e-3 * fresh + 2e-7 * (length**2 - (length - fresh) ** 2) + 0.4

    curve = CostCurve()
    for length, fresh in [(1000, 1000), (1000, 100), (4000, 4000), (4000, 50)]:
        curve.add(length, fresh, law(length, fresh))
    for length, fresh in [(8000, 8000), (8000, 100), (500, 500)]:
        assert curve.seconds([length], [fresh]) == pytest.approx(law(length, fresh))


def test_one_length_alone_foresees_that_longer_ones_cost_more_than_in_proportion() -> None:
    curve = timed([1000], lambda length: 1.0)
    assert 8 < curve.seconds([8000], [8000]) < 64


def test_cost_is_never_negative() -> None:
    curve = timed([1000, 2000, 3000], lambda length: 5000 - length)
    assert curve.seconds([10, 10**6], [0, 10**6]) >= 0


def test_nothing_timed_costs_nothing() -> None:
    assert CostCurve().seconds([1000], [1000]) == 0
    assert timed([1000], float).seconds([], []) == 0


def test_probes_are_the_shortest_and_a_middle_length() -> None:
    assert [cell.length for cell in probes(sweep().cells())] == [32, 64]
    assert [cell.length for cell in probes(sweep(lengths=[32]).cells())] == [32]
    assert probes([]) == []
