"""Questions about facts in prose: the words around a blank, or what defines a term."""

from __future__ import annotations

import re

from longctx.mining._data import table

BLANK = "____"
_BEFORE, _BEHIND = 22, 16  # words of a long sentence that are quoted on either side of the blank
_WHOLE = 44  # words of a sentence that is quoted whole
_DEFINITION = 40  # words of a definition
_CJK = re.compile(r"[\u3400-\u9fff]")
_LEADING = re.compile(r"^(?:[-–—•·▪●*+>#\s]+|\(?[a-zA-Z0-9]{1,4}[.)]\s+|\d+(?:\.\d+)+\.?\s+)+")


def wordings() -> dict[str, dict[str, str]]:
    """Language → what is asked → how."""
    return table("questions")


def ask(what: str, language: str, **words: str) -> str:
    """A question in that language, or in English where there is none."""
    wording = wordings().get(language, {}).get(what) or wordings()["en"][what]
    return wording.format_map(words)


def cloze(sentence: str, begin: int, end: int) -> tuple[str, str, str]:
    """The sentence with a blank in place of what stands there, and its two sides; a long one is shortened."""
    before, behind = _plain(sentence[:begin]), _plain(sentence[end:])
    before = _LEADING.sub("", before)
    if _CJK.search(sentence):
        opening = closing = ""
        if len(before) > 50:  # never cut inside a number
            opening, before = "…", before[-42:].lstrip("0123456789,.")
        if len(behind) > 40:
            closing, behind = "…", behind[:32].rstrip("0123456789,.")
    else:
        words, rest = before.split(" "), behind.split(" ")
        opening = closing = ""
        if len(words) + len(rest) > _WHOLE:
            if len(words) > _BEFORE:
                opening, before = "… ", " ".join(words[-_BEFORE:])
            if len(rest) > _BEHIND:
                closing, behind = " …", " ".join(rest[:_BEHIND])
    behind = behind.rstrip(" .。") if not closing else behind.rstrip()
    return f"{opening}{before}{BLANK}{behind}{closing}", before, behind


def definition(rest: str) -> str:
    """What defines a term, in one line; a long one is shortened."""
    words = _plain(rest).rstrip(".。").split(" ")
    if _CJK.search(rest):
        return "".join(words)[:80]
    return " ".join(words) if len(words) <= _DEFINITION else " ".join(words[:_DEFINITION]) + " …"


def tidy(text: str) -> str:
    """Without the blanks that extraction from pages leaves before commas, inside brackets and in Chinese."""
    text = re.sub(r"(?<=[\u3000-\u303f\u3400-\u9fff\uff00-\uff5e]) (?=[\u3400-\u9fff])", "", text)
    return re.sub(r"(?<=[\[(]) | (?=[,;)\]])", "", text).replace("\u00ad", "-")


def _plain(text: str) -> str:
    """One line without marks of bold or code, blanks kept at both ends."""
    return re.sub(r"\s+", " ", re.sub(r"[*`]|(?<!\w)_+|_+(?!\w)", "", text))
