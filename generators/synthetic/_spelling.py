"""American spelling for texts that are written in British spelling."""

from __future__ import annotations

import re
from functools import lru_cache

from ._grammar import texts


@lru_cache(maxsize=1)
def _pattern() -> re.Pattern[str]:
    return re.compile(r"\b(" + "|".join(texts("american")) + r")\b", re.IGNORECASE)


def american(text: str) -> str:
    """The text with the words of ``text/american.toml`` respelled, capitals kept."""
    words = texts("american")

    def respelled(match: re.Match[str]) -> str:
        word: str = words[match[0].lower()]
        return word.capitalize() if match[0][0].isupper() else word

    return _pattern().sub(respelled, text)
