"""One row of a table as text."""

from __future__ import annotations

import re

MARKER = re.compile(
    r"[•·▪■□◦●○‣–—*§☐☒☑✓o-]|\[[ xX]?\]|\(?(?:[0-9]{1,3}|[a-zA-Z]|[ivxIVX]{1,5})[.)]|(?i:item|note|section) \d+\w?\.?"
)
"""What begins a list item and belongs to the text after it: a bullet, a check box, a number."""
_OPENING = re.compile(r"[$€£¥(]+")
_CLOSING = re.compile(r"[)%][)% ]*")
_LONG = 400  # characters, or
_TALL = 4  # lines: a cell with more and with line breaks is a block of text, not data


def row_text(cells: list[str]) -> str:
    """Cells of one row, separated by " | "; empty cells are left out.

    Currency signs and brackets that stand in cells of their own (financial tables do that to align
    numbers) are put back to their number, list markers to their item. A row that lays out blocks of
    text rather than data gives one block after the other.
    """
    cells = [cell.strip() for cell in cells]
    cells = [cell for cell in cells if cell]
    if len(cells) <= 1:
        return "".join(cells)
    if any("\n" in cell and (len(cell) > _LONG or cell.count("\n") >= _TALL) for cell in cells):
        return "\n".join(cells)
    joined: list[str] = []
    opening = ""
    for cell in (" ".join(cell.split()) for cell in cells):
        if joined and not opening and _CLOSING.fullmatch(cell):
            joined[-1] += cell
        elif _OPENING.fullmatch(cell):
            opening += cell
        else:
            joined.append(opening + cell)
            opening = ""
    if opening:
        joined.append(opening)
    if len(joined) == 2 and MARKER.fullmatch(joined[0]):
        return " ".join(joined)
    return " | ".join(joined)
