from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longctx.units import percent, points, rounded


@given(st.integers(0, 5000), st.integers(1, 5000), st.integers(0, 2))
def test_a_share_is_rounded_half_up(right: int, more: int, decimals: int) -> None:
    """Of counts, whose exact share is known: floats have noise, and formats round halves to even."""
    n = right + more
    exact = math.floor(Fraction(100 * right, n) * 10**decimals + Fraction(1, 2))
    assert Fraction(percent(right / n, decimals)) == Fraction(exact, 10**decimals)
    assert len(percent(right / n, decimals).partition(".")[2]) == decimals


@pytest.mark.parametrize("cents", range(5, 1000, 10))
def test_every_half_is_rounded_up_whatever_its_float(cents: int) -> None:
    assert percent(cents / 1000) == str(cents // 10 + 1)
    assert rounded(-cents / 10) == str(-(cents // 10) - 1)


def test_signs_and_what_is_no_number() -> None:
    assert (points(0.0), points(-0.04), points(-0.05), points(2.25)) == ("+0.0", "+0.0", "−0.1", "+2.3")
    assert (percent(math.nan), percent(1.0), percent(0.0)) == ("nan", "100", "0")
    assert rounded(-0.4) == "0"
