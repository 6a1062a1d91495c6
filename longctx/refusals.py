"""Whether an answer declines to answer, by how it begins. Not finding something is no refusal."""

from __future__ import annotations

import re

_HELP = r"(?:help|assist|answer|comply|provide|share|disclose|discuss|fulfil+|do that|engage|respond|process)"
_SORRY = r"(?:i(?:'m| am) (?:very |really |so )?sorry[,.;]? (?:but )?)?"
_PATTERNS = (
    rf"{_SORRY}i (?:can(?:'t|not| not)|won't|will not) {_HELP}\b",
    rf"{_SORRY}i(?:'m| am) (?:not able|unable|not allowed) to {_HELP}\b",
    r"i (?:must|have to) decline\b",
    r"(?:(?:es )?tut mir leid|entschuldigung)[,.;]? (?:aber )?(?:ich kann|dabei kann ich)[^.]{0,60} nicht "
    r"(?:helfen|beantworten|weitergeben|nennen)",
    r"(?:ich kann|dabei kann ich)[^.]{0,60} nicht (?:helfen|beantworten|weitergeben)",
    r"(?:很)?(?:抱歉|对不起)[,，。]?(?:但)?我(?:无法|不能)(?:回答|提供|协助|帮助|满足|透露)",
    r"我(?:无法|不能)(?:回答|提供|协助|帮助|满足|透露)",
)
_REFUSAL = re.compile("|".join(f"(?:{pattern})" for pattern in _PATTERNS))


def refuses(text: str) -> bool:
    """True where an answer begins by declining, in English, German or Chinese.

    >>> refuses("I'm sorry, but I can't help with that."), refuses("I cannot find it in the documents.")
    (True, False)
    """
    begun = text.strip().lstrip("*_\"'“ ").replace("’", "'").casefold()
    return _REFUSAL.match(begun) is not None
