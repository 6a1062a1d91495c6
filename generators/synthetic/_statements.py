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
    share,
    split,
)
from ._grammar import Dice, table

REGIONS = ["United States", "Other Americas", "Europe, Middle East and Africa", "Asia Pacific"]


def number(amount: int) -> str:
    """Thousands with separators; losses and outflows in parentheses, nothing as a dash."""
    return "—" if amount == 0 else f"({-amount:,})" if amount < 0 else f"{amount:,}"


def over_years(
    years: Sequence[Year], first: int, rows: Sequence[tuple[str, Callable[[Year], int]]], title: str = ""
) -> str:
    """A table with one column a year, newest first; rows that are nothing in every year are left out."""
    newest = list(reversed(years))
    head = [title, *(str(first + len(years) - 1 - place) for place in range(len(newest)))]
    filled = [(name, [of(year) for year in newest]) for name, of in rows]
    return table(head, [[name, *map(number, amounts)] for name, amounts in filled if any(amounts)])


def _named(*names: str) -> list[tuple[str, Callable[[Year], int]]]:
    return [(name, lambda year, name=name: year[name]) for name in names]  # type: ignore[misc]


def income(made: Company, first: int) -> str:
    """Income statement with earnings per share."""
    rows = _named(
        "Revenue", "Cost of revenue", "Gross profit", "Selling, general and administrative", "Research and development",
        "Amortization of intangible assets", "Restructuring charges", "Operating income", "Interest expense",
        "Interest income", "Income before income taxes", "Provision for income taxes", "Net income",
    )  # fmt: skip
    lines = over_years(made.years, first, rows)
    places = list(reversed(range(len(made.years))))
    for title, diluted in (("Basic", False), ("Diluted", True)):
        cells = " | ".join(per_share(made, place, diluted) for place in places)
        lines += f"\n| {title} earnings per share (dollars) | {cells} |"
    return lines


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
        *_named(*CURRENT_ASSETS), ("Total current assets", total(CURRENT_ASSETS)), *_named(*ASSETS[4:]),
        ("Total assets", total(ASSETS)),
        *_named(*CURRENT_LIABILITIES), ("Total current liabilities", total(CURRENT_LIABILITIES)), *_named(*LIABILITIES[5:]),
        ("Total liabilities", total(LIABILITIES)), *_named(*EQUITY), ("Total stockholders' equity", total(EQUITY)),
        ("Total liabilities and stockholders' equity", total((*LIABILITIES, *EQUITY))),
    ]  # fmt: skip
    return over_years(made.years[1:], first + 1, rows)


def cash_flows(made: Company, first: int) -> str:
    """Cash flow statement, ending with cash at the beginning and at the end."""
    names = [name for name in made.years[0].flows if name != "Net change in cash"]
    ends = {id(year): year.balance[ASSETS[0]] for year in made.years}
    rows = [
        *_named(*names, "Net change in cash"),
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
        *_named("Operating income"),
    ]  # fmt: skip
    return over_years(made.years, first, rows)


def broken_down(
    dice: Dice, names: Sequence[str], amounts: Sequence[int], heads: Sequence[str], total: str, less: str = ""
) -> str:
    """Amounts split over names, one column an amount; with ``less``, gross amounts and a deduction that lead there."""
    gross = [amount + share(amount, dice.between(30, 80)) if less else amount for amount in amounts]
    columns = [split(dice, amount, len(names)) for amount in gross]
    rows = [[name, *(number(column[place]) for column in columns)] for place, name in enumerate(names)]
    if less:
        rows.append([less, *(number(amount - before) for amount, before in zip(amounts, gross, strict=True))])
    return table(["", *heads], [*rows, [total, *map(number, amounts)]])


def property_table(dice: Dice, made: Company, heads: Sequence[str]) -> str:
    """Property at cost, less accumulated depreciation."""
    names = ["Land", "Buildings and improvements", "Machinery and equipment", "Software and office equipment"]
    names.append("Construction in progress")
    factor = dice.between(155, 230)
    nets = [year["Property, plant and equipment, net"] for year in reversed(made.years[1:])]
    costs = [net * factor // 100 for net in nets]
    weights = [dice.between(*bounds) for bounds in ((3, 7), (22, 34), (48, 62), (6, 12))]
    columns = []
    for cost in costs:
        cells = [cost * weight // 115 for weight in weights]
        columns.append([*cells, cost - sum(cells)])
    rows = [[name, *(number(column[place]) for column in columns)] for place, name in enumerate(names)]
    rows.append(["Property at cost", *map(number, costs)])
    rows.append(["Accumulated depreciation", *(number(net - cost) for net, cost in zip(nets, costs, strict=True))])
    rows.append(["Property, plant and equipment, net", *map(number, nets)])
    return table(["", *heads], rows)


def goodwill(dice: Dice, made: Company, year_end: str, year_before: str) -> str:
    """Goodwill by segment from one year end to the next."""
    last = made.years[-1]
    opening = split(dice, made.years[-2]["Goodwill"], len(made.segments))
    acquired = [0] * (len(made.segments) - 1) + [last["Goodwill acquired"]]
    moved = split(dice, last["Translation"], len(made.segments))
    rows = []
    for name, cells in (
        (f"Balance on {year_before}", opening), ("Acquired", acquired), ("Currency translation", moved),
        (f"Balance on {year_end}", [sum(cell) for cell in zip(opening, acquired, moved, strict=True)]),
    ):  # fmt: skip
        if any(cells):
            rows.append([name, *map(number, cells), number(sum(cells))])
    return table(["", *made.segments, "Total"], rows)


def amortisation(dice: Dice, made: Company, year: int) -> str:
    """Future amortization of the intangible assets on hand."""
    left = made.years[-1]["Intangible assets, net"]
    first = made.years[-1]["Amortization of intangible assets"]
    yearly = [min(share(first, dice.between(800, 1_000)), left // 7) for _ in range(5)]
    yearly.sort(reverse=True)
    rows = [[f"Fiscal {year + 1 + place}", number(amount)] for place, amount in enumerate(yearly)]
    rows += [["Thereafter", number(left - sum(yearly))], ["Total", number(left)]]
    return table(["", "Amortization"], rows)


def maturities(made: Company, notes_after: int) -> list[int]:
    """Principal due in each of the next five years and afterwards; the notes fall due after so many years."""
    last = made.years[-1]
    loan = last["Long-term debt"] + last["Current portion of long-term debt"] - made.notes_due
    due = []
    for _ in range(5):
        due.append(min(made.instalment, loan))
        loan -= due[-1]
    due.append(loan)
    due[min(notes_after, 6) - 1] += made.notes_due
    return due


def debt(made: Company, notes_year: int, loan: str, heads: Sequence[str]) -> str:
    """Debt by instrument, with the current portion taken off."""
    ends = [year.balance for year in reversed(made.years[1:])]
    totals = [end["Long-term debt"] + end["Current portion of long-term debt"] for end in ends]
    rows = []
    if made.notes_due:
        title = f"{made.notes_rate / 100:.2f}% senior notes due {notes_year}"
        rows.append([title, *[number(made.notes_due)] * 2])
    rows += [
        [loan, *(number(total - made.notes_due) for total in totals)],
        ["Total debt", *map(number, totals)],
        ["Less: current portion", *(number(-end["Current portion of long-term debt"]) for end in ends)],
        ["Long-term debt", *(number(end["Long-term debt"]) for end in ends)],
    ]
    return table(["", *heads], rows)


def lease_payments(dice: Dice, made: Company) -> list[int]:
    """Payments on leases in each of the next five years and afterwards, imputed interest included."""
    last = made.years[-1]
    owed = last["Current operating lease liabilities"] + last["Operating lease liabilities"]
    return sorted(split(dice, owed + share(owed, dice.between(90, 190)), 6, 70, 130), reverse=True)


def leases(made: Company, year: int, payments: Sequence[int]) -> str:
    """Lease payments by year, less imputed interest."""
    last = made.years[-1]
    owed = last["Current operating lease liabilities"] + last["Operating lease liabilities"]
    rows = [[f"Fiscal {year + 1 + place}", number(amount)] for place, amount in enumerate(payments[:5])]
    rows += [
        ["Thereafter", number(payments[5])], ["Total lease payments", number(sum(payments))],
        ["Less: imputed interest", number(owed - sum(payments))], ["Operating lease liabilities", number(owed)],
    ]  # fmt: skip
    return table(["", "Payments"], rows)


def taxes(dice: Dice, made: Company, first: int) -> tuple[str, str]:
    """Provision by kind, and its reconciliation with the statutory rate."""
    splits = {}
    for year in made.years:
        current = year["Provision for income taxes"] - year["Deferred income taxes"]
        cells = [share(current, dice.between(520, 640)), share(current, dice.between(80, 140))]
        splits[id(year)] = [*cells, current - sum(cells)]
    kinds: list[tuple[str, Callable[[Year], int]]] = [
        (f"Current: {name}", lambda year, place=place: splits[id(year)][place])  # type: ignore[misc]
        for place, name in enumerate(("federal", "state and local", "foreign"))
    ]
    rest = {}
    for year in made.years:
        expected = share(year["Income before income taxes"], made.tax_rate)
        gap = year["Provision for income taxes"] - expected
        state = share(abs(expected), dice.between(60, 140))
        credits = -share(abs(expected), dice.between(20, 90))
        foreign = share(abs(expected), dice.between(-60, 80))
        rest[id(year)] = [expected, state, credits, foreign, gap - state - credits - foreign]
    names = ("At the statutory rate", "State taxes, net", "Research and other credits", "Foreign rate differences")
    reasons: list[tuple[str, Callable[[Year], int]]] = [
        (name, lambda year, place=place: rest[id(year)][place])  # type: ignore[misc]
        for place, name in enumerate((*names, "Valuation allowance and other"))
    ]
    total = _named("Provision for income taxes")
    deferred: list[tuple[str, Callable[[Year], int]]] = [("Deferred", lambda year: year["Deferred income taxes"])]
    return over_years(made.years, first, [*kinds, *deferred, *total]), over_years(made.years, first, [*reasons, *total])


def stock_units(dice: Dice, shares: int, price: int, year_before: str, year_end: str) -> str:
    """Restricted stock units over the year, in thousands, with fair values in dollars."""
    opening = share(shares, dice.between(8, 20)) + 20
    granted, vested = share(opening, dice.between(300, 520)), share(opening, dice.between(260, 430))
    forfeited = share(opening, dice.between(20, 80))
    moves = (
        (f"Unvested on {year_before}", opening), ("Granted", granted), ("Vested", -vested), ("Forfeited", -forfeited),
        (f"Unvested on {year_end}", opening + granted - vested - forfeited),
    )  # fmt: skip
    rows = [
        [name, number(count), f"{max(share(price, dice.between(700, 1_080)), 1)}.{dice.between(10, 99)}"]
        for name, count in moves
    ]
    return table(["", "Units (thousands)", "Fair value at grant"], rows)


def obligations(made: Company, due: Sequence[int], rents: Sequence[int], bought: int) -> str:
    """Contractual obligations by period, with totals both ways: debt and leases by year, purchases in all."""
    yearly = made.years[-1]["Interest expense"]
    lines = {
        "Long-term debt": [due[0], due[1] + due[2], due[3] + due[4], due[5]],
        "Interest": [yearly, share(yearly, 1_700), share(yearly, 1_300), share(yearly, 400)],
        "Operating leases": [rents[0], rents[1] + rents[2], rents[3] + rents[4], rents[5]],
        "Purchase commitments": [bought - bought // 5, bought // 5, 0, 0],
    }
    rows = [[name, number(sum(cells)), *map(number, cells)] for name, cells in lines.items() if any(cells)]
    totals = [sum(column) for column in zip(*lines.values(), strict=True)]
    rows.append(["Total", number(sum(totals)), *map(number, totals)])
    return table(["", "Total", "Less than 1 year", "1 to 3 years", "3 to 5 years", "More than 5 years"], rows)
