"""What fills the last tokens of a haystack: any number of them, from whatever sentences there are."""

from __future__ import annotations

import random
from collections.abc import Sequence

import small_tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from longctx.closing import Texts, close
from longctx.seams import Piece
from longctx.tokens import Tokenizer

TOKENIZER = Tokenizer(small_tokenizers.byte_level(small_tokenizers.LLAMA3), "llama3-like")
WORDS = (
    "the",
    "parser",
    "shall",
    "add",
    "an option",
    "to every",
    "group of",
    "arguments,",
    "and 7",
    "of 24",
    "required.",
)


@settings(max_examples=60)
@given(gap=st.integers(24, 400), longest=st.integers(20, 90), seed=st.integers(0, 99))
def test_a_gap_is_filled_where_few_sentences_are_long(gap: int, longest: int, seed: int) -> None:
    """Once the two long ones are taken, what is missing may be more than any other has: it can't be cut to size."""
    rng = random.Random(seed)
    short = [" ".join(rng.choices(WORDS, k=1 + number % 8)) for number in range(100)]
    texts = [*dict.fromkeys(short), "an option " * longest, "of arguments " * longest]

    def missing(pieces: Sequence[Piece]) -> int:
        return gap - TOKENIZER.count("".join(str(piece) for piece in pieces))

    pieces = close(Texts(texts, TOKENIZER, cuts=True), missing, "\n\n", " ")
    assert pieces is not None and missing(pieces) == 0


@settings(max_examples=40)
@given(gap=st.integers(20, 300), words=st.integers(9, 30))
def test_a_gap_is_filled_where_all_sentences_are_of_one_size(gap: int, words: int) -> None:
    texts = [f"party {number} " + "shall add " * (words // 2) + "in full." for number in range(60)]

    def missing(pieces: Sequence[Piece]) -> int:
        return gap - TOKENIZER.count("".join(str(piece) for piece in pieces))

    pieces = close(Texts(texts, TOKENIZER, cuts=True), missing, "\n\n", "\n\n")
    assert pieces is not None and missing(pieces) == 0
