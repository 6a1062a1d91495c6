from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from factories import ERROR, RIGHT, WRONG, fading, make_run
from hypothesis import given, settings
from hypothesis import strategies as st
from stats_frames import answers

from longctx import stats, table
from longctx.errors import UsageError


def by_formula(right: int, n: int) -> tuple[float, float]:
    """Wilson's interval as printed in textbooks; 1.959964 is the normal distribution's 97.5 % point."""
    z = 1.959963984540054
    p = right / n
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


@settings(deadline=None)
@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_the_textbook_formula_and_stays_inside(pair: tuple[int, int]) -> None:
    right, n = pair
    low, high = (float(bound[0]) for bound in stats.wilson([right], [n]))
    assert (low, high) == pytest.approx(by_formula(right, n), abs=1e-12)
    assert 0 <= low <= right / n <= high <= 1
    assert (low == 0) == (right == 0)
    assert (high == 1) == (right == n)


def test_no_answer_at_all_is_said() -> None:
    frame = answers(lambda *_: 1.0, n=2)
    failed = frame.assign(score=float("nan"), outcome="error")
    for none in (failed, frame.iloc[:0]):
        assert stats.effects(none)["why_not"].tolist() == ["all answers have the same score, or there are too few"]
        assert stats.halving(none)["why_not"].str.len().gt(0).all()
        for effective in (stats.nolima, stats.ruler, lambda frame: stats.threshold(frame, 0.9)):
            with pytest.raises(UsageError, match="No answer"):
                effective(none)
    assert stats.summary(failed)["errors"] == len(frame)
    with pytest.raises(UsageError, match="no sample"):
        stats.summary(frame.iloc[:0])


def test_wilson_of_nothing_is_missing() -> None:
    low, high = stats.wilson([0, 3], [0, 3])
    assert np.isnan([low[0], high[0]]).all()
    assert high[1] == 1


def test_cells_by_hand(tmp_path: Path) -> None:
    outcomes = [RIGHT, WRONG, WRONG | {"outcome": "truncated"}, WRONG | {"outcome": "empty"}, ERROR]
    frame = table.load(make_run(tmp_path / "a", [1024, 2048], [0.5], n=5, answer=lambda _, __, i: outcomes[i]))
    cells = stats.cells(frame)
    assert list(cells.columns) == [
        "length",
        "depth",
        "n",
        "right",
        "accuracy",
        "low",
        "high",
        "partial",
        "truncated",
        "empty",
        "errors",
        "haystacks",
        "clusters",
        "deff",
    ]
    assert cells.iloc[0].tolist()[:5] == [1024, 0.5, 4, 1, 0.25]
    assert cells.iloc[0].tolist()[7:] == [0, 1, 1, 1, 4, 4, 1]
    assert cells.loc[0, ["low", "high"]].tolist() == pytest.approx(by_formula(1, 4))
    assert stats.cells(frame, []).iloc[0]["n"] == 8


def test_errors_never_enter_an_accuracy(tmp_path: Path) -> None:
    with_errors = make_run(
        tmp_path / "a", n=4, answer=lambda *at: ERROR | {"score": 0.0} if at[2] == 3 else fading(*at)
    )
    without = make_run(tmp_path / "b", n=3, answer=fading)
    columns = ["n", "right", "accuracy", "low", "high"]
    for by in ([], ["length"], ["depth"], ["length", "depth"]):
        found = [stats.cells(table.load(run), by)[columns] for run in (with_errors, without)]
        pd.testing.assert_frame_equal(*found)


def test_a_cell_of_errors_alone_has_no_accuracy(tmp_path: Path) -> None:
    cells = stats.cells(table.load(make_run(tmp_path / "a", n=2, answer=lambda *_: ERROR)))
    assert cells[["accuracy", "low", "high"]].isna().all(axis=None)
    assert (cells["errors"] == 2).all()


@settings(deadline=None)
@given(st.lists(st.sampled_from(["right", "wrong", "error", "empty"]), min_size=1, max_size=30))
def test_counts_add_up(outcomes: list[str]) -> None:
    frame = pd.DataFrame({"outcome": outcomes, "length_asked": 1, "depth_asked": 0.5, "density_asked": 0.0})
    frame["score"] = frame["outcome"].map({"right": 1.0, "wrong": 0.0, "empty": 0.0})
    cell = stats.cells(frame, ["length"]).iloc[0]
    assert cell["n"] + cell["errors"] == len(outcomes)
    assert cell["right"] == outcomes.count("right")
    assert cell["empty"] == outcomes.count("empty")


def test_fractional_scores_are_bootstrapped_the_same_way_each_time(tmp_path: Path) -> None:
    scores = np.random.default_rng(1).uniform(0.3, 0.7, 40).tolist()
    run = make_run(
        tmp_path / "a", [1024], [0.5], n=40, answer=lambda _, __, i: {"outcome": "partial", "score": scores[i]}
    )
    frame = table.load(run)
    first, second = stats.cells(frame), stats.cells(frame.iloc[::-1])
    mean, error = np.mean(scores), np.std(scores, ddof=1) / math.sqrt(40)
    assert first.loc[0, "accuracy"] == pytest.approx(mean)
    assert first.loc[0, ["low", "high"]].tolist() == pytest.approx([mean - 1.96 * error, mean + 1.96 * error], abs=0.01)
    assert stats.cells(frame).equals(first)
    assert second.loc[0, "low"] == pytest.approx(first.loc[0, "low"], abs=0.01)


@pytest.mark.parametrize("scores", [[0.5], [0.5, 0.5, 0.5, 0.5], [0.2, 0.9]])
def test_too_little_to_bootstrap_gives_the_widest_interval(scores: list[float]) -> None:
    low, high = stats.bootstrap(np.array(scores))
    assert (low, high) == pytest.approx(by_formula(sum(scores), len(scores)))  # type: ignore[arg-type]


def test_fractions_do_not_change_their_neighbours(tmp_path: Path) -> None:
    def answer(length: int, depth: float, i: int) -> dict[str, object]:
        return {"outcome": "partial", "score": (0.1, 0.5, 0.8, 0.6)[i]} if length == 2048 else RIGHT

    cells = stats.cells(table.load(make_run(tmp_path / "a", [1024, 2048, 4096], [0.5], n=4, answer=answer)))
    assert cells["low"].tolist()[::2] == pytest.approx([by_formula(4, 4)[0]] * 2)
    assert 0.1 < cells.loc[1, "low"] < 0.5 < cells.loc[1, "high"] < 0.8


def test_asked_depth_groups_and_measured_does_not(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", [1024], [0.25], n=4, answer=lambda _, d, i: RIGHT | {"depth": d + i / 1000})
    frame = table.load(run)
    assert len(stats.cells(frame, ["depth"])) == 1
    assert stats.cells(frame, ["depth"])["depth"].tolist() == [0.25]


@pytest.mark.parametrize(
    ("by", "said"), [(["dpeth"], "Did you mean 'depth'"), (["output_text"], "Available"), (["task", "task"], "twice")]
)
def test_unknown_columns_are_named(tmp_path: Path, by: list[str], said: str) -> None:
    frame = table.load(make_run(tmp_path / "a", n=1))
    with pytest.raises(UsageError, match=said):
        stats.cells(frame, by)


def test_summary_names_best_and_worst(tmp_path: Path) -> None:
    run = make_run(
        tmp_path / "a", [1024, 2048], [0.0, 1.0], n=3, answer=lambda n, d, i: WRONG if n == 2048 and d == 0 else RIGHT
    )
    found = stats.summary(table.load(run))
    assert (found["n"], found["right"], found["accuracy"]) == (12, 9, 0.75)
    assert found["best"]["length"]["length"] == 1024
    assert found["worst"]["length"]["accuracy"] == 0.5
    assert (found["best"]["depth"]["depth"], found["worst"]["depth"]["depth"]) == (1, 0)
    assert (found["lengths"], found["depths"]) == ([1024, 2048], [0, 1])


def test_rows_over_several_lengths_count_seeds_and_cells_count_haystacks() -> None:
    frame = answers(lambda length, *_: float(length > 1024), lengths=[1024, 2048, 4096], depths=[0.0, 1.0], n=6)
    whole, length = stats.cells(frame, []).iloc[0], stats.cells(frame, ["length"]).iloc[0]
    assert (whole["haystacks"], whole["clusters"]) == (18, 6)
    assert (length["haystacks"], length["clusters"]) == (6, 6)
    never = stats.cells(frame.assign(score=0.0), ["depth"]).iloc[0]  # 0 of 18, but of 6 seeds
    assert never["high"] == pytest.approx(by_formula(0, 6)[1])
    apart = frame.assign(seed=frame["seed"] + 100 * frame["length_asked"])  # each length draws facts of its own
    assert stats.cells(apart, ["depth"])["clusters"].tolist() == [18, 18]
    no_seed = frame.assign(seed=pd.array([pd.NA] * len(frame), dtype="Int64"))
    assert stats.cells(no_seed, ["depth"])["clusters"].tolist() == [18, 18]


def test_few_fractional_clusters_are_no_bootstrap() -> None:
    frame = answers(lambda *_: 1.0, lengths=[1024, 2048], depths=[0.5], n=5)
    frame["score"] = np.tile([0.4, 0.5, 0.6, 0.5, 0.5], 2)
    found = stats.cells(frame, ["depth"]).iloc[0]
    assert found["clusters"] == 5
    assert found["high"] - found["low"] > 0.5  # five seeds alike say little about a sixth
