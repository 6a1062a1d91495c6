from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from stats_frames import answers

from longctx import stats
from longctx.claim import claim
from longctx.errors import UsageError
from longctx.stats.frontier import all_right_needed, lower_bound


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(1, n), st.just(n))))
def test_the_bound_is_exact(pair: tuple[int, int]) -> None:
    right, n = pair
    bound = float(lower_bound(np.array([right]), np.array([n]), 0.95)[0])
    assert binom.sf(right - 1, n, bound) == pytest.approx(0.05, abs=1e-6)
    assert 0 < bound < right / n or right == n


def test_29_of_29_show_90_percent_and_28_do_not() -> None:
    assert [all_right_needed(a) for a in (0.9, 0.95, 0.99)] == [29, 59, 299]
    assert stats.frontier(answers(lambda *_: 1.0, n=29), 0.9).length == 4096
    assert stats.frontier(answers(lambda *_: 1.0, n=28), 0.9).length is None


def test_one_bad_depth_ends_it_and_nothing_longer_is_certified() -> None:
    frame = answers(lambda length, depth, _: float((length, depth) != (2048, 0.5)), n=40)
    found = stats.frontier(frame, 0.8)
    assert (found.length, found.certified) == (1024, (True, False, False))
    assert found.worst.loc[1, ["depth", "right", "bound"]].tolist() == [0.5, 0, 0]


def test_every_stated_density_must_pass() -> None:
    frame = answers(lambda _, __, density: float(density < 4), densities=(0.0, 2.0, 4.0), n=40)
    assert stats.frontier(frame, 0.8).length is None
    assert stats.frontier(frame, 0.8, [0, 2]).length == 4096
    assert {density: found.length for density, found in stats.frontiers(frame, 0.8).items()} == {
        0: 4096,
        2: 4096,
        4: None,
    }
    with pytest.raises(UsageError, match="Density 3 was not asked; there is 0, 2, 4"):
        stats.frontier(frame, 0.8, [3])


def test_a_depth_that_was_not_asked_is_not_shown() -> None:
    frame = answers(lambda *_: 1.0, n=40)
    frame = frame[(frame["length_asked"] != 2048) | (frame["depth_asked"] != 0.5)]
    assert stats.frontier(frame, 0.8).length == 1024


def test_depths_drawn_by_seed_go_into_fifths() -> None:
    frame = answers(lambda *_: 1.0, depths=[None], n=200)
    frame["depth"] = np.tile(np.linspace(0, 1, 200), 3)
    found = stats.frontier(frame, 0.8)
    assert sorted(found.cells["depth"].unique()) == pytest.approx([0.1, 0.3, 0.5, 0.7, 0.9])
    assert found.length == 4096
    recorded = frame.assign(depth_asked=frame["depth"].round(2))  # as --depth random writes it
    assert stats.frontier(recorded, 0.8).cells.equals(found.cells)
    grid = answers(lambda *_: 1.0, depths=[d / 10 for d in range(11)], n=2)
    assert stats.frontier(grid, 0.8).cells["depth"].nunique() == 11
    apart = grid.assign(haystack=grid["id"])
    assert stats.frontier(apart, 0.8).cells["depth"].nunique() == 11


def test_partly_right_is_not_right() -> None:
    frame = answers(lambda *_: 1.0, n=40)
    frame["outcome"] = frame["outcome"].where(frame["seed"] > 0, "partial")
    assert stats.frontier(frame, 0.8).cells["right"].unique().tolist() == [39]


def test_the_needed_samples_are_enough_and_hardly_more() -> None:
    n = stats.samples_needed(0.9, 0.97)
    assert n is not None
    least = int(binom.isf(0.05, n, 0.9)) + 1
    assert binom.sf(least - 1, n, 0.97) >= 0.8
    assert n < 140
    assert stats.samples_needed(0.9, 0.9) is None


def test_the_sentence_by_hand() -> None:
    """40 samples a cell, all right at 1K and 2K: 40 of 40 show 0.05 ** (1 / 40) = 92.8 %; half at 4K."""
    frame = answers(lambda length, *_: float(length < 4096), n=40)
    manifest = {"yarn": {"factor": 2.0}}
    assert claim(frame, manifest, 0.9).text.startswith(
        "On contracts, m, served by vllm with YaRN factor 2, answers correctly in at least 90 % of cases up to 2K "
        "tokens, wherever the fact sits, without look-alikes, at 95 % confidence, for 10 generated tokens per right "
        "answer. Not shown at 4K tokens. The worst cell at 4K tokens, depth 0 % (start) and density 0, had 0 of 40 "
        "right"
    )
    assert claim(frame, {}, 0.95).length is None
    text = claim(frame, {}, 0.95).text
    assert "without YaRN: not shown at any length" in text
    assert "had 40 of 40 right, so that at least 92 % is shown. With all of them right, 59 answers" in text


def test_the_sentence_says_no_more_than_was_asked() -> None:
    frame = answers(lambda *_: 1.0, depths=[0.5], n=40, densities=(0.0, 8.0))
    found = claim(frame, {}, 0.9)
    assert "with the fact at 50 % of the documents, with up to 8 look-alikes per 10K tokens" in found.text
    assert (found.length, found.density) == (4096, 8)
    only = claim(frame.assign(output_tokens=pd.NA), {}, 0.9)
    assert only.tokens is None
    assert "generated" not in only.text
    assert "(a test double, no model)" in claim(frame.assign(double=True), {}, 0.9).text


def test_shared_haystacks_are_worth_less() -> None:
    frame = answers(lambda *_: 1.0, n=40)
    shared = frame.assign(haystack=frame["length_asked"].astype(str) + (frame["seed"] % 10).astype(str))
    assert stats.frontier(shared, 0.9).length is None
    assert stats.frontier(shared, 0.9).cells["worth"].unique().tolist() == [10]


def test_fewer_look_alikes_may_carry_further() -> None:
    frame = answers(lambda length, _, x: float(length * max(x, 1) <= 4096), densities=(0.0, 4.0), n=60)
    found = claim(frame, {}, 0.9)
    assert (found.length, found.density) == (1024, 4)
    assert "up to 1K tokens, wherever the fact sits, with up to 4 look-alikes per 10K tokens" in found.text
    assert "right answer. Without look-alikes: up to 4K tokens. Not shown at 2K tokens." in found.text


def test_answers_that_are_needed_are_of_as_many_seeds() -> None:
    twice = pd.concat([answers(lambda *_: 1.0, n=2, run="r", task=task) for task in ("niah_single", "latent")])
    found = claim(twice, {}, 0.9).text
    assert "had 4 of 4 right, so that at least 22 % is shown." in found
    assert "29 answers in each cell, each from a seed of its own, are needed" in found
    assert "29 answers in each cell are needed" in claim(answers(lambda *_: 1.0, n=4), {}, 0.9).text
