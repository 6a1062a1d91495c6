"""Companies by their full names: "Alder Foods Inc.", "Kestrel Optics GmbH"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random

from longctx.mining._pattern import Kind, Span, spans
from longctx.names import draw_name

_WORD = r"(?:[A-Z][\w’'-]*|[A-Z]\.)"
_LEGAL = (
    r"(?:Inc\.?|Incorporated|L\.?L\.?C\.?|Co\., Ltd\.?|Ltd\.?|Limited(?! [A-Z])|Corp\.?|Corporation"
    r"|GmbH(?: & Co\. KG)?|AG|SE|plc|PLC|N\.V\.?|B\.V\.?|S\.A\.?|SpA|L\.P\.?|LLP)"
)
_PATTERNS = (
    re.compile(
        rf"(?<![\w’'.&-])(?<![A-Z]\. )(?:{_WORD} |& ){{0,4}}{_WORD},? {_LEGAL}"
        r"(?![\w’'-]| de C\.V|\.? [A-Z0-9])"
    ),
)
_OPENING = re.compile(
    r"(?:The|This|That|Between|By|With|For|From|In|On|At|Under|And|Or|If|When|While|Whereas|WHEREAS|Neither|Either|Both"
    r"|Each|Any|All|No|Pursuant|Effective|Upon|As|To|Of|Chief|Executive|President|Der|Die|Das|Mit|Bei|Von|and|&)\s"
)
# What stands before a part of a name that began earlier.
_PART = re.compile(r"(?:[A-Z][\w.’'-]*,?\s(?:of|and|for|de|&)|&|[A-Z][\w’'-]*[,.])\s$|[A-Z][\w’'-]*\n$")
_NO_NAME = re.compile(
    r"['’]s |\b(?:Agreement|Section|Article|Exhibit|Party|Parties|Limited Liability|Company|Act|Board)\b"
)
# What the names that are drawn end with.
_DRAWN_LEGAL = re.compile(
    r",? (?:Inc\.|LLC|Ltd\.|Corp\.|Group plc|Holdings, Inc\.|Partners LP|Co\.|GmbH|AG|KG|GmbH & Co\. KG|SE|OHG|eG"
    r"|UG \(haftungsbeschränkt\)|KGaA|e\. K\.)$"
)


def find(text: str) -> Iterator[Span]:
    """Where companies are named in full."""
    for begin, end in spans(_PATTERNS, text):
        while opening := _OPENING.match(text, begin, end):
            begin = opening.end()
        name = text[begin:end]
        # Where the text goes on with a part of the name, another name would not fit, and the question would tell it.
        alone = len(re.findall(rf"\b{re.escape(name.split(',')[0].split()[0])}\b", text, re.IGNORECASE)) == 1
        if (
            alone
            and len(name.split()) > 1
            and not _NO_NAME.search(name)
            and not _PART.search(text[:begin])
            and not _has_initials(name, text)
            and not name.isupper()
        ):
            yield begin, end


def _has_initials(name: str, text: str) -> bool:
    """True where the text goes on with the first letters of a name: they would not fit another one."""
    words = re.findall(r"\b[A-Z]\w*", re.sub(rf",? {_LEGAL}$", "", name))
    letters = "".join(word[0] for word in words)
    return len(letters) > 1 and bool(re.search(rf"\b{letters}[A-Z]?\b", text))


def change(value: str, rng: Random, language: str) -> str | None:
    """Another company of the same legal form."""
    legal = re.search(rf",? {_LEGAL}$", value)
    drawn = draw_name("company", rng, "de" if language == "de" else "en")
    name = re.sub(_DRAWN_LEGAL, "", drawn)
    return name + legal[0] if legal else drawn


KIND = Kind("party", find, change)
