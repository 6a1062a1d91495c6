from __future__ import annotations

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from longctx.cuts import LINE, PARAGRAPH, SENTENCE
from longctx.placement import Boundary, Places, spread

GAPS = st.lists(st.tuples(st.integers(1, 400), st.sampled_from([LINE, SENTENCE, PARAGRAPH])), min_size=1, max_size=60)
BOUNDARIES = st.sampled_from(["paragraph", "sentence", "definition"])


def places(gaps: list[tuple[int, int]]) -> Places:
    tokens = np.cumsum([gap for gap, _ in gaps])
    numbers = np.arange(len(gaps))
    return Places(numbers, numbers, tokens, np.array([rank for _, rank in gaps], np.uint8))


@given(gaps=GAPS, more=GAPS, count=st.integers(1, 12), boundary=BOUNDARIES, seed=st.integers(0, 99))
def test_distractors_of_a_nested_haystack_stand_as_in_a_longer_one(
    gaps: list[tuple[int, int]], more: list[tuple[int, int]], count: int, boundary: Boundary, seed: int
) -> None:
    good = PARAGRAPH if boundary == "definition" else SENTENCE
    gaps = [(200, good), *gaps]  # a text without any good place puts them between its lines
    short, long = (
        spread(places(own), [30.0] * count, 500.0, random.Random(seed), boundary) for own in (gaps, gaps + more)
    )
    end = places(gaps).token[-1]
    for index, (one, other) in enumerate(zip(short, long, strict=True)):
        if one == len(gaps):  # behind all filler: in the longer one it stands behind that too, or near its end
            assert other >= len(gaps) or places(gaps).token[other] > end - 128
        elif one != other:  # a better place within reach of its own lies behind the shorter one's end
            assert places(gaps).token[one] + 128 > end and other >= len(gaps)
        assert short == sorted(short) and long == sorted(long), index


@given(gaps=GAPS, count=st.integers(1, 6), seed=st.integers(0, 99))
def test_each_stands_in_its_stretch_where_there_is_a_good_place(
    gaps: list[tuple[int, int]], count: int, seed: int
) -> None:
    own = places([(40, rank) for _, rank in gaps] + [(40, PARAGRAPH)] * 100)
    found = spread(own, [10.0] * count, 400.0, random.Random(seed), "paragraph")
    drawn = random.Random(seed)
    for index, spot in enumerate(found):
        wanted = (index + drawn.random()) * 400 - 10 * index
        if wanted >= own.token[len(gaps) - 1]:  # paragraphs every 40 tokens
            assert 0 <= own.token[spot] - wanted <= 40 and own.rank[spot] == PARAGRAPH
