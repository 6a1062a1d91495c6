"""Computed places of tokens are those that the encoder gives, for every kind of vocabulary."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_tokenizers import KINDS

from longctx import encoded
from longctx.starts import Starts
from longctx.tokens import Tokenizer

LONG = "The party of the first part shall pay; see clause 2.4.\n\n" * 40


@cache
def tokenizer(kind: str) -> Tokenizer:
    return Tokenizer(KINDS[kind](), kind)


def test_some_vocabularies_are_of_bytes_and_some_are_not() -> None:
    found = {kind for kind in KINDS if Starts.find(tokenizer(kind), LONG)}
    assert "llama3-like" in found and "unigram" not in found


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None)
@given(text=st.text(max_size=60))
def test_ids_and_places_are_the_encoders(kind: str, text: str) -> None:
    mine = tokenizer(kind)
    chunks = [LONG, text, "", f"{text} é合🙂\n{text}"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoded, "_MANY", 0)
        found = list(encoded._encoded(chunks, mine))
    for (ids, starts, size), encoding, chunk in zip(found, mine.encode_many(chunks), chunks, strict=True):
        assert np.array_equal(ids, encoding.ids) and np.array_equal(starts, encoding.starts)
        assert size == len(chunk.encode())


def test_tokens_of_other_bytes_are_refused() -> None:
    mine = tokenizer("llama3-like")
    known = Starts.find(mine, LONG)
    assert known is not None
    assert known.of(mine.encode("one two").ids, np.frombuffer(b"one two three", np.uint8)) is None
