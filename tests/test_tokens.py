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


LONG = "The fee is due. " * 5_000


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        ("{{ m['content'] }}", True),
        ("{{ m['content'] | trim }}", True),
        ("{{ m['content'].replace('</think>', '') }}", True),  # as nothing of the kind stands in this message
        ("{{ m['content'].replace('fee', 'tax') }}", False),
        ("{{ m['content'] | replace(\"\\n\", ' ') }}", False),
        ("{{ m['content'] | upper }}", False),
        ("{{ m['content'] | tojson }}", False),
        ("{{ m['content'][:1000] }}", False),
        ("{{ m['content'] }}{{ m['content'] }}", False),
    ],
)
def test_a_long_message_that_a_template_changes_is_noticed_without_rendering_it(content: str, kept: bool) -> None:
    template = f"{{% for m in messages %}}<|im_start|>{content}<|im_end|>{{% endfor %}}"
    tokenizer = Tokenizer(small_tokenizers.byte_level(small_tokenizers.LLAMA3, template), "x")
    text = f"Read.\n{LONG}Which?"
    assert tokenizer.renders([{"role": "user", "content": text}], f"<|im_start|>{text}<|im_end|>") is kept
    assert not tokenizer.renders([{"role": "user", "content": text}], f"<|im_start|>{text[:-9]} Which?<|im_end|>")


@pytest.mark.parametrize(
    ("content", "ends", "kept", "most"),
    [
        ("{{ m['content'] }}", "", True, 15),
        ("{{ m['content'] | trim }}", "", True, 15),
        ("{{ m['content'] | trim }}", " ", False, 101),
        ("{{ m['content'].split('</think>')[-1] }}", "", True, 101),  # no probe passes, but these messages do
        ("{% if m['content'].startswith('No. 7') %}tool{% endif %}{{ m['content'] }}", "", False, 101),
        ("{% if loop.first %}Begin. {% endif %}{{ m['content'] }}", "", False, 15),
        ("{{ m['content'].replace('round 33', 'round 34') }}", "", False, 101),
    ],
)
def test_a_long_conversation_is_checked_by_a_short_one(
    content: str, ends: str, kept: bool, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = f"{{% for m in messages %}}<|im_start|>{content}<|im_end|>{{% endfor %}}"
    tokenizer = Tokenizer(small_tokenizers.byte_level(small_tokenizers.LLAMA3, template), "x")
    rendered: list[int] = []
    render = tokenizer.render
    monkeypatch.setattr(tokenizer, "render", lambda messages: rendered.append(len(messages)) or render(messages))
    texts = [f"No. {number}, round {number // 2}{ends}" for number in range(101)]
    messages = [{"role": ("user", "assistant")[index % 2], "content": text} for index, text in enumerate(texts)]
    prompt = "".join(f"<|im_start|>{text}<|im_end|>" for text in texts)
    assert tokenizer.renders(messages, prompt) is kept
    assert not tokenizer.renders(messages, prompt.replace("round 30", "round 31"))
    assert max(rendered) == most


def test_a_text_is_split_at_control_tokens_before_all_else() -> None:
    tokenizer = Tokenizer(small_tokenizers.byte_level(small_tokenizers.LLAMA3), "x")
    assert tokenizer.controls
    assert [found[0] for found in tokenizer.controls.finditer("a<|im_end|>\n<|im_start|>b")] == [
        "<|im_end|>",
        "<|im_start|>",
    ]
