"""Where a text may be cut: between sentences, paragraphs, clauses and top-level definitions."""

from __future__ import annotations

import ast
import re
import warnings
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from longctx.types import Document

CUTS_VERSION = "1"  # goes into a corpus's hash: other rules give other haystacks

LINE = 1  # the end of a line that ends no sentence: a heading, a row of a table, a line of code
SENTENCE = 2  # between two sentences of a paragraph
PARAGRAPH = 3  # between two paragraphs, the first of which ends a sentence; before a top-level definition in code

# Full stops behind these end no sentence, nor do those behind single letters and bare numbers (initials, "3. Mai").
_ABBREVIATION = re.compile(
    "abs|al|approx|art|bzw|ca|cf|co|corp|dept|dr|ed|eg|esq|etc|evtl|fig|ggf|gem|hon|ie|inc|incl|inkl|jr|lit|llc|ltd|max"
    "|messrs|min|mio|mr|mrs|ms|mt|nr|no|nos|op|par|para|pp|prof|rev|sec|sog|sr|st|str|tel|usw|vgl|viz|vol|vs|ziff"
)
_STOP = r"""[.!?…]["'”’»)\]]*(?=\s)|[。！？][”’」』）]*"""
_END = re.compile(_STOP)
_BLANK = re.compile(r"\n(?:[ \t\u00a0]*\n)+")
_NEWLINE = re.compile(r"\n")
_VISIBLE = re.compile(r"\S")
_NO_WORD = re.compile(r"\d+|\w|(\w\.)+\w")
_OPENS = re.compile(r"""["'“‘«(\[•*_#>-]*[\w“„«(\[§$€£]""")
_TERMINAL = re.compile(r"""[.!?。！？…]["'”’»)\]」』）*_]*$""")
# Languages without a parser at hand: a blank line, then something at the margin that neither closes a block nor
# goes on with a comment begun above.
_MARGIN = re.compile(r"\n(?:[ \t]*\n)+(?=[^\s})\]*+|.,:;&=<-])")


class Cuts(NamedTuple):
    """Cut points of a text, in order. Text before a cut ends at `end`, text after it begins at `begin`."""

    end: npt.NDArray[np.int64]  # (k,) offset behind the last visible character before the cut
    begin: npt.NDArray[np.int64]  # (k,) offset of the first visible character after it
    rank: npt.NDArray[np.uint8]  # (k,) LINE, SENTENCE or PARAGRAPH


def find_cuts(document: Document) -> Cuts:
    """Cut points of a document, in character offsets; its own beginning and end are not among them."""
    text = document.text
    ranks: dict[int, int] = {}  # offset of a gap's first blank (or of the next sentence, where there is none) → rank

    def mark(offset: int, rank: int) -> None:
        ranks[offset] = max(rank, ranks.get(offset, 0))

    if document.format == "code":
        for offset in _definitions(document):
            mark(_gap_start(text, offset), PARAGRAPH)
    else:
        for match in _END.finditer(text):
            if _ends_sentence(text, match):
                mark(match.end(), SENTENCE)
        for match in _BLANK.finditer(text):
            line = text[text.rfind("\n", 0, match.start()) + 1 : match.start()].rstrip()
            mark(_gap_start(text, match.end()), PARAGRAPH if _TERMINAL.search(line) else LINE)
    for match in _NEWLINE.finditer(text):
        mark(_gap_start(text, match.end()), LINE)
    return _as_cuts(text, ranks)


def _gap_start(text: str, offset: int) -> int:
    """First blank of the run of blanks that ends at or holds `offset`."""
    while offset > 0 and text[offset - 1].isspace():
        offset -= 1
    return offset


def _as_cuts(text: str, ranks: dict[int, int]) -> Cuts:
    ends, begins, kinds = [], [], []
    previous = 0
    for end in sorted(ranks):
        following = _VISIBLE.search(text, end)
        if end == 0 or following is None:
            continue
        ends.append(end)
        begin = following.start()
        # Code keeps the indentation of the line that follows.
        line = text.rfind("\n", end, begin) + 1
        begins.append(line if line > end else begin)
        heading = ranks[end] == SENTENCE and _is_heading(text[previous:end])
        kinds.append(LINE if heading else ranks[end])
        previous = begin
    return Cuts(np.array(ends, np.int64), np.array(begins, np.int64), np.array(kinds, np.uint8))


def _is_heading(sentence: str) -> bool:
    """True for "22.1. Assignment." and the like: what follows it belongs to it."""
    return len(sentence) < 60 and sentence.isascii() and len(sentence.split()) < 4


def _ends_sentence(text: str, match: re.Match[str]) -> bool:
    if match[0][0] in "。！？":
        return True
    following = _VISIBLE.search(text, match.end())
    if following is None or not _OPENS.match(text, following.start()):
        return False
    # A sentence goes on in lower case: "e.g. this", "the so-called U.S. company".
    opening = text[following.start() : following.start() + 3].lstrip("\"'“‘«([•*_#>-„")
    if opening[:1].islower():
        return False
    if match[0][0] != ".":
        return True
    before = text[max(0, match.start() - 24) : match.start()]
    word = re.search(r"[\w.&]*$", before)[0]  # type: ignore[index]
    return bool(word) and not _ABBREVIATION.fullmatch(word.replace(".", "").lower()) and not _NO_WORD.fullmatch(word)


def _definitions(document: Document) -> list[int]:
    if document.path.endswith((".py", ".pyi")):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # old files' escape sequences
                tree = ast.parse(document.text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            pass
        else:
            return _python_definitions(document.text, tree)
    return [match.end() for match in _MARGIN.finditer(document.text)]


def _python_definitions(text: str, tree: ast.Module) -> list[int]:
    """Offsets of top-level statements behind a blank line; comments above a statement belong to it."""
    lines = text.split("\n")
    offsets = np.concatenate(([0], np.cumsum([len(line) + 1 for line in lines])))
    found: list[int] = []
    for node in tree.body[1:]:  # nothing goes before the module's first statement or docstring
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            found.clear()  # these must come first in a file
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            continue
        decorators = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(decorator.lineno for decorator in decorators)]) - 1
        above = first
        while above > 0 and (lines[above - 1].startswith("#") or not lines[above - 1].strip()):
            above -= 1
            first = above if lines[above].startswith("#") else first
        if first > 0 and not lines[first - 1].strip():
            found.append(int(offsets[first]))
    return found


def in_bytes(cuts: Cuts, to_bytes: npt.NDArray[np.int64] | None) -> Cuts:
    """The same cuts in UTF-8 byte offsets (see `tokens.byte_offsets`)."""
    if to_bytes is None:
        return cuts
    return Cuts(to_bytes[cuts.end], to_bytes[cuts.begin], cuts.rank)
