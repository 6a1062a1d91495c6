"""Sentences of a document that read as prose: what a person would quote."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from longctx.cuts import SENTENCE, find_cuts
from longctx.mining._data import table
from longctx.types import Document

_COMMON = {language: frozenset(words.split()) for language, words in table("words")["common"].items()}
_CJK = re.compile(r"[\u3400-\u9fff]")
_WORD = re.compile(r"[^\W\d_]+(?:[’'-][^\W\d_]+)*")
_BLOCK = re.compile(r"\n[ \t\u00a0]*(?:\n[ \t\u00a0]*)+|\f")
_BULLET = re.compile(r"\s*(?:[-–—•·▪●○◦*+>|§✓#]|\(?[a-zA-Z0-9]{1,4}[.)]\s|\d+(?:\.\d+)+\s|<|[IVX]+\.\s)")
_OPENING = re.compile(
    r"(?:[-–—•·▪●*+>\s]+|#+ )?"
    r"(?:(?:Section|SECTION|Article|ARTICLE)?\s?\(?(?:\d{1,3}(?:\.\d{1,3})*|[a-zA-Z]|[ivxIVX]{1,5})[.)]{0,2}:?\s+){0,2}"
    r"(?:[“\"„‘«(]?[A-ZÄÖÜÉÀÁÍÓÚÑ¿$€£]|[“「（]?[\u3400-\u9fff])"
)
_ENDING = re.compile(r"[.。！？!?][”\"’»)\]」）*_]*$")
# What no sentence holds that a person would quote.
_UNREADABLE = re.compile(
    r"\[?\*{3,}|_{3,}|\.{4,}|-{4,}|={3,}|\[[\W_]{0,12}\]|\{\}"  # gaps, rules, redacted words
    r"|\t|\||\S {3,}\S|^\s*>{2,}"  # rows of a table, quoted mail
    r"|https?:|www\.|\S@\S|\]\(|!\w+\.png|</?\w+[^>]*>|<\||\\[a-zA-Z]"  # addresses and markup
    r"|\s[·•●▪]\s|§ [A-Z][a-z]|\{\{|\{[*_+-]\}|\{code|\{noformat|\bat [a-z]+\.[a-z]+\.\w"  # code in a ticket
    r"|[\ufffd\x00-\x08\ue000-\uf8ff]|(?:\b[A-Za-z] ){5}"  # what extraction spoilt
    r"|(?:\b[A-Z]{4,}[ ,]+){3}|\.\s[a-z]\.\s[A-Z]"  # headings that ran into the sentence
)
# Signature blocks, headers of forms, notes on sources.
_FORM = re.compile(
    r"IN WITNESS WHEREOF|^By:|\bName:|\bTitle:|/s/|\bSignature\b|Date:|\bpage \d+ of \d+\b|^Source:|Form 10-[KQ] \d"
    r"|^Copyright|©|DOCTYPE|All rights reserved|Pub\. L\. \d|\d Stat\. \d|^Page \d|^Note:? see|^See\b|^\(?Cont"
)


def language_of(text: str) -> str:
    """Language of a sentence, of those that questions are worded in; "" where it is none of them."""
    if len(_CJK.findall(text)) > 0.3 * len(text) and not re.search(r"[\u3040-\u30ff\uac00-\ud7af]", text):
        return "zh"
    words = [word.lower() for word in _WORD.findall(text)]
    shares = {language: sum(word in common for word in words) for language, common in _COMMON.items()}
    best = max(shares, key=lambda language: shares[language])
    return best if words and shares[best] >= 0.2 * len(words) and len(words) > 5 else ""


def sentences(document: Document) -> Iterator[tuple[int, int]]:
    """Where sentences of prose stand, in characters; a sentence may be wrapped over several lines."""
    text = document.text
    furniture = _furniture(text)
    cuts = find_cuts(document)
    ends = {int(end): int(begin) for end, begin, rank in zip(*cuts, strict=True) if rank >= SENTENCE}
    marks = sorted(ends)
    position = 0
    for block_begin, block_end in _blocks(text):
        begin = block_begin
        while position < len(marks) and marks[position] < block_begin:
            position += 1
        while position < len(marks) and marks[position] <= block_end:
            for piece in _pieces(text, begin, marks[position]):
                yield from _kept(text, piece, furniture)
            begin = min(ends[marks[position]], block_end)
            position += 1
        for piece in _pieces(text, begin, block_end):
            yield from _kept(text, piece, furniture)


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    begin = 0
    for match in _BLOCK.finditer(text):
        yield begin, match.start()
        begin = match.end()
    yield begin, len(text)


def _pieces(text: str, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """A sentence's stretch cut where a line does not run on into the next: before headings, bullets and rows."""
    line_begin = begin
    while (newline := text.find("\n", line_begin, end)) >= 0:
        line, following = text[line_begin:newline], text[newline + 1 : end]
        filled = newline - text.rfind("\n", 0, newline) > 55 or bool(_CJK.search(line)) and len(line) > 28
        if not filled or _BULLET.match(following) or line.rstrip().endswith((":", ";")):
            yield begin, newline
            begin = newline + 1
        line_begin = newline + 1
    yield begin, end


def _kept(text: str, piece: tuple[int, int], furniture: frozenset[str]) -> Iterator[tuple[int, int]]:
    begin, end = piece
    while begin < end and text[begin].isspace():
        begin += 1
    while begin < end and text[end - 1].isspace():
        end -= 1
    sentence = text[begin:end]
    if 50 <= len(sentence) <= 900 or len(sentence) >= 30 and _CJK.search(sentence):
        inside = any(_bare(line) in furniture for line in sentence.split("\n"))
        if not inside and _is_prose(sentence):
            yield begin, end


def _is_prose(sentence: str) -> bool:
    if not _OPENING.match(sentence) or not _ENDING.search(sentence):
        return False
    if _UNREADABLE.search(sentence) or _FORM.search(sentence):
        return False
    letters = sum(char.isalpha() for char in sentence)
    digits = sum(char.isdigit() for char in sentence)
    if letters < 0.6 * len(sentence) or digits > 0.2 * len(sentence):
        return False
    if _CJK.search(sentence) and letters > 20:
        return True
    words = _WORD.findall(sentence)
    upper = sum(word.isupper() and len(word) > 1 for word in words)
    balanced = sentence.count("(") == sentence.count(")") and sentence.count("“") == sentence.count("”")
    return len(words) >= 9 and upper <= 0.35 * len(words) and (balanced or "„" in sentence)


def _bare(line: str) -> str:
    return re.sub(r"\d+", "#", line).strip().lower()


def _furniture(text: str) -> frozenset[str]:
    """Lines that recur but for their numbers: headers, footers, labels."""
    counts = Counter(_bare(line) for line in text.split("\n"))
    return frozenset(line for line, count in counts.items() if count >= 3 and line)
