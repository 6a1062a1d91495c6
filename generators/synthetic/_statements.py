"""Tables of an annual report, each computed from the accounts so that its rows and columns add up."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ._accounts import (
    ASSETS,
    CURRENT_ASSETS,
    CURRENT_LIABILITIES,
    EQUITY,
    LIABILITIES,
    Company,
    Year,
)
from ._prose import table

REGIONS = ["United States", "Other Americas", "Europe, Middle East and Africa", "Asia Pacific"]


def number(amount: int) -> str:
    """Thousands with separators; losses and outflows in parentheses, nothing as a dash."""
    return "—" if amount == 0 else f"({-amount:,})" if amount < 0 else f"{amount:,}"


def over_years(
    years: Sequence[Year], first: int, rows: Sequence[tuple[str, Callable[[Year], int]]], title: str = ""
) -> str:
    """A table with one column a year, newest first.

    Rows that are nothing in every year are left out, but for the last: the total.
    """
    newest = list(reversed(years))
    head = [title, *(str(first + len(years) - 1 - place) for place in range(len(newest)))]
    *parts, total = [(name, [of(year) for year in newest]) for name, of in rows]
    filled = [*((name, amounts) for name, amounts in parts if any(amounts)), total]
    return table(head, [[name, *map(number, amounts)] for name, amounts in filled])


def lines(*names: str) -> list[tuple[str, Callable[[Year], int]]]:
    """Rows that show lines of the accounts under their own names."""
    return [(name, lambda year, name=name: year[name]) for name in names]  # type: ignore[misc]


def held(*names: str) -> list[tuple[str, Callable[[Year], int]]]:
    """Rows that show what stands on the balance sheet under these names: a flow may be called the same."""
    return [(name, lambda year, name=name: year.balance[name]) for name in names]  # type: ignore[misc]


def income(made: Company, first: int) -> str:
    """Income statement with earnings per share."""
    rows = lines(
        "Revenue", "Cost of revenue", "Gross profit", "Selling, general and administrative", "Research and development",
        "Amortization of intangible assets", "Restructuring charges", "Operating income", "Interest expense",
        "Interest income", "Income before income taxes", "Provision for income taxes", "Net income",
    )  # fmt: skip
    shown = over_years(made.years, first, rows)
    places = list(reversed(range(len(made.years))))
    for title, with_dilution in (("Basic", False), ("Diluted", True)):
        cells = " | ".join(per_share(made, place, with_dilution) for place in places)
        shown += f"\n| {title} earnings per share (dollars) | {cells} |"
    return shown


def diluted(made: Company, place: int) -> int:
    """Shares for diluted earnings; a loss is not diluted."""
    return made.shares[place] + (made.extra_shares[place] if made.years[place]["Net income"] > 0 else 0)


def per_share(made: Company, place: int, with_dilution: bool) -> str:
    """Earnings per share in dollars and cents."""
    earned = made.years[place]["Net income"]
    shares = diluted(made, place) if with_dilution else made.shares[place]
    cents = (abs(earned) * 200 // shares + 1) // 2
    text = f"{cents // 100}.{cents % 100:02d}"
    return f"({text})" if earned < 0 else text


def balance(made: Company, first: int) -> str:
    """Balance sheet of the last two years."""

    def total(names: Sequence[str]) -> Callable[[Year], int]:
        return lambda year: sum(year.balance[name] for name in names)

    rows = [
        *held(*CURRENT_ASSETS), ("Total current assets", total(CURRENT_ASSETS)), *held(*ASSETS[4:]),
        ("Total assets", total(ASSETS)),
        *held(*CURRENT_LIABILITIES), ("Total current liabilities", total(CURRENT_LIABILITIES)),
        *held(*LIABILITIES[5:]),
        ("Total liabilities", total(LIABILITIES)), *held(*EQUITY), ("Total stockholders' equity", total(EQUITY)),
        ("Total liabilities and stockholders' equity", total((*LIABILITIES, *EQUITY))),
    ]  # fmt: skip
    return over_years(made.years[1:], first + 1, rows)


def cash_flows(made: Company, first: int) -> str:
    """Cash flow statement, ending with cash at the beginning and at the end."""
    names = [name for name in made.years[0].flows if name != "Net change in cash"]
    ends = {id(year): year.balance[ASSETS[0]] for year in made.years}
    rows = [
        *lines(*names, "Net change in cash"),
        ("Cash at beginning of year", lambda year: ends[id(year)] - year["Net change in cash"]),
        ("Cash at end of year", lambda year: ends[id(year)]),
    ]
    return over_years(made.years, first, rows)


def equity(made: Company, year_end: str, year_before: str) -> str:
    """Movements of equity in the last year, by component."""
    before, last = made.years[-2].balance, made.years[-1]
    moves = {
        f"Balance on {year_before}": [before[name] for name in EQUITY],
        "Net income": [0, last["Net income"], 0, 0],
        "Currency translation": [0, 0, last["Translation"], 0],
        "Share-based compensation": [last["Share-based compensation"], 0, 0, 0],
        "Dividends": [0, last["Dividends paid"], 0, 0],
        "Repurchases": [0, 0, 0, last["Repurchases of common stock"]],
        f"Balance on {year_end}": [last.balance[name] for name in EQUITY],
    }
    rows = [[name, *map(number, cells), number(sum(cells))] for name, cells in moves.items() if any(cells)]
    head = [
        "",
        "Common stock and paid-in capital",
        "Retained earnings",
        "Other comprehensive loss",
        "Treasury stock",
        "Total",
    ]
    return table(head, rows)


def parts(made: Company, first: int, names: Sequence[str], of: Callable[[Year], Sequence[int]], total: str) -> str:
    """Amounts by segment or region with their total."""
    rows: list[tuple[str, Callable[[Year], int]]] = [
        (name, lambda year, place=place: of(year)[place])  # type: ignore[misc]
        for place, name in enumerate(names)
    ]
    return over_years(made.years, first, [*rows, (total, lambda year: sum(of(year)))])


def segment_profit(made: Company, first: int) -> str:
    """Profit of the segments, reconciled with operating income."""
    rows: list[tuple[str, Callable[[Year], int]]] = [
        (name, lambda year, place=place: year.profits[place])  # type: ignore[misc]
        for place, name in enumerate(made.segments)
    ]
    rows += [
        ("Segment operating profit", lambda year: sum(year.profits)),
        ("Unallocated corporate costs", lambda year: -(year["Corporate"] - year["Amortization of intangible assets"]
                                                       - year["Restructuring charges"])),
        ("Amortization", lambda year: -year["Amortization of intangible assets"]),
        ("Restructuring", lambda year: -year["Restructuring charges"]),
        *lines("Operating income"),
    ]  # fmt: skip
    return over_years(made.years, first, rows)
