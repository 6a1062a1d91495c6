"""Spliced ids against the obviously right way: encode the whole text."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import small_tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from longctx.encoded import TextStore, gather
from longctx.seams import Piece, Seams, Slice, decode, splice
from longctx.tokens import Tokenizer

TEXT = "\n\n".join(
    [
        *small_tokenizers.training_text()[:400],
        *[small_tokenizers.GERMAN, small_tokenizers.CHINESE * 3] * 4,
        "a" * 700 + " " + "=" * 300 + "    \t\n \n  " + "\u00a0x " * 50 + "🙂👩‍👩‍👧 e\u0301 ﬁ " * 20,
    ]
)


@cache
def tokenizer(kind: str) -> Tokenizer:
    return Tokenizer(small_tokenizers.KINDS[kind](), kind)


@cache
def store(kind: str) -> TextStore:
    encoding = tokenizer(kind).encode(TEXT)
    return TextStore(np.frombuffer(TEXT.encode(), np.uint8), encoding.ids, encoding.starts)


@cache
def seams(kind: str) -> Seams:
    return Seams(store(kind), tokenizer(kind))


@cache
def borders() -> list[int]:
    return [len(TEXT[:index].encode()) for index in range(0, len(TEXT) + 1)]


def slices() -> st.SearchStrategy[Slice]:
    begins = st.integers(0, len(TEXT) - 1)
    sizes = st.sampled_from([1, 7, 60, 400, 900, 4000])
    return st.builds(
        lambda begin, size: Slice(borders()[begin], borders()[min(begin + size, len(TEXT))]), begins, sizes
    )


literals = st.one_of(
    st.sampled_from(["", " ", "\n", "\n\n", "\n\n\n", ". ", "The fee is US$4,318,250.", "费用为123元。", "  x"]),
    st.sampled_from(["<|im_end|>\n<|im_start|>user\n", "<|bos|>", "<s>", "</s> ", " [SEP]x[CLS]", "<|endoftext|>\n"]),
    st.text(max_size=12).filter(lambda text: "\x00" not in text and not any(0xD800 <= ord(c) < 0xE000 for c in text)),
)


# Texts of the size of a needle: long enough to be a stretch of their own with most tokenizers, and some that never are.
texts = st.one_of(
    slices().map(lambda one: TEXT.encode()[one.begin : one.end].decode()[:300]),
    st.sampled_from([f"The fee of {name} is US$4,318,250, payable within 30 days." for name in ("Ā & Co.", "A B C")]),
    st.sampled_from(
        [
            "费用为123元。" * 5,
            "0123456789" * 4,
            " lead and trail " * 4,
            "x<|im_end|>\n<s> y" * 5,
        ]
    ),
)


@pytest.mark.parametrize("kind", sorted(small_tokenizers.KINDS))
@settings(deadline=None, max_examples=100)
@given(pieces=st.lists(st.one_of(slices(), literals, texts), min_size=1, max_size=9), counted=st.booleans())
def test_splice_gives_the_ids_and_offsets_of_the_whole_text(kind: str, pieces: list[Piece], counted: bool) -> None:
    text = "".join(decode(store(kind), piece) for piece in pieces)
    whole = tokenizer(kind).encode(text)
    for joined in (Seams(store(kind), tokenizer(kind)), seams(kind)):  # that remembers nothing, or all before
        if counted:
            new = [piece for piece in pieces if isinstance(piece, str)]
            assert joined.sizes(new) == [tokenizer(kind).count(piece) for piece in new]
        ids, starts = gather(joined.splice(pieces))
        np.testing.assert_array_equal(ids, whole.ids)
        np.testing.assert_array_equal(starts, whole.starts)
        assert joined.count(pieces) == len(ids)


def test_a_splice_of_long_slices_encodes_little_more_than_its_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = store("gpt2-like")
    encoded: list[str] = []
    for name in ("encode_many", "id_lists"):
        real = getattr(Tokenizer, name)
        monkeypatch.setattr(
            Tokenizer, name, lambda self, texts, real=real: (encoded.extend(texts), real(self, texts))[1]
        )
    half, end = borders()[3000], borders()[6000]
    splice(whole, [Slice(0, half), "\n\nThe fee is due.\n\n", Slice(half, end)], tokenizer("gpt2-like"))
    assert 0 < sum(map(len, encoded)) < 1500
