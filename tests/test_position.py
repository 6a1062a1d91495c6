from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_rel
from stats_frames import answers

from longctx import stats
from longctx.stats import model
from longctx.stats.picks import chance_test


def dip(length: int, depth: float, density: float) -> float:
    return 0.9 - 1.6 * depth * (1 - depth)


def row(table: pd.DataFrame, column: str, value: str) -> pd.Series:
    return table[table[column] == value].iloc[0]


def test_ends_that_are_all_right_are_compared_without_a_warning() -> None:
    frame = answers(lambda *_: 1.0, lengths=[1024], depths=[None], n=40)
    frame["depth_asked"] = frame["depth"] = np.linspace(0, 1, 40)
    frame.loc[frame["seed"].isin([15, 19, 22]), "score"] = 0.0
    pooled = pd.concat([frame, frame.assign(length_asked=2048, haystack=frame["haystack"] + "b")])
    for some in (frame, pooled):  # pooled: means of two answers, in which rounding leaves a trace of spread
        found = stats.lost_in_the_middle(some).set_index("contrast")
        assert found["design"].eq("unpaired").all() and found.loc["primacy", "points"] == pytest.approx(15, abs=1)


def test_no_interval_of_a_difference_is_wider_than_differences_can_be() -> None:
    frame = answers(lambda _, depth, __: float(depth != 0.5), lengths=[1024], n=2)
    frame.loc[(frame["seed"] == 0) & (frame["depth_asked"] == 0.5), "score"] = 1.0
    found = stats.lost_in_the_middle(frame)
    assert (
        (found["points"] > 0).all() and found["low"].tolist() == [-100.0] * 3 and found["high"].tolist() == [100.0] * 3
    )


def test_effects_are_near_the_truth_in_points() -> None:
    frame = answers(lambda n, d, x: 0.9 - 0.1 * math.log2(n / 1024) - 0.04 * x, densities=(0.0, 4.0), n=120)
    found = stats.effects(frame)
    for name, truth in (("length doubled", -10), ("density: one more distractor per 10K tokens", -4)):
        one = row(found, "effect", name)
        assert one["low"] < truth < one["high"]
        assert one["high"] - one["low"] < 6
    ends = row(found, "effect", "depth: end against start")
    assert ends["low"] < 0 < ends["high"]


def test_what_does_not_vary_is_named() -> None:
    found = stats.effects(answers(dip, lengths=[1024], n=60))
    assert row(found, "effect", "length")["why_not"] == "the same for all samples"
    assert row(found, "effect", "density")["why_not"] == "the same for all samples"
    assert row(found, "effect", "depth: middle against ends")["points"] < -20


def test_separation_has_no_finite_size() -> None:
    found = stats.effects(answers(lambda length, *_: float(length < 4096), n=30))
    assert "separation" in row(found, "effect", "length")["why_not"]
    assert np.isnan(row(found, "effect", "length")["points"])
    partly = answers(lambda length, *_: 0.5 if length < 4096 else 0.0, n=30)  # still finite beside 1K and 2K
    assert set(stats.effects(partly)["effect"]) >= {"length doubled"}


def test_columns_that_say_the_same_and_nothing_to_fit() -> None:
    frame = answers(dip, n=30, densities=(0.0,))
    frame["density_asked"] = np.log2(frame["length_asked"])
    assert "says nothing beside" in row(stats.effects(frame), "effect", "density")["why_not"]
    assert stats.effects(answers(lambda *_: 1.0))["why_not"].tolist() == [
        "all answers have the same score, or there are too few"
    ]


def test_tiers_and_formats_are_against_the_commonest() -> None:
    frame = answers(lambda *_: 0.6, densities=(2.0,), n=60)
    frame["variant.tier"] = np.where(frame["seed"] % 2, "entity", "template")
    frame["host_format"] = np.where(frame["seed"] % 3, "text", "pdf")
    names = set(stats.effects(frame)["effect"])
    assert {"tier=entity", "format=pdf"} <= names
    assert "tier=template" not in names


def test_errors_are_clustered_by_haystack() -> None:
    frame = answers(lambda *_: 0.5, lengths=[1024, 4096], n=30)
    first = frame.groupby("haystack")["score"].transform("first")
    frame["score"] = first  # one haystack, one verdict
    together, alone = model.fit(frame, ["length"]), model.fit(frame.assign(haystack=""), ["length"])
    assert together is not None
    assert alone is not None
    assert together.beta == pytest.approx(alone.beta)
    assert together.cov[1, 1] / alone.cov[1, 1] == pytest.approx(5, rel=0.1)  # five depths count as one


def test_lost_in_the_middle_is_a_paired_t_test() -> None:
    frame = answers(dip, lengths=[1024], n=60)
    wide = frame.pivot_table(index="haystack", columns="depth", values="score")
    middle, ends = wide[[0.25, 0.5, 0.75]].mean(axis=1), wide[[0.0, 1.0]].mean(axis=1)
    found = row(stats.lost_in_the_middle(frame), "contrast", "lost in the middle")
    assert found["p"] == pytest.approx(ttest_rel(ends, middle).pvalue)
    assert found["points"] == pytest.approx(100 * (ends - middle).mean())
    assert found[["design", "clusters"]].tolist() == ["paired", 60]


def test_primacy_and_recency_apart() -> None:
    found = stats.lost_in_the_middle(answers(lambda _, depth, __: 0.95 if depth == 0 else 0.5, n=60), ("length",))
    assert (row(found, "contrast", "primacy")["p_holm"], row(found, "contrast", "recency")["p_holm"]) < (0.001, 1.01)
    assert (found["p_holm"] >= found["p"]).all()
    assert len(found) == 9


def test_haystacks_with_one_depth_each_are_unpaired() -> None:
    frame = answers(dip, lengths=[1024], n=150)
    frame = frame[frame["depth_asked"] == (frame["seed"] % 5) / 4]
    found = stats.lost_in_the_middle(frame)
    assert set(found["design"]) == {"unpaired"}
    assert row(found, "contrast", "lost in the middle")["p"] < 0.05
    ends = stats.lost_in_the_middle(frame[frame["depth_asked"] < 0.1])
    assert set(ends["design"]) == {"not tested"}


def test_no_spread_is_no_effect() -> None:
    found = stats.lost_in_the_middle(answers(lambda *_: 1.0))
    assert found[["points", "p"]].drop_duplicates().to_numpy().tolist() == [[0, 1]]


def test_the_density_that_halves_the_odds() -> None:
    frame = answers(lambda _, __, x: (o := 4 * 0.5 ** (x / 5)) / (1 + o), lengths=[1024], densities=(0, 2, 4, 8), n=150)
    found = stats.halving(frame).iloc[0]
    assert 0 < found["low"] < 5 < found["high"] < 8
    harmless = stats.halving(answers(lambda *_: 0.7, densities=(0, 4), n=40)).iloc[0]
    assert harmless["high"] == math.inf
    assert stats.halving(answers(dip)).iloc[0]["why_not"] == "the same for all samples"


def test_samples_without_distractors_belong_to_every_tier() -> None:
    frame = answers(dip, densities=(0.0, 4.0), n=10)
    frame["variant.tier"] = np.where((frame["seed"] % 2 == 1) & (frame["density_asked"] > 0), "entity", "template")
    found = stats.by_tier(frame)
    assert found[["tier", "density", "n"]].to_numpy().tolist() == [
        ["entity", 0, 150], ["entity", 4, 75], ["template", 0, 150], ["template", 4, 75],
    ]  # fmt: skip


def test_picks_against_chance() -> None:
    frame = answers(lambda *_: 0.0, lengths=[1024], depths=[0.5], n=40, n_distractors=4)
    frame = frame.assign(outcome="distractor", picked_tier="template", picked_nearness=0.875)  # always the nearest
    frame["picked_lateness"] = (frame["seed"] % 4 + 0.5) / 4
    found = stats.preference(frame)
    nearer, later = row(found, "which", "nearer"), row(found, "which", "later")
    assert (nearer["n"], nearer["share"]) == (40, 1)
    assert nearer["p"] < 0.001 < 0.9 < later["p"]
    assert later["share"] == pytest.approx(0.5)
    assert stats.picks(frame).to_numpy().tolist() == [["template", 40, 40]]
    assert stats.preference(frame.assign(n_distractors=1))["n"].tolist() == [0, 0]


def test_chance_is_found_to_be_chance() -> None:
    rng = np.random.default_rng(3)
    counts = [rng.integers(2, 9, 30) for _ in range(40)]
    ps = [chance_test((np.floor(rng.random(30) * k) + 0.5) / k, k)["p"] for k in counts]
    assert 0.3 < np.mean(ps) < 0.7


def test_few_clusters_give_points_without_an_interval() -> None:
    found = stats.effects(answers(dip, n=5))
    lines = found[found["points"].notna()]
    assert len(lines) and lines[["low", "high", "p"]].isna().all(axis=None)
    assert lines["why_not"].str.contains("too few").all()
    enough = stats.effects(answers(dip, n=12))
    assert enough.loc[enough["points"].notna(), "low"].notna().all()
