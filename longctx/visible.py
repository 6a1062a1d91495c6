"""Text that models and documents wrote, made safe to look at: nothing in it acts, nothing in it hides."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_SUSPECT = re.compile(r"[^\x20-\x7e\xa1-\xac\xae-\u02ff]")  # everything that is not plainly printable
_JOINERS = "\u200c\u200d"  # needed to write Persian, Indic scripts and emoji; they move nothing


@lru_cache(maxsize=4096)
def _symbol(char: str) -> str:
    """The character itself, or a symbol for one that steers a terminal, turns the writing round or has no ink."""
    code = ord(char)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    category = unicodedata.category(char)
    ink = unicodedata.bidirectional(char) == "AN"  # format characters that are drawn, such as U+06DD
    steers = category in ("Cc", "Cs", "Zl", "Zp") or (category == "Cf" and char not in _JOINERS and not ink)
    nonchar = code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
    blank = char in "\u115f\u1160\u3164\uffa0\u2800"  # letters and symbols without ink
    return f"⟨U+{code:04X}⟩" if steers or nonchar or blank or 0xE0000 <= code < 0xE1000 else char


def visible(text: str, *, lines: bool = False) -> str:
    r"""Show control, format and bidirectional characters as symbols.

    >>> visible("a\x1b[31mb\u202ec")
    'a␛[31mb⟨U+202E⟩c'

    Args:
        text: anything, from anywhere.
        lines: keep line feeds and tabs (carriage returns before a line feed go), for a block of text.
    """
    if lines:
        text = text.replace("\r\n", "\n")
    return _SUSPECT.sub(lambda found: found[0] if lines and found[0] in "\n\t" else _symbol(found[0]), text)


def clip(text: str, most: int) -> str:
    """The text, or its beginning and end with the number of characters left out between them.

    >>> clip("a" * 100_000, 12)
    'aaaaaaaaa […99,988 of 100,000 characters left out…] aaa'

    Args:
        text: anything.
        most: characters of `text` to keep, at least 2.
    """
    if len(text) <= most:
        return text
    tail = max(most // 4, 1)
    left_out = len(text) - most
    return f"{text[: most - tail]} […{left_out:,} of {len(text):,} characters left out…] {text[-tail:]}"
