from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longctx.backends.affinity import LEAST, Families, Homes, Lot, Piece, common, spill, split
from longctx.types import Sample


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.sets(st.integers(0, 3), min_size=1)), max_size=40))
def test_a_haystack_stays_at_its_engine_while_that_is_alive(asked: list[tuple[str, set[int]]]) -> None:
    homes: Homes[int] = Homes()
    load: Counter[int] = Counter()
    home: dict[str, int] = {}
    for haystack, alive in asked:
        chosen = homes.choose(haystack, sorted(alive), load.__getitem__)
        assert chosen in alive
        if home.get(haystack) in alive:
            assert chosen == home[haystack]
        else:
            assert load[chosen] == min(load[engine] for engine in alive)
        home[haystack] = chosen
        load[chosen] += 1


def test_few_haystacks_are_remembered_and_nameless_ones_never() -> None:
    homes: Homes[str] = Homes(remembered=2)
    for haystack in ("one", "two", "", "three"):
        assert homes.choose(haystack, ["a"], len) == "a"
    assert list(homes._homes) == ["two", "three"]


def sample(ids: list[int], haystack: str = "h") -> Sample:
    return Sample("s", "", "", {"haystack": haystack}, prompt_ids=np.array(ids, np.uint32))


def alike(one: list[int], other: list[int]) -> int:
    return next(
        (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(map(len, (one, other)))
    )


PROMPTS = st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=6), min_size=1, max_size=12)


@given(PROMPTS)
def test_what_samples_share_is_never_said_to_be_more_and_in_a_plans_order_never_less(prompts: list[list[int]]) -> None:
    for ordered in (prompts, sorted(prompts)):
        families = Families()
        assert [families.place(sample(ids)) for ids in ordered] == list(range(len(ordered)))
        for i, one in enumerate(ordered):
            for j, other in enumerate(ordered):
                assert common(sample(one).prompt_ids, sample(other).prompt_ids) == alike(one, other)
                if i != j:
                    assert families.overlap("h", i, j) <= alike(one, other)
                    assert ordered is prompts or families.overlap("h", i, j) == alike(one, other)


def test_few_prompts_are_kept_and_nameless_ones_never(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("longctx.backends.affinity._COMPARED", 10)
    families = Families(remembered=2)
    for haystack in ("one", "two", "", "three"):
        families.place(sample([1] * 4, haystack))
    assert list(families._newest) == ["two", "three"] == list(families._shared)
    assert families.place(sample([1] * 4, "two")) == 1 and families.overlap("two", 0, 1) == 4
    families.place(sample([1] * 4, "one"))  # it was forgotten, and begins anew
    assert families.overlap("one", 0, 1) == 0


COSTS = st.integers(0, 5 * LEAST)


@given(st.lists(st.tuples(COSTS, st.integers(-LEAST, 3 * LEAST)), max_size=8), COSTS, COSTS)
def test_a_split_saves_at_least_what_it_computes_again_and_no_other_saves_more(
    costs: list[tuple[int, int]], more: int, other: int
) -> None:
    fresh, again = [cost for cost, _ in costs], [cost for _, cost in costs]
    work = sum(fresh) + more

    def saved(first: int) -> int:
        moved = sum(fresh[first:])
        return max(work, other) - max(work - moved, other + moved + again[first])

    first, gain = split(fresh, again, work, other)
    worth = [saved(i) for i in range(len(fresh)) if saved(i) >= max(again[i], LEAST)] if work >= other else []
    if work >= other:
        assert gain == max(worth, default=0)
        assert first == len(fresh) if not worth else saved(first) == gain >= max(again[first], LEAST)


def engines(count: int) -> list[Lot[Piece]]:
    families = Families()
    return [Lot(families) for _ in range(count)]


def questions(count: int, shared: int, own: int, haystack: str = "h") -> list[Sample]:
    return [sample([1] * shared + [number + 2] * own, haystack) for number in range(count)]


def give(lot: Lot[Piece], samples: list[Sample]) -> list[Piece]:
    pieces = [Piece(one, lot._families.place(one)) for one in samples]
    for piece in pieces:
        lot.give(piece)
    return pieces


@pytest.mark.parametrize(
    ("count", "shared", "own", "moved"),
    [
        (200, 4_000, 100, 100),  # 24,000 tokens to compute: with 4,000 more, each has 14,000
        (200, 20_000, 100, 0),  # the prefix again takes longer than the questions
        (5, 4_000, 100, 0),
        (20, 0, 1_000, 10),
        (4, 500, 1_000, 0),
    ],
)
def test_a_large_family_is_split_where_it_pays_and_a_small_one_stays_whole(
    count: int, shared: int, own: int, moved: int
) -> None:
    home, idle = engines(2)
    give(home, questions(count, shared, own))
    before = home.work
    came = spill([home, idle], idle)
    assert len(came) == moved and [piece.place for piece in came] == list(range(count - moved, count))
    assert (home.work, idle.work) == (before - moved * own, moved * own + shared if moved else 0)
    assert not spill([home, idle], idle)  # once is enough


def test_the_rest_of_a_family_follows_without_another_prefill() -> None:
    home, idle = engines(2)
    give(home, questions(200, 4_000, 100))
    came = spill([home, idle], idle)
    for piece in came:
        idle.begin(piece)
        idle.done(piece)
    again = spill([home, idle], idle)
    assert again and idle.work == len(again) * 100  # its cache holds what they share
    home.forget()
    idle.forget()
    assert idle.fresh(again[0]) == 4_100


def test_a_family_that_was_not_begun_moves_as_a_whole() -> None:
    home, idle = engines(2)
    [first] = give(home, [sample([9] * 9_000, "other")])
    home.begin(first)
    whole = give(home, questions(10, 8_000, 50))
    assert spill([home, idle], idle) == whole and idle.work == 8_500


def test_what_shares_nothing_is_moved_as_well() -> None:
    home, idle = engines(2)
    give(home, [sample([1] * 3_000, "") for _ in range(4)])
    assert len(spill([home, idle], idle)) == 2 and home.work == idle.work == 6_000


@given(st.integers(0, 2**32))
def test_however_it_is_spilled_nothing_is_lost_doubled_or_made_longer(seed: int) -> None:
    rng = random.Random(seed)
    lots = engines(3)
    pieces = []
    for haystack in "abc":
        shared, own = rng.choice([0, 500, 3_000, 8_000]), rng.choice([50, 700])
        pieces += give(rng.choice(lots), questions(rng.randrange(1, 40), shared, own, haystack))
    for _ in range(30):
        busy = [lot for lot in lots if lot.waiting]
        if busy and rng.random() < 0.7:
            lot = rng.choice(busy)
            piece = lot.waiting[0]
            lot.begin(piece)
            lot.done(piece)
            pieces.remove(piece)
        idle = rng.choice(lots)
        if not idle.waiting:
            works = [lot.work for lot in lots]
            moved = spill(lots, idle)
            again = sum(lot.work for lot in lots) - sum(works)
            [home] = [i for i, lot in enumerate(lots) if lot.work < works[i]] or [None]
            if moved and home is not None:
                assert works[home] - max(lots[home].work, idle.work) >= max(again, LEAST)
        assert Counter(piece for lot in lots for piece in lot.waiting) == Counter(pieces)
        assert [lot.work for lot in lots] == [sum(piece.fresh for piece in lot.waiting) for lot in lots]
