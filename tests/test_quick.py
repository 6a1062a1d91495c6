from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pytest
import small_tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as Fast
from tokenizers import normalizers, pre_tokenizers

from longctx import quick, tokens
from longctx.quick import Quick
from longctx.tokens import Tokenizer

BYTE_LEVEL = ["gpt2-like", "llama3-like", "qwen2-like without template"]
UGLY = "  Two  words,\n\n\tthree – naïve 合同 🙂🙂 a’b\r\n   x = 1  # ünï  12,345.67 <|bos|> isn't 'S \u00a0½ⅷ\x00"


@cache
def fast(kind: str) -> Any:
    return small_tokenizers.KINDS[kind]().backend_tokenizer


def changed(kind: str, **parts: Any) -> Any:
    """A tokenizer of a kind with some of its rules replaced."""
    rules = json.loads(fast(kind).to_str())
    for name, value in parts.items():
        rules["model" if name in rules["model"] else name] = (
            {**rules["model"], name: value} if name in rules["model"] else value
        )
    return Fast.from_str(json.dumps(rules))


def own(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    return [encoding.ids for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]


@cache
def twin(kind: str, digits: bool, composed: bool) -> tuple[Any, Quick]:
    tokenizer = changed(kind)
    if digits:
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
    if composed:
        tokenizer.normalizer = normalizers.NFC()
    found = Quick.find(tokenizer)
    assert found is not None
    return tokenizer, found


texts = st.lists(
    st.one_of(st.text(max_size=40), st.text("a1 \n\t.'s合ü\u0308A\r½", max_size=60), st.just(UGLY)), max_size=4
)


@given(st.sampled_from(BYTE_LEVEL), st.booleans(), st.booleans(), texts)
def test_ids_are_those_of_the_tokenizers_own_encoder(kind: str, digits: bool, composed: bool, given: list[str]) -> None:
    tokenizer, found = twin(kind, digits, composed)
    ids = found.encode(given)
    assert ids is not None
    assert [one.tolist() for one in ids] == own(tokenizer, given)


def test_long_texts_are_encoded_in_threads_to_the_same_ids() -> None:
    tokenizer, found = twin("gpt2-like", False, False)
    long = ["\n".join(small_tokenizers.training_text()) + UGLY * count for count in range(5)]
    ids = found.encode(long)
    assert ids is not None
    assert [one.tolist() for one in ids] == own(tokenizer, long)


def test_other_kinds_of_tokenizers_have_no_twin() -> None:
    for kind in set(small_tokenizers.KINDS) - set(BYTE_LEVEL):
        assert Quick.find(fast(kind)) is None
    merges = json.loads(fast("gpt2-like").to_str())["model"]["merges"]
    assert Quick.find(changed("gpt2-like", merges=merges[::-1])) is None  # merged in another order than that of ids
    assert Quick.find(changed("gpt2-like", dropout=0.1)) is None
    assert Quick.find(changed("gpt2-like", normalizer={"type": "Lowercase"})) is None


@pytest.mark.parametrize("long", [False, True])
def test_where_one_id_differs_the_tokenizers_own_encoder_is_used_from_then_on(
    monkeypatch: pytest.MonkeyPatch, long: bool
) -> None:
    monkeypatch.setattr(tokens, "_WORTH", 0)
    if long:  # only whole texts are tried: words of letters are split in two, and what is beside a character is not
        monkeypatch.setattr(quick, "_AROUND", ("{0}",))
    monkeypatch.setattr(quick, "_GPT2", r" ?\p{L}{1,3}|\p{N}|\s|[^\s\p{L}\p{N}]")
    hf = small_tokenizers.KINDS["gpt2-like"]()
    tokenizer = Tokenizer(hf, "gpt2-like")
    text = "A sentence of several words. " * (300 if long else 1)
    assert tokenizer._twin is not None
    assert tokenizer.id_lists([text]) == own(hf.backend_tokenizer, [text])
    assert tokenizer._twin.encode(["x"]) is None


def test_what_is_too_much_for_the_regular_expression_goes_to_the_tokenizers_own_encoder() -> None:
    _, found = twin("gpt2-like", False, False)
    assert found.encode([" " * 3_000_000 + "x"]) is None
    assert found.encode(["x"]) is not None


def test_little_text_is_encoded_without_looking_for_a_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = Tokenizer(small_tokenizers.KINDS["gpt2-like"](), "gpt2-like")
    monkeypatch.setattr(Quick, "find", lambda _: pytest.fail("looked for"))
    np.testing.assert_array_equal(tokenizer.ids_many(["a b"])[0], own(tokenizer._fast, ["a b"])[0])
