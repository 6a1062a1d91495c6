"""Defined terms: “Base Rent” means …, (the “Purchase Price”), „Werktag“ bezeichnet …, “基准日”指…."""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random

from longctx.mining._data import table
from longctx.mining._pattern import Kind, Span

_TERM = r"(?P<term>[A-ZÄÖÜ][\w&’'/ -]{3,48}[\w)])"
_CJK = r"(?P<term>[\u3400-\u9fff]{2,16})"
_MEANS = (
    r"(?:,? ?(?:or|and) [“\"][^”\"]{2,40}[”\"])?,?\s+(?:\(?as used [^.”]{3,40}\)?,? )?"
    r"(?:shall mean|means|shall be defined as|is defined as)[:,]?\s+"
)
_DEFINITIONS = (
    re.compile(rf"[“\"]{_TERM},?[”\"]{_MEANS}(?=\w)"),
    re.compile(rf"[„“\"]{_TERM}[“”\"]\s+(?:bezeichnet|bedeutet|meint)\s+(?=\w)"),
    re.compile(rf"[“「]{_CJK}[”」](?:是指|系指|指|：指)[：:]?"),
)
_INLINE = (
    re.compile(
        rf"\((?:each,? |collectively,? |together,? |hereinafter,? |such \w+,? )*(?:the|an?)\s[“\"]{_TERM}[”\"]\)"
    ),
    re.compile(rf"\((?:nachfolgend|im Folgenden)(?: auch)?:? (?:der |die |das )?[„“\"]{_TERM}[“”\"]\)"),
    re.compile(rf"（(?:以下简称|下称|简称)[：:]?[“「]{_CJK}[”」]）"),
)
_SAYS_NOTHING = re.compile(
    r"(?:has |have |shall have )?(?:the |its |their |such )?(?:respective )?meanings?\b"
    r"|.{0,60}\b(?:set forth|defined|described|specified|identified|listed) (?:in|on|under|herein|above|below)\b",
    re.DOTALL,
)


def find(text: str) -> Iterator[Span]:
    """Where terms are defined, in a sentence of their own or in passing; only the first in a sentence."""
    for pattern in (*_DEFINITIONS, *_INLINE):
        if match := pattern.search(text):
            if pattern in _DEFINITIONS and _rest(text, match.end("term")) is None:
                return
            yield match.span("term")
            return


def rest(sentence: str, begin: int, end: int) -> str | None:
    """What defines the term that stands at `begin`; None where it is defined in passing."""
    return _rest(sentence, end) if any(match.start("term") == begin for match in _matches(sentence)) else None


def _matches(sentence: str) -> list[re.Match[str]]:
    return [match for pattern in _DEFINITIONS if (match := pattern.search(sentence))]


def _rest(sentence: str, end: int) -> str | None:
    for match in _matches(sentence):
        if match.end("term") == end:
            body = sentence[match.end() :].strip()
            told = len(body.split()) >= 7 or len(re.findall(r"[\u3400-\u9fff]", body)) >= 10
            if told and not _SAYS_NOTHING.match(body) and match["term"].lower() not in body.lower():
                return body
    return None


def change(value: str, rng: Random, language: str) -> str | None:
    """A term that nobody uses, made of two or three words; in English it names a thing of the same sort."""
    parts = table("terms")
    made = [rng.choice(part) for part in parts.get(language) or parts["en"]]
    sort = re.search(r" [A-Z][a-z]{2,}$", value)
    if sort and language == "en":
        made[-1] = sort[0]  # such Party, the "Tiered Margin Party"
    return "".join(made)


KIND = Kind("term", find, change, rest)
