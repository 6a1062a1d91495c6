"""What spreadsheets make of a cell: dates, amounts, percentages and long numbers in their own way of writing."""

from __future__ import annotations

import math
import re

from longctx.mining import dates
from longctx.mining._numbers import figure


def is_rewritten(cell: str, value: str) -> bool:
    """True where `cell` is what a spreadsheet shows for `value`; false where a person wrote something else.

    >>> is_rewritten("2031-03-04", "March 4, 2031"), is_rewritten("0.0475", "4.75%"), is_rewritten("60 days", "45 days")
    (True, True, False)
    """
    day = dates.parse(value)
    if day is not None:
        clock = {int(number) for number in re.findall(r"(?<=[ :])\d\d(?=:|$)", value)}
        shown = {int(number) for number in re.findall(r"\d+", cell)}
        return len(shown) > 1 and shown <= {day.day, day.month, day.year, day.year % 100, 0, *clock}
    number = figure(value)
    if number is None or re.search(r"[A-DF-Za-df-z]{2}", re.sub("USD|EUR|GBP|CHF", "", cell)):
        return False
    shortened = re.fullmatch(r"\s*-?\d(?:[.,]\d+)?[eE]\+?\d+\s*", cell)
    read = abs(float(cell.replace(",", "."))) if shortened else figure(cell)
    if read is None:
        return False
    return any(math.isclose(read, one, rel_tol=0.006 if shortened else 1e-9) for one in (number, number / 100))
