"""References to other places: "Section 12.3(b)", "42 U.S.C. § 1395ww(d)", "§ 433 Abs. 2 BGB", "第二十一条"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random

from longctx.mining._numbers import other_digits
from longctx.mining._pattern import Kind, Span, spans

_SUB = r"(?:\((?:[a-z]{1,2}|[A-Z]|\d{1,2}|[ivx]{1,5})\))"
_NUMBER = rf"\d{{1,4}}(?:\.\d{{1,3}}){{0,3}}(?:[a-z]{{1,2}}(?:-\d+[a-z]?)?)?{_SUB}*"
_PATTERNS = (
    re.compile(rf"\b(?:[Ss]ection|Clause|Article|Paragraph|[Ss]ubsection|Rule|Regulation)\s{_NUMBER}(?![\w(]|[.–-]\w)"),
    re.compile(rf"\b\d{{1,2}} (?:U\.S\.C\.|USC|C\.F\.R\.|CFR) (?:§+ ?)?{_NUMBER}(?![\w(]|[.–-]\w)"),
    re.compile(
        r"§ ?\d{1,4}[a-z]?(?: Abs(?:atz|\.) ?\d{1,2})?(?: Satz \d)?(?: (?:[A-Z][A-Za-z]*G|BGB|HGB|ZPO|StGB))?\b"
    ),
    re.compile(r"\b(?:Artikel|Ziffer|l[’']article|artículo) \d{1,3}(?:\.\d{1,2})*(?:-\d+)?\b"),
    re.compile(r"第(?:\d{1,3}|[一二三四五六七八九十百]{1,5})条"),
)

_LISTED_BEFORE = re.compile(r"(?:and|or|s,|this|This|sub) $")
_LISTED_BEHIND = re.compile(
    r"\s\((?:[a-z]|[ivx]+|\d)\)|[°º]"
    r"|\s?(?:(?:,|and|or|through|to|und|oder|bis|et|y)\s(?:\(|\d)|et seq|[a-z] \(|(?:–|-)\s?\(?\w)"
)


def find(text: str) -> Iterator[Span]:
    """Where references stand; one at the beginning of a text is that place's own heading."""
    for begin, end in spans(_PATTERNS, text):
        alone = not _LISTED_BEFORE.search(text[:begin]) and not _LISTED_BEHIND.match(text, end)
        if begin > 20 and alone:
            yield begin, end


def change(value: str, rng: Random, language: str) -> str | None:
    """A reference of the same form with other numbers."""
    digits = re.search(r"\d[\d.]*", value[3:] if "U.S.C" in value or "C.F.R" in value else value)
    if digits is None:
        return None
    offset = 3 if "U.S.C" in value or "C.F.R" in value else 0
    begin, end = digits.start() + offset, digits.end() + offset
    return value[:begin] + other_digits(value[begin:end], rng, keep_zeros=False) + value[end:]


KIND = Kind("section", find, change)
