"""What tells quickly that a word is not there must never say so of one that is."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from longctx.grams import _PART, Grams


@given(st.binary(max_size=60), st.data())
def test_every_run_of_a_text_may_be_held(text: bytes, data: st.DataObject) -> None:
    grams = Grams(np.frombuffer(text, np.uint8))
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, len(text)))
    assert grams.may_hold(text[begin:end])


def test_a_word_across_two_parts_is_seen_and_one_that_is_not_there_is_not() -> None:
    text = b"-" * (_PART - 8) + b"Alder Foods Inc." + b"-" * 100
    grams = Grams(np.frombuffer(text, np.uint8))
    assert grams.may_hold(b"Alder Foods Inc.")
    assert not grams.may_hold(b"Wexford Tools")
