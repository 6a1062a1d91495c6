from __future__ import annotations

import numpy as np
import pytest
import small_tokenizers
from transformers import PreTrainedTokenizerFast

from longctx.errors import TokenizerError
from longctx.tokens import Tokenizer, byte_offsets, load_tokenizer


@pytest.mark.parametrize("kind", sorted(small_tokenizers.KINDS))
def test_a_prompt_has_one_beginning_mark_at_most(kind: str) -> None:
    tokenizer = Tokenizer(small_tokenizers.KINDS[kind](), kind)
    chat = tokenizer.as_input("Read. ", "The text.", " Which?", "Answer:")
    ids = tokenizer.prompt_ids(tokenizer.render(chat))
    bos = tokenizer.hf.bos_token_id
    if bos is not None:
        assert list(ids).count(bos) == (0 if kind == "llama3-like" else 1)
    assembled = tokenizer.affixed(tokenizer.encode(tokenizer.render(chat)).ids)
    np.testing.assert_array_equal(assembled, ids)
    before, after = tokenizer.affix_counts
    assert len(assembled) == before + after + tokenizer.count(tokenizer.render(chat))


def test_without_a_template_the_prompt_is_plain_and_ends_with_its_cue() -> None:
    tokenizer = Tokenizer(small_tokenizers.wordpiece(), "wordpiece")
    assert not tokenizer.has_template
    assert tokenizer.as_input("Read. ", "The text.", " Which?", "Answer:") == "Read. The text. Which?\nAnswer:"
    assert tokenizer.frame("Read. ", " Which?", "Answer:") == ("Read. ", " Which?\nAnswer:")


def test_a_template_frames_the_haystack() -> None:
    tokenizer = Tokenizer(small_tokenizers.byte_level(small_tokenizers.LLAMA3), "x")
    head, tail = tokenizer.frame("Read. ", " Which?")
    assert head == "<|im_start|>user\nRead. " and tail == " Which?<|im_end|>\n<|im_start|>assistant\n"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ 'no content' }}", "0 times"),
        ("{% for m in messages %}{{ m.content }}{{ m.content }}{% endfor %}", "2 times"),
    ],
)
def test_a_template_that_does_not_keep_the_text_is_refused(template: str, message: str) -> None:
    with pytest.raises(TokenizerError, match=message):
        Tokenizer(small_tokenizers.byte_level(small_tokenizers.LLAMA3, template), "x").frame("a", "b")


def test_a_template_that_fails_says_so() -> None:
    template = "{{ raise_exception('roles must alternate') }}"
    with pytest.raises(TokenizerError, match="roles must alternate"):
        Tokenizer(small_tokenizers.byte_level(small_tokenizers.LLAMA3, template), "x").frame("a", "b")


def test_a_template_that_asks_for_the_date_gets_the_same_one_every_day() -> None:
    template = "{{ strftime_now('%d %b %Y %f') }}" + small_tokenizers.CHATML
    hf = small_tokenizers.byte_level(small_tokenizers.LLAMA3, template)
    assert Tokenizer(hf, "x").render([{"role": "user", "content": "a"}]).startswith("26 Jul 2024 000000")


def test_the_hash_follows_rules_and_template_alone() -> None:
    one, two = (Tokenizer(small_tokenizers.gpt2_like(), name) for name in ("one", "two"))
    assert one.hash == two.hash
    other = small_tokenizers.gpt2_like()
    other.chat_template = small_tokenizers.CHATML
    assert Tokenizer(other, "one").hash != one.hash
    assert Tokenizer(other, "one", {"enable_thinking": False}).hash != Tokenizer(other, "one").hash


def test_truncation_and_padding_of_a_tokenizer_are_switched_off() -> None:
    hf = small_tokenizers.gpt2_like()
    hf.backend_tokenizer.enable_truncation(8)
    assert len(Tokenizer(hf, "x").encode("one two three four five six seven eight nine ten eleven").ids) > 8


def test_byte_offsets() -> None:
    text = "aé合🙂b"
    offsets = byte_offsets(text)
    assert offsets is not None and offsets.tolist() == [len(text[:i].encode()) for i in range(len(text) + 1)]
    assert byte_offsets("plain") is None


def test_tokens_of_a_character_that_was_split_share_its_bytes() -> None:
    encoding = Tokenizer(small_tokenizers.gpt2_like(), "x").encode("a🙂b")
    assert encoding.starts[0] == 0 and encoding.ends[-1] == 6
    assert set(zip(encoding.starts[1:-1].tolist(), encoding.ends[1:-1].tolist(), strict=True)) == {(1, 5)}


@pytest.mark.slow
def test_what_cannot_be_loaded_says_what_can(tmp_path: object) -> None:
    with pytest.raises(Exception, match="smollm2-135m|longctx models"):
        load_tokenizer("no/such-model-anywhere")
    with pytest.raises(TokenizerError, match="only a Python tokenizer"):
        Tokenizer(object(), "slow")
    assert isinstance(small_tokenizers.gpt2_like(), PreTrainedTokenizerFast)
