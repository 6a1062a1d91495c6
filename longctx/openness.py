"""Whether something of its own may stand at a place of a text: not in lists, tables, definitions, forms, quotations."""

from __future__ import annotations

import re

_HEAD, _TAIL = 160, 600  # characters behind and before a place that tell what stands there

_SIGNED = re.compile(r"^\s*By:|/s/", re.MULTILINE)
_BROKEN = re.compile(r"[,;:.)|]|</|Date:|Name:|Title:|Its:|Signature\s*\|")
# What goes on with a list, a table, a quotation, a listing, a form, or a page that breaks a sentence in two.
_GOES_ON = re.compile(
    r"""\(?(?:[a-z]|[ivxlcdm]{1,5}|[A-Z]|\d{1,2})\)[\s.]    # (a) ii) 3)
    | (?:[a-z]|[ivx]{1,5})\.\s                              # b. iii.
    | [-–—*•●○◦▪■□‣⁃+·]\s | [*_]{0,2}[•●▪] | \#\s\S+=       # points
    | [|>] | \*\*\*\s*$ | [-=_]{3}
    | `{3} | ~{3} | \{(?:code|noformat|quote|panel) | [{}\[<] | </ | at\s[\w.$]+\( | Caused\sby: | Traceback
    | \d{1,4}\s*$ | -\s*\d{1,4}\s*- | Page\s\d | Source:\s  # furniture of pages
    | Attn|_{3}|\[?SIGNATURE|IN\sWITNESS
    | （[一二三四五六七八九十\d]{1,3}）
    | \W{0,4}(?:RECITALS|Recitals|BACKGROUND|Background|PREAMBLE|Preamble|W\s?I\s?T\s?N\s?E\s?S) | Yours\s
    | WHEREAS | NOW,?\sTHEREFORE | Now,?\stherefore | AND\sWHEREAS | (?:THE\s)?PARTIES\s(?:HEREBY|HERETO|AGREE)
    | [a-z,;:.)]
    """,
    re.VERBOSE | re.MULTILINE,
)
_DEFINES = re.compile(
    r"""(?:[\w.()]{1,8}\s{1,8})?[*_]{0,2}["“„«][^"”“»\n]{1,80}["”“»][*_]{0,2},?\s+
    (?:(?:and|or)\s["“][^"”]{1,80}["”]\s+)?(?:shall|means?|has|have|is|are|refers?|includes?|will|bedeutet|bezeichnet|\()
    """,
    re.VERBOSE,
)
_COLUMNS = re.compile(r"\S {4,}\S|\t|\.{4,}")  # of a table, or a line of a table of contents
# Sentences that lean on the one before.
_LEANS = re.compile(
    r"""(?:It|Its|This|These|Those|That|Such|Thus|Hence|He|She|They|Their|His|Her|Both|Neither|However|Moreover|Further(?:more)?
    |Therefore|Accordingly|Otherwise|Instead|Likewise|Similarly|Consequently|Nevertheless|Nonetheless|Also|Then|But|And|Or|So|Yet
    |Because|(?:Notwithstanding|Subject\sto|Without\slimiting)\sthe\sforegoing|The\s(?:foregoing|above|same|latter|former|following)
    |In\s(?:addition|particular|either|other|each\scase)|For\s(?:example|instance|purposes)|As\sa\sresult
    |\w+\s(?:this|these|such|that)|If\s(?:so|not|this|these|such|it|they|no\ssuch)|Some|Unlike
    |Dies(?:e[mnrs]?|es)?|Er|Sie|Es|Ihre?|Seine?|Dabei|Dazu|Dadurch|Damit|Dann|Darin|Hierzu|Hierbei|Deshalb|Daher|Jedoch
    |Außerdem|Ferner|Zudem|Insoweit|Satz|Gleiches|Das\sgleiche|Die\s(?:vorstehende|genannte)\w*|Solche?\w*)\b
    |\d+\s(?:U\.S\.C|C\.F\.R)|(?:See|Cf\.|Id\.|Vgl\.|Siehe)\s|§|Dasselbe|[其该此这但且]|因此|所以|同时|前款|前述|上述|另外|然而|否则""",
    re.VERBOSE,
)
_SHOUTED = re.compile(r"[^a-zà-ÿ]{24,}")  # banners, stamps and legends
_STAMP = re.compile(r"[A-Z][^a-zà-ÿ]{60}$")  # the end of one
_FURNITURE = re.compile(
    r"Confidential Treatment|COMPETITIVELY HARMFUL|duly authorized|/s/|^\s*(?:By|Name|Title|Date):", re.MULTILINE
)
_CENTRED = 24  # blanks before a line that is a title, a number of a page or a row of a table
_COMPANY = re.compile(r"(?:Inc|Corp|Ltd|Co|L\.?L\.?C|L\.?P|N\.V|S\.A|PLC)\.\W*$")
_ANNOUNCES = re.compile(r"\b(?:as follows|the following|following \w+|below)\W{0,4}$", re.IGNORECASE)
_VERBLESS = 80  # characters of a paragraph that is a name and no sentence, at most
_FENCE = re.compile(r"^(?:```|~~~)[^\n]*$|\{(?:code|noformat|quote|panel)(?::[^}\n]*)?\}", re.MULTILINE)
_LONGEST = 30_000  # characters of a listing; what seems longer was not closed
_SMALL = re.compile(
    "an?|and|as|at|but|by|for|from|in|into|of|on|or|other|over|the|their|to|under|upon|with|without|between"
)
_UNSPACED = re.compile(r"[\u3040-\u9fff]")
_NUMBERED = re.compile(
    r"(?:§|ARTICLE|Article|SECTION|Section|Sec\.)?\s*(?:\d+(?:\.\d+)*[.)]?|[IVXLC]+[.)]|[A-Z][.)]|\([a-z]{1,3}\))\s+"
)


def is_open(text: str, begin: int, end: int, following: int, *, paragraph: bool) -> bool:
    """True where what is put in between would disturb nothing.

    Args:
        text: of the document.
        begin: where the paragraph begins that ends at `end`, or that holds it.
        end: behind the last character before the place.
        following: of the first character after it.
        paragraph: the place is between two paragraphs, not inside one.
    """
    before = text[max(begin, end - _TAIL) : end]
    after = text[following : following + _HEAD]
    line = after.split("\n", 1)[0]
    indented = following - text.rfind("\n", 0, following) > _CENTRED and paragraph
    if indented or _GOES_ON.match(after) or _DEFINES.match(after):
        return False
    if _STAMP.search(before) or _COLUMNS.search(line):
        return False
    last = before.rsplit("\n", 1)[-1].strip()
    if _COLUMNS.search(last) or last.startswith(("|", ">", "<")):
        return False
    if paragraph:
        whole = end - begin <= _TAIL
        banner = _SHOUTED.fullmatch(before) or _FURNITURE.search(before) or before.lstrip().startswith(("<", "{"))
        return not (whole and (banner or (end - begin < _VERBLESS and _COMPANY.search(before))))
    return not _LEANS.match(after)


def is_broken(text: str, end: int, following: int) -> bool:
    """True where a sentence, an element of a page or a block of signatures goes on behind a place."""
    if text[end - 1 : end] in ",;:(":
        return True
    after = text[following : following + _HEAD]
    return (
        after[:1].islower()
        or bool(_BROKEN.match(after) or _SIGNED.search(after))
        or bool(_ANNOUNCES.search(text, max(0, end - 40), end))
    )


def is_heading(paragraph: str) -> bool:
    """True for "22.1. Assignment." and "8.2 Indemnification by the Company.": what follows it belongs to it."""
    paragraph = paragraph.strip(" \n\t*_")
    if paragraph.rsplit("\n", 1)[-1].startswith("#"):
        return True
    if len(paragraph) > 100 or _UNSPACED.search(paragraph) or paragraph[-1:] not in (".", ":"):
        return False
    numbered = _NUMBERED.match(paragraph)
    words = (paragraph[numbered.end() :] if numbered else paragraph).strip(".:*_ ").split()
    if len(words) < 4:
        return len(paragraph) < 60
    bare = [word.strip(",;\"'()&/-") for word in words]
    return len(words) <= 12 and not any(word[:1].islower() and not _SMALL.fullmatch(word) for word in bare)


def listings(text: str) -> list[tuple[int, int]]:
    """Where code, logs and quotations stand between marks of their own, in characters."""
    found: list[tuple[int, int]] = []
    opened: re.Match[str] | None = None
    for match in _FENCE.finditer(text):
        if opened is None:
            opened = match
        elif opened[0][:3] == match[0][:3] and match.start() - opened.end() <= _LONGEST:
            found.append((opened.end(), match.start()))
            opened = None
        else:
            opened = match
    return found
