from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longctx.cost import CostCurve, Prices, probes
from longctx.errors import UsageError
from longctx.plan import Cache, Plan, in_order, make_plan
from longctx.sweep import Sweep
from longctx.types import Cell, Sample


def sweep(**fields: Any) -> Sweep:
    return Sweep.from_fields({"corpora": ["b", "a"], "lengths": [64, 32, 128]}, fields)


def sample(cell: Cell, ids: list[int], haystack: str = "h") -> Sample:
    return Sample(repr(cell), "", "", {"haystack": haystack}, "", np.array(ids, np.uint32))


def trie_nodes(prompts: list[list[int]]) -> int:
    return len({tuple(ids[:end]) for ids in prompts for end in range(1, len(ids) + 1)})


PROMPTS = st.lists(st.lists(st.sampled_from([0, 1, 255, 256, 70_000]), min_size=1, max_size=9), min_size=1, max_size=12)


def plan_of(prompts: list[list[int]]) -> tuple[Plan, list[list[int]]]:
    """A plan of one family, and the prompts in its order."""
    cells = [Cell("t", "c", 8, index / 100) for index in range(len(prompts))]
    by_cell = dict(zip(cells, prompts, strict=True))
    plan = make_plan(cells, lambda cell: sample(cell, by_cell[cell]))
    return plan, [by_cell[cell] for cell in plan.cells]


def test_nested_lengths_of_a_seed_are_one_family_and_asked_in_one_walk() -> None:
    cells = sweep(lengths=[32, 64], depths=[0.5], samples=2, nested=True, tasks=["niah_single"]).cells()
    assert {cell.nested for cell in cells} == {64}
    order = [(cell.seed, cell.corpus, cell.length) for cell in in_order(cells)]
    assert order == [(seed, corpus, length) for seed in (0, 1) for corpus in ("a", "b") for length in (32, 64)]


def test_lengths_of_a_mixed_corpus_cannot_be_nested() -> None:
    with pytest.raises(UsageError, match="nested is not possible with the mixed corpus contracts=0.5,code=0.5"):
        sweep(corpora=["contracts=0.5,code=0.5"], nested=True)


@given(PROMPTS)
def test_tokens_computed_at_best_are_the_nodes_of_the_prefix_trie(prompts: list[list[int]]) -> None:
    plan, ordered = plan_of(prompts)
    assert sorted(ordered) == sorted(prompts)
    assert plan.floor == trie_nodes(prompts)
    assert plan.lengths.tolist() == [len(ids) for ids in ordered]
    for index in range(len(prompts)):
        assert trie_nodes(ordered[: index + 1]) == (plan.lengths - plan.shared)[: index + 1].sum()


def served(prompts: list[list[int]], block: int, capacity: int) -> int:
    """Tokens that a server computes whose cache holds `capacity` blocks and gives up the longest unused first.

    Of the blocks of one prompt the last are given up first, as vLLM does it. A prompt needs room for all its blocks.
    """
    held: dict[tuple[int, ...], None] = {}  # the next to be given up first
    computed = 0
    for ids in prompts:
        blocks = [tuple(ids[:end]) for end in range(block, len(ids) + 1, block)]
        usable = [name for name in blocks if len(name) < len(ids)]
        found = list(itertools.takewhile(held.__contains__, usable))
        computed += len(ids) - block * len(found)
        for name in blocks:
            held.pop(name, None)
        while len(held) + len(blocks) > capacity:
            held.pop(next(iter(held)))
        held.update(dict.fromkeys(reversed(blocks)))
    return computed


@given(PROMPTS, st.sampled_from([1, 2, 3]), st.integers(0, 5))
def test_a_cache_that_holds_the_longest_prompt_computes_what_the_plan_expects(
    prompts: list[list[int]], block: int, spare: int
) -> None:
    plan, ordered = plan_of(prompts)
    longest = max(map(len, prompts)) // block
    assert served(ordered, block, longest + spare) == plan.computed(Cache(block)).sum()
    if block == 1:
        again = len(prompts) - len({tuple(ids) for ids in prompts})  # the last token of a prompt is always computed
        assert plan.computed(Cache(1)).sum() - plan.floor <= again + len(prompts)


@given(PROMPTS, st.randoms(use_true_random=False))
def test_no_order_is_better_for_a_small_cache_than_the_planned_one(prompts: list[list[int]], rng: Any) -> None:
    _, ordered = plan_of(prompts)
    longest = max(map(len, prompts))
    shuffled = rng.sample(prompts, len(prompts))
    assert served(ordered, 1, longest) <= served(shuffled, 1, longest)


def test_a_prompt_longer_than_the_cache_leaves_nothing_behind() -> None:
    plan, _ = plan_of([[1, 2, 3, 4, 5], [1, 2, 3, 4, 6]])
    assert plan.computed(Cache(1)).tolist() == [5, 1]
    assert plan.computed(Cache(1, tokens=4)).tolist() == [5, 5]
    assert plan.computed(Cache(4)).tolist() == [5, 1] and plan.computed(Cache(3)).tolist() == [5, 2]


def test_points_are_counted_without_their_seeds() -> None:
    cells = [Cell("t", "a", 3, 0), Cell("t", "b", 3, 0), Cell("t", "b", 3, 0, seed=1)]
    plan = make_plan(cells, lambda cell: sample(cell, [1, 2, 3], cell.corpus))
    assert (plan.points, len(plan.cells), plan.haystacks) == (2, 3, 2)


def test_an_empty_list_is_an_empty_plan() -> None:
    assert make_plan([], lambda cell: sample(cell, [])).to_json(Cache(16)) == {
        "cells": 0,
        "samples": 0,
        "haystacks": 0,
        "prompt_tokens": 0,
        "longest": 0,
        "computed_at_best": 0,
        "controls": 0,
        "nested": 0,
        "cache_block": 16,
        "computed_expected": 0,
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


def test_money_by_a_list_of_prices(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text('currency = "EUR"\ninput = 2.0\noutput = 10\ncached_input = 0.5\n')
    assert Prices.read(file).cost(1_000_000, 2_000_000, 100_000) == pytest.approx(2 + 1 + 1)
    file.write_text('currency = "EUR"\ninput = 2.0\noutput = 10\n')
    assert Prices.read(file).cached_input == 2.0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('currency = "EUR"\ninput = 2.0\n', "lack output"),
        ('currency = "EUR"\ninput = -1\noutput = 1\n', "input is -1"),
        ('currency = "EUR"\ninput = 1\noutput = 1\ninputs = 2\n', "Did you mean 'input'"),
        ("currency", "cannot be read"),
    ],
)
def test_a_list_of_prices_that_cannot_be_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "prices.toml").write_text(text)
    with pytest.raises(UsageError, match=said):
        Prices.read(tmp_path / "prices.toml")
