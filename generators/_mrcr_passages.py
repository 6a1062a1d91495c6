"""Cuts documents into passages that could be somebody's answer: a clause, an entry, some paragraphs, a function."""

from __future__ import annotations

import ast
import re
import textwrap
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from longctx.corpus import Corpus, Section
from longctx.corpus_cache import Stretch
from longctx.cuts import PARAGRAPH, SENTENCE
from longctx.seams import Piece, Slice, decode
from longctx.tokens import byte_offsets

LEAST, MOST = 60, 400  # tokens of a passage
_FULL = 160  # tokens from which on a passage ends with its paragraph
_PIECE = 240  # tokens of a piece of what is too long
_LETTERS = 0.6  # share of letters in what counts as prose
_HEADING_WORDS = 9  # of a heading at most
_END = 200  # characters of either end by which passages are taken for the same

_NUMBER = (
    r"(?:(?:Section|SECTION|Article|ARTICLE|Item|ITEM|Note|NOTE)\s+)?"
    r"(?:\d{1,2}[A-Z]?(?:\.\d{1,2}){0,3}|[IVX]{1,5})[.):]?(?:[ \t]*[-–—])?"
)
# "20. Independent Contractors. Nothing in this …", wherever in a line a sentence has ended before it.
_RUN_IN = re.compile(
    rf"(?:^|(?<=\n)|(?<=[.;:]\s)|(?<=[.;:]\s\s))[ \t]*(?:\*\*|__)?{_NUMBER}[ \t]+(?:\*\*|__)?"
    r"(?P<heading>[A-Z][A-Za-z&,;'’/ -]{2,70}?)(?:\.|:|\s[-–—])(?:\*\*|__)?[ \t]+(?=[A-Z0-9(\"“\[])"
)
# The same without a number: "Revenue recognition. Revenue is …" at the beginning of a paragraph.
_OPENING = re.compile(r"(?:\*\*)?(?P<heading>[A-Z][A-Za-z&'’/-]+(?: [A-Za-z&'’/-]+){1,4})[.:](?:\*\*)?\s+(?=[A-Z(\"“])")
_LINE = re.compile(r"^[ \t]*(?P<line>\S[^\n]{0,119})$", re.MULTILINE)
_MARKED = re.compile(r"^#{1,6}\s+(?P<heading>.+?)[\s#]*$")
_STAND_ALONE = re.compile(
    rf"^(?:\*\*)?(?:{_NUMBER}\s+|§+\s?\d[\w-]*\.?\s+|\(\w{{1,4}}\)\s+)?(?P<heading>[^\W\d_].*?)(?:\*\*)?$"
)
_HEADING = re.compile(r"^[^\W\d_][\w&,;'’/() -]*\??$")
_NO_TOPIC = re.compile(
    r"(?:we|our|i|you|it|they|if|upon|there|this|these|that|such|in|on|to|by|for|as|at|from|with|without|of|and|or|when|where|none|"
    r"no|not|except|unless|subject|each|all|any|see|page|exhibit|continued|date|name|title|signature|re)\b|.*\b(?:is|are|"
    r"shall|will|may|must|has|have|was|were|can|does|do|contains|means|applies|includes|provides|requires|agrees)\b",
    re.IGNORECASE,
)
_SMALL = re.compile(
    r"a|an|and|as|at|by|for|from|in|into|not|of|on|or|the|to|under|with|without|und|der|die|das|des|bei|von|zu|zum|für"
)
_BLANK = re.compile(r"\n[ \t\u00a0\r]*(?:\n[ \t\u00a0\r]*)+")
_ENDS = re.compile(r"[.!?:;。！？：；…][\"'”’»)\]」』）*_]*$")
_ITEM = re.compile(r"^\s*(?:[-*•–§]|\(\w{1,4}\)|\w{1,3}[.)])\s")
_TAG = re.compile(r"</?[a-zA-Z][^>]*>|<\|")
_RULE = re.compile(r"[-=_*.]{5,}")
_FIELD = re.compile(r"\||\w+:\s|(?:User|Assistant):")  # at the beginning of a line
_HAN_NUMBER = re.compile(r"^第[一二三四五六七八九十百千零〇\d]+[编章节条部分款]\s*")
_LABEL = re.compile(r"\*{1,2}[^\n*]{4,120}\*{1,2}")  # who wrote the next paragraph of a ticket, and when
_CAPITALS = 0.4  # share of letters from which on a text is a title page
_NO_CODE = re.compile(r"</?think|<\|im_|^(?:User|Assistant):", re.MULTILINE)
_DEFINED = re.compile(
    r"^\s*(?:(?:export|public|private|protected|static|async|pub|final|abstract|inline|virtual|default)\s+)*"
    r"(?:(?P<kind>class|struct|interface|enum|trait|function|func|fn|def|sub)\s+)?"
    r"(?:[\w:<>*&\[\]]+\s+)*?[*&]?(?P<name>[A-Za-z_]\w{2,})\s*(?P<call>\()?",
)


@dataclass(frozen=True, slots=True, eq=False)
class Passage:
    """Something that an assistant could have written.

    Attributes:
        piece: where it stands in the corpus's text, or its text where that is not word for word in there.
        text: itself.
        begin: byte of the corpus's text at which it begins.
        end: byte behind it.
        tokens: about how many it has.
        section: index of the part of a mixed corpus.
        document: index of the document.
        kind: ``prose``, a whole ``document``, or ``function``, ``method``, ``class`` in code.
        heading: what it stands under, its title, or the name that it defines; empty where there is none.
        title: of the document.
    """

    piece: Piece
    text: str
    begin: int
    end: int
    tokens: int
    section: int
    document: int
    kind: str
    heading: str
    title: str


def find_passages(corpus: Corpus) -> Iterator[list[Passage]]:
    """The passages of each document, cut when they are asked for; they do not overlap, and none has another's text."""
    seen: set[str] = set()
    for index, stretch in enumerate(corpus.documents):
        section = _section_of(corpus, stretch)
        if section is None:
            continue
        cutter = _Cutter(corpus, stretch, index, section)
        found: list[Passage] = []
        for passage in cutter.code() if stretch.format == "code" else cutter.prose():
            ends = {_key(passage.text[:_END]), _key(passage.text[-_END:])}
            if seen.isdisjoint(ends):
                seen |= ends
                found.append(passage)
        yield found


def _key(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))


def _section_of(corpus: Corpus, stretch: Stretch) -> int | None:
    sections: tuple[Section, ...] = corpus.sections
    for index, section in enumerate(sections):
        if corpus.cut_begin[section.first] <= stretch.begin < corpus.cut_begin[section.last]:
            return index
    return None


class _Cutter:
    """One document."""

    def __init__(self, corpus: Corpus, stretch: Stretch, index: int, section: int) -> None:
        self.corpus, self.stretch, self.index, self.section = corpus, stretch, index, section
        self.text = decode(corpus, Slice(stretch.begin, stretch.end))
        self._bytes = byte_offsets(self.text)
        self.title = stretch.path if stretch.format == "code" else _title(self.text, stretch.path)
        first = int(np.searchsorted(corpus.cut_begin, stretch.begin, side="right"))
        last = int(np.searchsorted(corpus.cut_begin, stretch.end))
        strong = corpus.cut_rank[first:last] >= (PARAGRAPH if stretch.format == "code" else SENTENCE)
        self._cuts = first + np.flatnonzero(strong)

    def _byte(self, at: int) -> int:
        return self.stretch.begin + (at if self._bytes is None else int(self._bytes[at]))

    def _tokens(self, begin: int, end: int) -> int:
        first, last = self.corpus.starts.searchsorted((begin, end))
        return int(last - first)

    def _passage(self, begin: int, end: int, heading: str, kind: str = "prose") -> Iterator[Passage]:
        """From byte to byte, if it has enough tokens."""
        text = decode(self.corpus, Slice(begin, end))
        bare = text.strip()
        begin += len(text[: len(text) - len(text.lstrip())].encode())
        piece = Slice(begin, begin + len(bare.encode()))
        tokens = self._tokens(piece.begin, piece.end)
        if LEAST <= tokens <= MOST and not _NO_CODE.search(bare):
            yield Passage(
                piece, bare, piece.begin, piece.end, tokens, self.section, self.index, kind, heading, self.title
            )

    def prose(self) -> Iterator[Passage]:
        """Paragraphs that follow each other under one heading, up to `MOST` tokens; a short document is taken whole."""
        if self._tokens(self.stretch.begin, self.stretch.end) <= MOST:
            first = len(self.text) - len(self.text.lstrip())
            line = self.text.find("\n", first)
            if line > 0 and self.title in self.text[first:line]:
                yield from self._passage(self._byte(line), self.stretch.end, self.title, "document")
            else:
                yield from self._passage(self.stretch.begin, self.stretch.end, "")
            return
        for heading, begin, end in self._sections():
            run: list[tuple[int, int]] = []  # paragraphs, in characters
            for first, last in _paragraphs(self.text, begin, end):
                # What comes behind the first passage, or behind a table, need not be about the heading any more.
                good = _is_prose(self.text[first:last], bool(run))
                own = _OPENING.match(self.text, first, last) if good else None
                if run:
                    so_far, then = (self._tokens(self._byte(run[0][0]), self._byte(at)) for at in (first, last))
                if run and (not good or own or so_far >= _FULL or then > MOST):
                    yield from self._cut(run, heading)
                    run, heading = [], ""
                    good = _is_prose(self.text[first:last], False)
                if own:
                    yield from self._cut([(own.end(), last)], clean_heading(own["heading"]))
                elif good:
                    run.append((first, last))
                if not run:
                    heading = ""
            if run:
                yield from self._cut(run, heading)

    def _cut(self, run: list[tuple[int, int]], heading: str) -> Iterator[Passage]:
        """A run of paragraphs as one passage, or as several that end with a sentence where it is too long."""
        heading = "" if heading == self.title else heading
        begin, end = self._byte(run[0][0]), self._byte(run[-1][1])
        while self._tokens(begin, end) > MOST:
            limit = int(np.searchsorted(self.corpus.starts, begin)) + _PIECE
            last = int(np.searchsorted(self.corpus.cut_end[self._cuts], self.corpus.starts[limit], side="right")) - 1
            if last < 0 or self.corpus.cut_end[self._cuts[last]] <= begin:
                return  # one sentence of more than that: a list or a table
            cut = int(self._cuts[last])
            yield from self._passage(begin, int(self.corpus.cut_end[cut]), heading)
            begin, heading = int(self.corpus.cut_begin[cut]), ""
        yield from self._passage(begin, end, heading)

    def _sections(self) -> Iterator[tuple[str, int, int]]:
        """Heading, and characters from which and to which what stands under it goes."""
        heads = {0: (0, "")}  # where a heading begins → where it ends, what it says
        for match in _LINE.finditer(self.text):
            if (heading := self._heading(match)) is not None:
                heads[match.start()] = match.end(), heading
        for match in _RUN_IN.finditer(self.text):
            if heading := clean_heading(match["heading"]):
                heads[match.start()] = match.end(), heading
        ordered = sorted(heads.items())
        for (_, (begin, heading)), (end, _) in zip(ordered, [*ordered[1:], (len(self.text), (0, ""))], strict=True):
            if end > begin:
                yield heading, begin, end

    def _heading(self, match: re.Match[str]) -> str | None:
        """What a line that stands alone says as a heading; empty where it is one that is no topic."""
        line, text = match["line"].strip(), self.text
        if marked := _MARKED.match(line):
            alone = _STAND_ALONE.match(marked["heading"])
            return clean_heading(alone["heading"] if alone else marked["heading"])
        if len(line) > 80 or text[max(0, match.start() - 2) : match.start()].strip("\n \t"):
            return None
        alone = _STAND_ALONE.match(line)
        if alone is None or _ENDS.search(alone["heading"].removesuffix("?")):
            return None
        words = [word for word in alone["heading"].split() if not _SMALL.fullmatch(word.casefold())]
        if not words or not (all(word[:1].isupper() for word in words) or line.startswith(("**", "§"))):
            return None
        return clean_heading(alone["heading"]) or None

    def code(self) -> Iterator[Passage]:
        """Definitions: of Python by its parser, of other languages by what stands at the margin."""
        if self.stretch.path.endswith((".py", ".pyi")):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # old files' escape sequences
                    yield from self._python(ast.parse(self.text))
                return
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                pass
        cuts = [self.stretch.begin, *self.corpus.cut_begin[self._cuts].tolist()]
        ends = [*self.corpus.cut_end[self._cuts].tolist(), self.stretch.end]
        for begin, end in zip(cuts, ends, strict=True):
            for line in decode(self.corpus, Slice(begin, end)).splitlines():
                if line[:1].isalpha() and (match := _DEFINED.match(line)) and (match["kind"] or match["call"]):
                    types = match["kind"] in ("class", "struct", "interface", "enum", "trait")
                    yield from self._passage(begin, end, match["name"], "class" if types else "function")
                    break

    def _python(self, tree: ast.Module) -> Iterator[Passage]:
        lines = self.text.split("\n")
        offsets = np.concatenate(([0], np.cumsum([len(line) + 1 for line in lines]))).tolist()

        def span(node: ast.stmt) -> tuple[int, int]:
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
            return offsets[first - 1], offsets[node.end_lineno or node.lineno] - 1

        functions = ast.FunctionDef | ast.AsyncFunctionDef
        for node in tree.body:
            if not isinstance(node, functions | ast.ClassDef):
                continue
            begin, end = (self._byte(at) for at in span(node))
            kind = "class" if isinstance(node, ast.ClassDef) else "function"
            if self._tokens(begin, end) <= MOST:
                yield from self._passage(begin, end, node.name, kind)
            elif isinstance(node, ast.ClassDef):
                for inner in node.body:
                    if isinstance(inner, functions):
                        yield from self._method(inner.name, *span(inner))

    def _method(self, name: str, begin: int, end: int) -> Iterator[Passage]:
        """A method as one would write it in an answer: without the indentation that it has in its class."""
        text = textwrap.dedent(self.text[begin:end]).strip()
        first, last = self._byte(begin), self._byte(end)
        tokens = self._tokens(first, last)
        if LEAST <= tokens <= MOST and not _NO_CODE.search(text):
            yield Passage(text, text, first, last, tokens, self.section, self.index, "method", name, self.title)


def _paragraphs(text: str, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Where paragraphs begin and end; a label belongs to the paragraph behind it."""
    at = first = begin  # where the paragraph begins, with its labels and without
    for match in [*_BLANK.finditer(text, begin, end), None]:
        last = match.start() if match else end
        if not match or not _LABEL.fullmatch(text[first:last].strip()):
            paragraph = text[at:last]
            if paragraph.strip():
                yield at + len(paragraph) - len(paragraph.lstrip()), last
            at = match.end() if match else end
        first = match.end() if match else end


def _is_prose(text: str, goes_on: bool) -> bool:
    """True for sentences, and where a passage goes on, for a list's items and a table."""
    text = text.strip()
    if goes_on and text.startswith("|") and "\n" in text:
        return True
    while label := _LABEL.match(text):
        text = text[label.end() :].strip()
    if not text:
        return False
    letters = sum(map(str.isalpha, text))
    if letters < _LETTERS * len(text) or sum(map(str.isupper, text)) > _CAPITALS * letters:
        return False
    if " |" in text or "<" in text and _TAG.search(text) or _RULE.search(text):
        return False
    if any(map(_FIELD.match, text.split("\n"))):
        return False
    if goes_on and _ITEM.match(text):
        return True
    opens = text[0].isupper() or not text[0].isalpha() or not text[0].islower()
    return opens and len(text) > 20 and bool(_ENDS.search(text))


def clean_heading(text: str) -> str:
    """A heading without marks and numbers; empty where it is none that could be a topic."""
    text = re.sub(r"\s+", " ", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)).strip(" *_#:.,;–—-")
    text = _HAN_NUMBER.sub("", text)
    least = 2 if text[:1] > "\u3400" else 4
    short = len(text.split()) <= _HEADING_WORDS and least <= len(text) <= 70
    topic = short and _HEADING.match(text) and (text.endswith("?") or not _NO_TOPIC.match(text))
    return text if topic else ""


def _title(text: str, path: str) -> str:
    """What a document is called: its first heading or line, else its file."""
    named = re.match(r"\s*(?:---\n(?:.*\n){0,20}?title:|#)[ \t]+(.+)", text[:3000])
    first = named[1] if named else text.lstrip().split("\n", 1)[0]
    first = re.sub(r"\s+", " ", first).strip(" *_#\"'")
    plain = (
        4 <= len(first) <= 110 and not first.isupper() and not re.search(r"[<>\\|{}`]|^(?:Exhibit|Table of)\b", first)
    )
    return first if plain else PurePosixPath(path).name
