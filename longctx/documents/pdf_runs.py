"""The text operators of a PDF page, followed to runs of characters with their place on the page.

pypdf parses the file and knows the fonts. Its own `extract_text` loses what places alone tell: words
come out split or glued and table rows torn apart in filings that draw each word in a coordinate system
of its own. Operators as in ISO 32000-2, 9.4.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pypdf import PageObject, mult
from pypdf.generic import ContentStream, DictionaryObject
from pypdf.generic._font import Font

from longctx.documents.base import one_line
from longctx.documents.symbols import pictured

Matrix = list[float]
_UNIT = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0]
_FOLLOWED = set(b"q Q cm BT Tf Tc Tw Tz TL Ts Td TD Tm T* Tj TJ ' \" Do".split())
_DEEPEST = 20  # forms within forms
_MOST_FORMS = 5000  # drawn on one page


@dataclass(frozen=True, slots=True)
class Run:
    """Characters drawn side by side. Places are in page units, measured along and across the writing direction."""

    text: str  # without blanks at its ends: places tell the gaps between runs
    after_blank: bool  # a blank was drawn before it
    start: float  # along the line
    end: float
    base: float  # across it, growing upwards
    size: float  # height of the font
    space: float  # width of a blank
    turn: int  # writing direction in quarter turns


@dataclass(frozen=True, slots=True)
class _Style:
    """Text state."""

    font: Font | None = None
    scale: float = 0.001  # glyph units to em
    size: float = 0.0
    between: float = 0.0  # extra space after each character
    words: float = 0.0  # extra space after each blank
    stretch: float = 1.0
    leading: float = 0.0
    rise: float = 0.0


def page_runs(page: PageObject, fonts: dict[int, Any]) -> tuple[list[Run], list[str]]:
    """All text of a page in drawing order, and what is missing from it.

    Args:
        page: the page.
        fonts: kept between the pages of a file, so that each font is parsed once; empty at first.

    Raises:
        Exception: whatever pypdf raises for a damaged page.
    """
    contents, resources = _resolved(page.get("/Contents")), _resolved(page.get("/Resources"))
    if contents is None or not isinstance(resources, DictionaryObject):
        return [], []
    reader = _Page(page.pdf, fonts)
    reader.follow(ContentStream(contents, page.pdf, "bytes"), resources, _UNIT, 0)
    return reader.runs, list(dict.fromkeys(reader.missing))


class _Page:
    def __init__(self, pdf: Any, fonts: dict[int, Any]) -> None:
        self.pdf, self.fonts = pdf, fonts
        self.runs: list[Run] = []
        self.missing: list[str] = []
        self.forms = 0  # followed so far
        self.blank = False  # the last character drawn

    def follow(self, content: ContentStream, resources: DictionaryObject, space: Matrix, depth: int) -> None:
        """Follow one content stream. `space` maps its coordinates to the page's."""
        style, stack = _Style(), []
        here = line = _UNIT  # text matrix and text line matrix
        for operands, operator in content.operations:
            if operator not in _FOLLOWED:  # most draw lines and colours
                continue
            numbers = [_number(operand) for operand in operands] if isinstance(operands, list) else []
            match operator, len(numbers):
                case b"q", _:
                    stack.append((space, style))
                case b"Q", _ if stack:
                    space, style = stack.pop()
                case b"cm", 6:
                    space = mult(numbers, space)
                case b"BT", _:
                    here = line = _UNIT
                case b"Tf", 2:
                    font, scale = self.font(resources, operands[0])
                    style = replace(style, font=font, scale=scale, size=numbers[1])
                case b"Tc", 1:
                    style = replace(style, between=numbers[0])
                case b"Tw", 1:
                    style = replace(style, words=numbers[0])
                case b"Tz", 1:
                    style = replace(style, stretch=numbers[0] / 100)
                case b"TL", 1:
                    style = replace(style, leading=numbers[0])
                case b"Ts", 1:
                    style = replace(style, rise=numbers[0])
                case ((b"Td" | b"TD"), 2):
                    if operator == b"TD":
                        style = replace(style, leading=-numbers[1])
                    here = line = mult([1, 0, 0, 1, *numbers], line)
                case b"Tm", 6:
                    here = line = numbers
                case b"T*", _:
                    here = line = mult([1, 0, 0, 1, 0, -style.leading], line)
                case ((b"Tj" | b"TJ"), 1):
                    here = self.show(operands[0], style, here, space)
                case ((b"'" | b'"'), (1 | 3)):
                    if operator == b'"' and len(numbers) == 3:
                        style = replace(style, words=numbers[0], between=numbers[1])
                    line = mult([1, 0, 0, 1, 0, -style.leading], line)
                    here = self.show(operands[-1], style, line, space)
                case b"Do", 1:
                    self.form(operands[0], resources, space, depth)

    def font(self, resources: DictionaryObject, name: object) -> tuple[Font | None, float]:
        """The font with that name in the resources, or None, and the size of its glyph units in em."""
        fonts = _resolved(resources.get("/Font"))
        resource = _resolved(fonts.get(name)) if isinstance(fonts, DictionaryObject) else None
        if not isinstance(resource, DictionaryObject):
            return None, 0.001
        if id(resource) not in self.fonts:
            try:
                font = Font.from_font_resource(resource)
            except Exception:  # a broken font costs its own text only
                font = None
            identity = _resolved(resource.get("/Encoding")) in ("/Identity-H", "/Identity-V")
            if font and identity and not font.character_map:
                font = None  # numbers of glyphs, which only the font file itself could explain
            matrix = _resolved(resource.get("/FontMatrix")) if font and font.sub_type == "Type3" else None
            scale = abs(_number(matrix[0], 0.001)) if isinstance(matrix, list) and matrix else 0.001
            # Keeping the resource keeps its id from being given to another.
            self.fonts[id(resource)] = (resource, font, scale)
        _, font, scale = self.fonts[id(resource)]
        return font, scale

    def form(self, name: object, resources: DictionaryObject, space: Matrix, depth: int) -> None:
        """Follow a form, a content stream drawn as a whole (letterheads, stamps, pages made from other pages)."""
        forms = _resolved(resources.get("/XObject"))
        form = _resolved(forms.get(name)) if isinstance(forms, DictionaryObject) else None
        if not isinstance(form, DictionaryObject) or _resolved(form.get("/Subtype")) != "/Form" or depth >= _DEEPEST:
            return
        self.forms += 1
        if self.forms > _MOST_FORMS:
            self.missing.append(f"draws more than {_MOST_FORMS:,} forms")
            return
        matrix = [_number(value) for value in _resolved(form.get("/Matrix")) or _UNIT]
        own = _resolved(form.get("/Resources"))
        inner = own if isinstance(own, DictionaryObject) else resources
        if len(matrix) != 6:
            return
        try:
            self.follow(ContentStream(form, self.pdf, "bytes"), inner, mult(matrix, space), depth + 1)
        except (MemoryError, RecursionError):
            raise
        except Exception as error:  # the rest of the page is not the form's fault
            self.missing.append(f"damaged part: {one_line(error, 60)}")

    def show(self, operand: object, style: _Style, here: Matrix, space: Matrix) -> Matrix:
        """Add the runs of a Tj string or TJ array; returns the text matrix after it."""
        if style.font is None:
            if operand:
                self.missing.append("text in a font that does not say which characters it shows")
            return here
        along = 0.0  # pen position in text space
        text: list[str] = []
        start = end = pen = 0.0  # of the run: its first character, its last one, and blanks after that
        gap = smallest_gap(style.font.space_width * style.scale, 1.0) * abs(style.size)
        for item in operand if isinstance(operand, list) else [operand]:
            if isinstance(item, (int, float)):
                along -= item / 1000 * style.size * style.stretch
                continue
            for code, character in _characters(item, style.font):
                if text and along - pen > gap:
                    self.add("".join(text), start, end, style, here, space)
                    text = []
                blank = character.isspace()
                width = style.font.space_width if code == style.font.space_char else style.font.get_text_width(code)
                pen = along + width * style.scale * style.size * style.stretch
                if text or not blank:
                    start = start if text else along
                    end = end if blank else pen
                    text.append(character)
                else:
                    self.blank = True
                along = pen + (style.between + (style.words if code == " " else 0)) * style.stretch
        if text:
            self.add("".join(text), start, end, style, here, space)
        return mult([1, 0, 0, 1, along, 0], here)

    def add(self, text: str, start: float, end: float, style: _Style, here: Matrix, space: Matrix) -> None:
        a, b, c, d, x, y = mult([1, 0, 0, 1, start, style.rise], mult(here, space))
        width, height = math.hypot(a, b), math.hypot(c, d) * abs(style.size)
        turn = round(math.atan2(b, a) / (math.pi / 2)) % 4
        left, base = ((x, y), (y, -x), (-x, -y), (-y, x))[turn]
        if not (math.isfinite(left) and math.isfinite(base)) or not height:
            return
        space_width = style.font.space_width * style.scale * abs(style.size) * width if style.font else 0.0
        end = left + (end - start) * width
        self.runs.append(Run(text.rstrip(), self.blank, left, end, base, height, space_width, turn))
        self.blank = text[-1].isspace()


def _characters(item: object, font: Font) -> Iterator[tuple[str, str]]:
    """Code as pypdf's width table names it, and the text it stands for."""
    if not isinstance(item, (bytes, str)):
        return
    data = item if isinstance(item, bytes) else item.encode("latin-1", "replace")
    if isinstance(font.encoding, str):
        codes: Sequence[str] = data.decode(font.encoding, "replace")
        plain: Sequence[str] = codes
    else:
        codes = [chr(code) for code in data]
        plain = [font.encoding.get(code, chr(code)) for code in data]
    family = font.name.rpartition("+")[2]
    for code, character in zip(codes, plain, strict=True):
        text = font.character_map.get(character, character)
        # Symbols are named after the letters in their places; of the Symbol font pypdf knows better.
        yield code, pictured(text, family) if family.startswith("Wingdings") else text


def smallest_gap(blank: float, em: float) -> float:
    """Smallest distance that counts as a blank between words: half a blank, if the font's blank is credible."""
    return min(max(0.5 * blank, 0.1 * em), 0.3 * em)


def _resolved(value: Any) -> Any:
    return value.get_object() if value is not None else None


def _number(value: object, default: float = 0.0) -> float:
    return float(value) if isinstance(value, (int, float)) else default
