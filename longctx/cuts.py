"""Where a text may be cut: between sentences, paragraphs, clauses and top-level definitions."""

from __future__ import annotations

import ast
import bisect
import re
import warnings
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from longctx.openness import is_broken, is_heading, is_open, listings
from longctx.types import Document

CUTS_VERSION = "7"  # goes into a corpus's hash: other rules give other haystacks

LINE = 1  # the end of a line that ends no sentence: a heading, a row of a table, a line of code
SENTENCE = 2  # between two sentences of a paragraph
OPEN_SENTENCE = 3  # the same where the second does not lean on the first: something of its own may stand there
PARAGRAPH = 4  # between two paragraphs, the first of which ends a sentence
OPEN_PARAGRAPH = 5  # the same outside of lists, tables, definitions and forms; before a top-level definition in code

# Full stops behind these end no sentence, nor do those behind single letters and bare numbers (initials, "3. Mai").
_ABBREVIATION = re.compile(
    "abs|al|apr|approx|apt|art|aug|ave|bldg|blvd|bzw|ca|cf|co|cong|corp|dec|dept|dr|ed|eg|esq|etc|evtl|feb|fed|fig|ggf|gem|hon|ie|inc|incl|inkl|jan|jr|lit|llc|ltd|max"
    "|messrs|min|mio|mr|mrs|ms|mt|nr|no|nos|nov|oct|op|par|para|pp|prof|pub|reg|rev|sec|sept|sog|sr|st|stat|str|tel|usw|vgl|viz|vol|vs|ziff"
)
_STOP = r"""[.!?…]["'”’»)\]]*(?=\s)|[。！？][”’」』）]*"""
_END = re.compile(_STOP)
_BLANK = re.compile(r"\n(?:[ \t\u00a0]*\n)+")
_NEWLINE = re.compile(r"\n")
_VISIBLE = re.compile(r"\S")
_NO_WORD = re.compile(r"\d+|\w|(\w\.)+\w|\W+")
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
            mark(_gap_start(text, offset), OPEN_PARAGRAPH)
    else:
        for match in _END.finditer(text):
            if _ends_sentence(text, match):
                mark(match.end(), SENTENCE)
        for match in _BLANK.finditer(text):
            line = text[text.rfind("\n", 0, match.start()) + 1 : match.start()].rstrip()
            mark(_gap_start(text, match.end()), PARAGRAPH if _TERMINAL.search(line) else LINE)
    for match in _NEWLINE.finditer(text):
        mark(_gap_start(text, match.end()), LINE)
    return _as_cuts(text, ranks, prose=document.format != "code")


def _gap_start(text: str, offset: int) -> int:
    """First blank of the run of blanks that ends at or holds `offset`."""
    while offset > 0 and text[offset - 1].isspace():
        offset -= 1
    return offset


def _as_cuts(text: str, ranks: dict[int, int], *, prose: bool) -> Cuts:
    ends, begins, kinds = [], [], []
    inside = listings(text) if prose else []
    previous = paragraph = 0  # where the sentence and the paragraph begin
    for end in sorted(ranks):
        following = _VISIBLE.search(text, end)
        if end == 0 or following is None:
            continue
        ends.append(end)
        begin = following.start()
        # Code keeps the indentation of the line that follows.
        line = text.rfind("\n", end, begin) + 1
        begins.append(line if line > end else begin)
        rank = ranks[end]
        if prose and rank >= SENTENCE:
            rank = _weighed(text, rank, previous, paragraph, end, begin, inside)
        kinds.append(rank)
        previous = begin
        if text.count("\n", end, begin) > 1:
            paragraph = begin
    return Cuts(np.array(ends, np.int64), np.array(begins, np.int64), np.array(kinds, np.uint8))


def _weighed(
    text: str, rank: int, sentence: int, paragraph: int, end: int, begin: int, inside: list[tuple[int, int]]
) -> int:
    """The rank of a cut by what stands around it: a LINE where nothing else should stand there."""
    at = bisect.bisect_right(inside, (end, len(text))) - 1
    if at >= 0 and end < inside[at][1]:
        return LINE
    if is_broken(text, end, begin) or is_heading(text[(sentence if rank == SENTENCE else paragraph) : end]):
        return LINE
    return rank + is_open(text, paragraph, end, begin, paragraph=rank == PARAGRAPH)


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
    return (
        bool(re.search(r"\w", word))
        and not _ABBREVIATION.fullmatch(word.replace(".", "").lower())
        and not _NO_WORD.fullmatch(word)
    )


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
