from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest
from stats_frames import answers
from statsmodels.stats.multitest import multipletests

from longctx import stats
from longctx.errors import UsageError
from longctx.stats.compare import holm, paired


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 25), st.integers(0, 25), st.integers(1, 100))
def test_mcnemar_is_the_sign_test_of_what_changed(lost: int, won: int, same: int) -> None:
    first = np.r_[np.ones(lost), np.zeros(won), np.ones(same)]
    second = np.r_[np.zeros(lost), np.ones(won), np.ones(same)]
    n = len(first)
    found = paired(first, second, np.arange(n))
    p = binomtest(won, lost + won).pvalue if lost + won else 1.0
    assert found["p_exact"] == pytest.approx(p)
    fewer, changed = min(lost, won), lost + won  # Fagerland, Lydersen & Laake 2013: half of what was seen counts
    middle = 1.0 if lost == won else 2 * binom.cdf(fewer - 1, changed, 0.5) + binom.pmf(fewer, changed, 0.5)
    assert found["p"] == pytest.approx(middle)
    assert (found["only_first"], found["only_second"], found["test"]) == (lost, won, "McNemar, mid-p")
    d = (won - lost) / (n + 2)
    half = 1.959964 * np.sqrt(((won + lost + 2) / (n + 2) - d * d) / (n + 2))  # Bonett & Price 2012
    assert found["low"] == pytest.approx(100 * max(d - half, -1), abs=1e-4)
    assert found["high"] == pytest.approx(100 * min(d + half, 1), abs=1e-4)


def test_shared_haystacks_widen_it_and_change_the_test() -> None:
    first = np.repeat([1.0, 1, 1, 1, 0, 0, 1, 1, 1, 1], 5)
    second = np.repeat([0.0, 0, 0, 1, 1, 0, 1, 1, 0, 1], 5)
    alone, shared = (paired(first, second, codes) for codes in (np.arange(50), np.repeat(np.arange(10), 5)))
    assert shared["test"] == "sign flips over clusters, mid-p"
    assert shared["high"] - shared["low"] > 2 * (alone["high"] - alone["low"]) * 0.9
    assert alone["p"] < 0.01
    assert shared["p"] == pytest.approx(7 / 32)  # 4 haystacks against 1: 2 of 32 sums are beyond, 10 as far


def test_sign_flips_count_half_of_what_is_as_far() -> None:
    """Four clusters of 1, 2, 2 and -1: of the 16 sums 2 are beyond ±4, 4 at it."""
    sums = np.array([1, 2, 2, -1])
    totals = np.array(list(itertools.product((1, -1), repeat=4))) @ np.abs(sums)
    beyond, same = (np.abs(totals) > 4).sum(), (np.abs(totals) == 4).sum()
    first, second = np.repeat([0, 0, 0, 1.0], [1, 2, 2, 1]), np.repeat([1.0, 1, 1, 0], [1, 2, 2, 1])
    found = paired(first, second, np.repeat(np.arange(4), [1, 2, 2, 1]))
    assert found["p"] == pytest.approx((beyond + same / 2) / 16)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.01, 0.04, 1.0])), min_size=1, max_size=12))
def test_holm_is_statsmodels(p: list[float]) -> None:
    assert holm(np.array(p)) == pytest.approx(multipletests(p, method="holm")[1])


def test_strata_flips_and_holm() -> None:
    first = answers(lambda *_: 1.0, depths=[0.5], n=20)
    second = first.copy()
    second.loc[(second["length_asked"] == 4096) & (second["seed"] < 12), "score"] = 0.0
    found = stats.compare(first, second.sample(frac=1, random_state=1), ["length"])
    assert found["length"].tolist() == [1024, 2048, 4096]
    assert found["only_first"].tolist() == [0, 0, 12]
    assert found["points"].tolist() == pytest.approx([0, 0, -60])
    assert (found["p_holm"] >= found["p"]).all()
    flips = stats.flips(first, second)
    assert (flips["flip"] == "lost").all()
    assert flips["length_asked"].unique().tolist() == [4096]


def test_only_what_both_answered_counts() -> None:
    first = answers(lambda *_: 1.0, n=4)
    second = first.iloc[10:].copy()
    second.loc[second.index[:5], "score"] = np.nan
    second["outcome"] = second["outcome"].where(second["score"].notna(), "error")
    assert stats.compare(first, second)["n"].tolist() == [len(first) - 15]


def test_other_tokenizers_are_matched_by_cell_and_question() -> None:
    first = answers(lambda *_: 1.0, n=4)
    second = first.assign(id="x" + first["id"])
    assert stats.pairs(first, second)["matched"].unique().tolist() == ["cell"]
    with pytest.raises(UsageError, match="no answered sample in common"):
        stats.pairs(first, second.assign(question="another"))
    with pytest.raises(UsageError, match="holds a sample twice"):
        stats.pairs(pd.concat([first, first]), first)


def test_attribution_by_hand() -> None:
    frame = answers(lambda *_: 0.0, lengths=[1024], depths=[0.5], n=5)
    frame["score"] = [1.0, 1.0, 0.0, 0.0, 0.0]  # q0 … q4
    closed = frame.assign(control="closed-book", score=[0.0, 1.0, 0.0, 0.0, 0.0]).iloc[:4]
    short = frame.assign(control="short", score=[1.0, 1.0, 1.0, 0.0, 1.0])
    found = stats.attribution(pd.concat([frame, closed, short], ignore_index=True)).set_index("part")
    assert found["count"].to_dict() == {"right": 1, "known": 1, "context": 1, "unable": 1}
    assert found["n"].unique().tolist() == [4]
    assert found["unmatched"].unique().tolist() == [1]
    assert found["share"].sum() == pytest.approx(1)
    with pytest.raises(UsageError, match="no short control"):
        stats.attribution(pd.concat([frame, closed]))


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.sampled_from(stats.OUTCOMES), st.sampled_from([1024, 2048])), min_size=1, max_size=40))
def test_outcomes_add_up(drawn: list[tuple[str, int]]) -> None:
    frame = answers(lambda *_: 1.0, lengths=[1024], depths=[0.5], n=len(drawn))
    frame["outcome"] = pd.Categorical([outcome for outcome, _ in drawn], categories=stats.OUTCOMES)
    frame["length_asked"] = [length for _, length in drawn]
    for by in ([], ["length"], ["length", "task"]):
        found = stats.outcomes(frame, by)
        assert found["count"].sum() == len(drawn)
        assert found.groupby(by or np.zeros(len(found)))["share"].sum().to_numpy() == pytest.approx(1)
        assert len(found) == 12 * (len({length for _, length in drawn}) if by else 1)
