"""What a model thought before it answered, told apart from the answer by the model's own delimiters."""

from __future__ import annotations

import re
from collections.abc import Sequence

Delimiters = Sequence[tuple[str, str]]

KNOWN: Delimiters = (
    ("<think>", "</think>"),  # DeepSeek R1, Qwen 3, GLM and most others
    ("<thinking>", "</thinking>"),
    ("<|channel|>analysis", "<|channel|>final<|message|>"),  # gpt-oss
    ("", "assistantfinal"),  # gpt-oss where its control tokens were left out of the text
    ("◁think▷", "◁/think▷"),  # Kimi
    ("[THINK]", "[/THINK]"),  # Magistral
    ("<seed:think>", "</seed:think>"),  # Seed-OSS
)
"""Opening and closing delimiter; an empty opening one is never written."""


def strip(text: str, delimiters: Delimiters = KNOWN) -> tuple[str, str]:
    r"""Take the thinking out of an output.

    What stands between an opening and a closing delimiter is thinking. So is everything before a closing one that
    nothing opened (the chat template did), and everything from an opening one at the start of a line that nothing
    closes (the output budget ended).

    Args:
        text: what the model gave.
        delimiters: pairs to look for; all that are known by default.

    Returns:
        The answer and the thinking. Without any thinking the answer is the text as it is, to the last blank;
        otherwise blanks around the answer are gone.

    >>> strip("<think>Page 4 says so.</think>\n\nIt is 37.")
    ('It is 37.', 'Page 4 says so.')
    """
    answer, thoughts = text, list[str]()
    for opening, closing in delimiters:
        if (opening and opening in answer) or closing in answer:
            answer = _take(answer, opening, closing, thoughts)
    return (answer.strip(), "\n".join(thoughts)) if thoughts else (text, "")


def _take(text: str, opening: str, closing: str, thoughts: list[str]) -> str:
    """The text without its thinking, which is added to `thoughts`."""
    kept = ""
    first = text.find(opening) if opening else -1
    end = text.find(closing)
    if end >= 0 and not 0 <= first < end:
        thoughts.append(text[:end].strip())
        text = text[end + len(closing) :]
    while opening:
        begin = text.find(opening)
        end = text.find(closing, begin + len(opening)) if begin >= 0 else -1
        if end < 0:
            break
        thoughts.append(text[begin + len(opening) : end].strip())
        kept, text = kept + text[:begin], text[end + len(closing) :]
    unclosed = re.search(rf"^[^\S\n]*{re.escape(opening)}", text, re.MULTILINE) if opening else None
    if unclosed:
        thoughts.append(text[unclosed.end() :].strip())
        text = text[: unclosed.start()]
    return kept + text
