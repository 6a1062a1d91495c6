"""Automatic numbers of Word paragraphs: the "4.2" and "(a)" that are counted, not written.

Contracts refer to each other's clauses by these numbers. Rules as in ECMA-376 Part 1, 17.9.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any

from longctx.documents.symbols import chinese_number, letters, roman

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
VAL = W + "val"
_CHINESE = re.compile("chinese|japanese|taiwanese|ideograph", re.I)


@dataclass(frozen=True, slots=True)
class _Level:
    start: int = 1
    form: str = "decimal"
    text: str = ""  # with %1 to %9 for the numbers of levels 1 to 9
    legal: bool = False  # all numbers in it are decimal
    joined: bool = False  # nothing between the number and the text
    style: str = ""  # paragraph style that belongs to this level


class Numbers:
    """Counts the numbered paragraphs of one document, in order."""

    def __init__(self, numbering: Any, styles: Any) -> None:
        """Read the definitions.

        Args:
            numbering: root element of the numbering part, or None.
            styles: root element of the styles part, or None.
        """
        self._lists: dict[str, dict[int, _Level]] = {}
        self._instances: dict[str, tuple[str, dict[int, _Level], dict[int, int]]] = {}
        self._counts: dict[str, dict[int, int]] = defaultdict(dict)
        self._begun: set[str] = set()
        self._styles = {s.get(W + "styleId"): s for s in styles.iter(W + "style")} if styles is not None else {}
        if numbering is None:
            return
        for element in numbering.iter(W + "abstractNum"):
            self._lists[element.get(W + "abstractNumId")] = _levels(element)
        for element in numbering.iter(W + "num"):
            overrides = element.findall(W + "lvlOverride")
            starts = {_int(o.get(W + "ilvl")): _int(_val(o, "startOverride"), 1) for o in overrides}
            starts = {
                i: n for i, n in starts.items() if any(o.find(W + "startOverride") is not None for o in overrides)
            }
            own = {i: level for o in overrides for i, level in _levels(o).items()}
            self._instances[element.get(W + "numId")] = (_val(element, "abstractNumId"), own, starts)

    def label(self, paragraph: Any) -> str:
        """The number or bullet of a paragraph with what stands after it; "" if it has none. Counts it."""
        number, index = self._place(paragraph)
        if number not in self._instances:
            return ""
        abstract, own, starts = self._instances[number]
        levels = self._lists.get(abstract, {}) | own
        if index not in levels:
            return ""
        counts = self._counts[abstract]
        if number not in self._begun:  # a list that starts over
            self._begun.add(number)
            for start_index, start in starts.items():
                counts.pop(start_index, None)
                levels[start_index] = replace(levels.get(start_index, _Level()), start=start)
        counts[index] = counts[index] + 1 if index in counts else levels[index].start
        for deeper in [level for level in counts if level > index]:
            del counts[deeper]
        level = levels[index]
        if level.form == "bullet":
            return "- "
        text = re.sub("%([1-9])", lambda match: _number(int(match[1]) - 1, levels, counts, level.legal), level.text)
        return text + ("" if level.joined or not text else " ")

    def _place(self, paragraph: Any) -> tuple[str, int]:
        """List instance and level of a paragraph: its own or its style's."""
        properties = paragraph.find(W + "pPr")
        numbered = properties.find(W + "numPr") if properties is not None else None
        number, level = (_val(numbered, "numId"), _val(numbered, "ilvl")) if numbered is not None else ("", "")
        style = _val(properties, "pStyle") if properties is not None else ""
        seen: set[str] = set()
        first = style
        while not number and style in self._styles and style not in seen:
            seen.add(style)
            element = self._styles[style]
            numbered = element.find(f"{W}pPr/{W}numPr")
            if numbered is not None:
                number = _val(numbered, "numId")
                level = level or _val(numbered, "ilvl") or self._level_of(number, {first, style})
            style = _val(element, "basedOn")
        return number, _int(level)

    def _level_of(self, number: str, styles: set[str]) -> str:
        levels = self._lists.get(self._instances.get(number, ("", {}, {}))[0], {})
        return next((str(index) for index, level in levels.items() if level.style in styles), "0")


def _levels(parent: Any) -> dict[int, _Level]:
    levels = {}
    for element in parent.findall(W + "lvl"):
        levels[_int(element.get(W + "ilvl"))] = _Level(
            start=_int(_val(element, "start"), 1),
            form=_val(element, "numFmt") or "decimal",
            text=_val(element, "lvlText"),
            legal=element.find(W + "isLgl") is not None,
            joined=_val(element, "suff") == "nothing",
            style=_val(element, "pStyle"),
        )
    return levels


def _number(index: int, levels: dict[int, _Level], counts: dict[int, int], legal: bool) -> str:
    level = levels.get(index, _Level())
    count = counts.get(index, level.start)
    form = "decimal" if legal else level.form
    if form in ("lowerLetter", "upperLetter"):
        return letters(count) if form == "lowerLetter" else letters(count).upper()
    if form in ("lowerRoman", "upperRoman"):
        return roman(count) if form == "lowerRoman" else roman(count).upper()
    if form == "decimalZero":
        return f"{count:02}"
    if form == "none":
        return ""
    return chinese_number(count) if _CHINESE.search(form) else str(count)


def _val(element: Any, name: str) -> str:
    child = element.find(W + name)
    return (child.get(VAL) or "") if child is not None else ""


def _int(text: str | None, default: int = 0) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 9 else default
