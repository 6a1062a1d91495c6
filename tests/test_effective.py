from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from stats_frames import answers

from longctx import stats
from longctx.errors import UsageError
from longctx.ruler_table import TASKS


def half(length: int, depth: float, density: float) -> float:
    return {1024: 1.0, 2048: 1.0, 4096: 0.0}[length]


def test_the_crossing_is_where_the_line_between_two_lengths_meets_the_threshold() -> None:
    found = stats.threshold(answers(half), 0.5)
    assert (found.length, found.averages) == (2048, (1, 1, 0))
    assert found.crossing == pytest.approx(2048 * math.sqrt(2), rel=1e-6)
    assert 2048 < found.low < found.crossing < found.high < 4096


@pytest.mark.parametrize(
    ("chance", "length", "low", "high"), [(1.0, 4096, 4096, math.inf), (0.0, None, 0, 1024), (0.5, None, 0, math.inf)]
)
def test_ends_beyond_the_tested_lengths_are_open(chance: float, length: int | None, low: float, high: float) -> None:
    frame = answers(lambda *_: chance, n=400)
    frame["score"] = frame["score"] if chance != 0.5 else np.arange(len(frame)) % 2
    found = stats.threshold(frame, 0.5)
    assert (found.length, found.low, found.high) == (length, low, high)


def test_nolima_counts_lengths_up_to_1024_as_the_base_and_includes_the_edge() -> None:
    frame = answers(lambda *_: 1.0, lengths=[250, 500, 1024, 2048, 4096], n=20)
    frame.loc[(frame["length_asked"] == 2048) & (frame["seed"] < 3), "score"] = 0.0
    frame.loc[(frame["length_asked"] == 4096) & (frame["seed"] < 4), "score"] = 0.0
    found = stats.nolima(frame)
    assert found.base_lengths == (250, 500, 1024)
    assert (found.base, found.threshold, found.length) == (1, 0.85, 2048)


def test_ruler_is_above_85_6_on_all_thirteen() -> None:
    parts = [answers(lambda *_: 1.0, n=4, depths=[None], task=task) for task in TASKS]
    frame = pd.concat(parts, ignore_index=True)
    miss = frame["task"].isin(TASKS[:2]) & (frame["length_asked"] == 4096)
    frame.loc[miss, "score"] = 0.0  # 11 of 13 = 84.6
    found = stats.ruler(frame)
    assert (found.length, found.rule, round(found.averages[-1], 3)) == (2048, "ruler", 0.846)
    assert found.averages[-1] == 84.62 / 100  # rounded as RULER's table is
    with pytest.raises(UsageError, match="No length has an answer for each of 13 tasks"):
        stats.ruler(frame[frame["task"] != TASKS[3]])


def test_errors_and_controls_do_not_count() -> None:
    frame = answers(half)
    more = pd.concat(
        [
            frame,
            frame.assign(control="short", score=0.0),
            frame.assign(outcome=pd.Categorical(["error"] * len(frame), frame["outcome"].cat.categories), score=0.0),
        ]
    )
    assert stats.threshold(more, 0.5) == stats.threshold(frame, 0.5)


def test_intervals_cover_a_known_crossing() -> None:
    chances = {1024: 0.95, 2048: 0.8, 4096: 0.5}
    truth = 2048 * 2 ** ((0.8 - 0.7) / (0.8 - 0.5))
    runs = [stats.threshold(answers(lambda n, *_: chances[n], seed=s), 0.7) for s in range(60)]
    assert 51 <= sum(one.low <= truth <= one.high for one in runs) <= 60
    assert np.median([one.high / max(one.low, 1) for one in runs]) < 2  # and say something
