from __future__ import annotations

import gc
import string
import weakref
from functools import cache
from itertools import accumulate

import numpy as np
import pytest
import small_tokenizers
from hypothesis import given
from hypothesis import strategies as st

from longctx.borders import apart
from longctx.chains import _blocks_of, chain, sizes
from longctx.encoded import encode_texts
from longctx.seams import Piece, Seams, Slice, decode
from longctx.tokens import Tokenizer

PROSE = (
    "The fee is due on March 4, 2031.\n\nA party may   terminate.\n\tdef f(x):\n        return x\r\n"
    "付款应在三十日内完成。Größe 🙂 “quoted” <|im_end|> 1,234.50 "
) * 3
MARKS = {"numbers": (":\n", "\n\nDocument "), "chat": ("<|im_end|>\n<|im_start|>a\n", "<|im_end|>\n<|im_start|>u\n"),
         "labels": ("\n\nAssistant: ", "\n\nUser: "), "glued": ("x", " ")}  # fmt: skip


@cache
def tokenizer(kind: str) -> Tokenizer:
    return Tokenizer(small_tokenizers.KINDS[kind](), kind)


@cache
def seams(kind: str) -> Seams:
    [store] = encode_texts([PROSE], tokenizer(kind))
    return Seams(store, tokenizer(kind))


def slices() -> st.SearchStrategy[Piece]:
    borders = sorted(set(accumulate((len(character.encode()) for character in PROSE), initial=0)))
    pair = st.tuples(st.sampled_from(borders), st.sampled_from(borders)).filter(lambda ends: ends[0] < ends[1])
    return pair.map(lambda ends: Slice(*ends))


@given(
    kind=st.sampled_from(sorted(small_tokenizers.KINDS)),
    marks=st.sampled_from(sorted(MARKS)),
    pieces=st.lists(
        st.tuples(st.integers(1, 99_999).map(str), slices() | st.text(max_size=12)), min_size=1, max_size=9
    ),
)
def test_a_chain_has_the_tokens_of_its_text(kind: str, marks: str, pieces: list[tuple[str, Piece]]) -> None:
    inner, outer = MARKS[marks]
    flat = [piece for pair in pieces for piece in pair]
    around = ([inner, outer] * len(pieces))[:-1]
    made = chain(seams(kind), flat, around, ends=string.digits)
    raw = made.store.text.tobytes()
    texts = [decode(seams(kind).store, piece) for piece in flat]
    assert [raw[begin:end].decode() for begin, end in made.spans] == texts
    between = [raw[end:begin].decode() for (_, end), (begin, _) in zip(made.spans, made.spans[1:], strict=False)]
    assert between == around
    # Tokens of the whole text; those at its very ends may be others where something stands before and behind.
    whole = tokenizer(kind).encode(outer + "".join(a + b for a, b in zip(texts, [*around, outer], strict=True)))
    shift = len(outer.encode()) - made.spans[0][0]
    inside = (whole.starts >= made.spans[0][1] + shift) & (whole.starts < made.spans[-1][0] + shift)
    own = (made.store.starts >= made.spans[0][1]) & (made.store.starts < made.spans[-1][0])
    np.testing.assert_array_equal(made.store.ids[own], whole.ids[inside])
    np.testing.assert_array_equal(made.store.starts[own], whole.starts[inside] - shift)
    counts = sizes(seams(kind), flat, around, ends=string.digits)
    if counts is not None:
        assert len(made.store.ids) == sum(counts)


@pytest.mark.parametrize(
    ("kind", "marks"), [("llama3-like", "chat"), ("gpt2-like", "numbers"), ("llama2-like", "labels")]
)
def test_pieces_are_encoded_once_whatever_their_neighbours(
    kind: str, marks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner, outer = MARKS[marks]
    flat: list[Piece] = [piece for number in range(20) for piece in (str(number), f"Text {number} of its own.")]
    around = ([inner, outer] * 20)[:-1]
    own = Seams(seams(kind).store, tokenizer(kind))
    first = chain(own, flat, around, ends=string.digits)
    monkeypatch.setattr(own, "splice", None)
    again = chain(own, [*flat[20:], *flat[:20]], around, ends=string.digits)
    assert sorted(again.store.ids.tolist()) == sorted(first.store.ids.tolist())


def test_a_store_that_nobody_has_any_more_is_not_kept() -> None:
    own = Seams(seams("llama3-like").store, tokenizer("llama3-like"))
    held = weakref.ref(own)
    assert sizes(own, ["1", "one", "2", "two"], [":\n", "\n\nDocument ", ":\n"], ends=string.digits) is not None
    del own
    gc.collect()
    assert held() is None


def test_where_marks_differ_nothing_is_remembered() -> None:
    made = chain(seams("llama3-like"), ["1", "one", "2", "two"], [": ", "\n\n", " = "])
    assert made.store.text.tobytes() == b"1: one\n\n2 = two"
    assert sizes(seams("llama3-like"), ["1", "one", "2", "two"], [": ", "\n\n", " = "]) is None
    assert _blocks_of(seams("llama3-like"), [":"], "") is None


@pytest.mark.parametrize("kind", sorted(small_tokenizers.KINDS))
def test_no_border_within_a_token(kind: str) -> None:
    hf = tokenizer(kind).fast
    long = max((token for token in hf.get_vocab() if token.isascii() and token.isalpha()), key=len)
    assert not any(apart(tokenizer(kind), long[:at], long[at:]) for at in range(1, len(long)))
