"""A prompt is compared with what the chat template makes of its messages, without rendering what is long."""

from __future__ import annotations

import pytest
import small_tokenizers

from longctx.rendering import renders
from longctx.tokens import Tokenizer

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
    assert renders(tokenizer, [{"role": "user", "content": text}], f"<|im_start|>{text}<|im_end|>") is kept
    assert not renders(tokenizer, [{"role": "user", "content": text}], f"<|im_start|>{text[:-9]} Which?<|im_end|>")


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
    assert renders(tokenizer, messages, prompt) is kept
    assert not renders(tokenizer, messages, prompt.replace("round 30", "round 31"))
    assert max(rendered) == most


def test_a_text_is_split_at_control_tokens_before_all_else() -> None:
    tokenizer = Tokenizer(small_tokenizers.byte_level(small_tokenizers.LLAMA3), "x")
    assert tokenizer.controls
    assert [found[0] for found in tokenizer.controls.finditer("a<|im_end|>\n<|im_start|>b")] == [
        "<|im_end|>",
        "<|im_start|>",
    ]
