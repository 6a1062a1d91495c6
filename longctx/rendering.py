"""Whether a prompt is what the chat template makes of messages, seen without rendering all that is long in it."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Sequence
from functools import lru_cache

from longctx.tokens import Tokenizer
from longctx.types import Message

_MANY, _FEW = 64, 4  # messages of a long conversation, rounds of a short one that shows how it is rendered
_LONG = 1 << 16  # characters from which rendering a message costs more than a look at its ends
_END = 256  # characters of either end that are looked at
_LITERAL = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)
_FILTERED = "  Upper lower <b>&amp;</b> \"quoted\" 'so' \\ {x} {{ y }} {% z %}\t\r\n \n\n\n  ünï 合同 🙂  "


def renders(tokenizer: Tokenizer, chat_input: str | list[Message], prompt: str) -> bool:
    """True where `prompt` is what the model receives for `chat_input`.

    A template can only do to a message what its own text says. So a long one is checked by its two ends around a
    probe of all that the template's text names, and by standing in the prompt as it is; and a long conversation by
    a short one of such probes, if all its messages' ends are plain. Where the template changes the probe, the whole
    is rendered.

    Raises:
        TokenizerError: the template refuses these messages.
    """
    if not isinstance(chat_input, str) and len(chat_input) > _MANY and (made := _extended(tokenizer, chat_input)):
        return made == prompt
    if isinstance(chat_input, str) or len(chat_input) != 1 or len(chat_input[0]["content"]) < _LONG:
        return tokenizer.render(chat_input) == prompt
    content = chat_input[0]["content"]
    probe = f"{content[:_END]}{_probe(tokenizer)}{content[-_END:]}"
    parts = tokenizer.render([{**chat_input[0], "content": probe}]).split(probe)
    if len(parts) != 2:
        return tokenizer.render(chat_input) == prompt
    if len(prompt) != len(parts[0]) + len(content) + len(parts[1]):
        return False
    return prompt.startswith(parts[0]) and prompt.startswith(content, len(parts[0])) and prompt.endswith(parts[1])


def repeated(marks: Callable[[int], list[str]], rounds: int) -> list[str]:
    """What `marks` gives for many rounds, as it gives it for a few; empty where a few more do not only recur.

    Args:
        marks: number of rounds → texts around their messages, one after the other.
        rounds: more than a few.
    """
    few, more = marks(_FEW), marks(_FEW + 3)
    if not few or few[:1] + few[1:3] * 3 + few[1:] != more:
        return []
    return few[:1] + few[1:3] * (rounds - _FEW) + few[1:]


def _extended(tokenizer: Tokenizer, messages: Sequence[Message]) -> str:
    """The prompt of many rounds, as the first few show it; empty where they don't."""
    contents = [message["content"] for message in messages]
    roles = [message["role"] for message in messages]
    rounds = len(roles) // 2
    if roles[:-1] != roles[:2] * rounds or not all(contents) or not _are_plain(tokenizer, contents):
        return ""
    marks = repeated(lambda few: _marks(tokenizer, (*roles[: 2 * few], roles[-1])), rounds)
    if not marks:
        return ""
    parts = marks * 2  # as many again: contents take every other place
    parts[::2], parts[1::2] = marks, [*contents, ""]
    return "".join(parts)


def _are_plain(tokenizer: Tokenizer, contents: Sequence[str]) -> bool:
    """True where nothing that a template could look for stands at an end of one of these messages."""
    ends = (*_literals(tokenizer), *string.whitespace)
    firsts, lasts = {end[0] for end in ends}, {end[-1] for end in ends}
    return not any(
        content[0] in firsts and content.startswith(ends) or content[-1] in lasts and content.endswith(ends)
        for content in contents
    )


@lru_cache(maxsize=4)
def _literals(tokenizer: Tokenizer) -> tuple[str, ...]:
    """Everything that the chat template could look for in a message."""
    template = tokenizer.hf.chat_template
    names = template.values() if isinstance(template, dict) else [str(template)]
    literals = dict.fromkeys(found[1:-1] for name in names for found in _LITERAL.findall(name))
    unescaped = [text.replace("\\n", "\n").replace("\\t", "\t") for text in literals]
    return tuple(text for text in dict.fromkeys([*literals, *unescaped]) if text)


@lru_cache(maxsize=4)
def _probe(tokenizer: Tokenizer) -> str:
    """All that the chat template could look for, and what its filters could change."""
    probe = "\n\n".join([_FILTERED, *_literals(tokenizer), _FILTERED])
    return probe * (1 + _LONG // len(probe))  # long: a template may cut what is


@lru_cache(maxsize=64)
def _marks(tokenizer: Tokenizer, roles: tuple[str, ...]) -> list[str]:
    """Text that the template puts around messages that hold the probe; none where it changes one."""
    probes = [f"[[{number}]]{_probe(tokenizer)}[[{number}]]" for number in range(len(roles))]
    left = tokenizer.render([{"role": role, "content": probe} for role, probe in zip(roles, probes, strict=True)])
    marks = []
    for probe in probes:
        mark, found, left = left.partition(probe)
        if not found:
            return []
        marks.append(mark)
    return [*marks, left]
