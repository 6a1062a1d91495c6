"""Tables of the notes of an annual report: each splits or explains an amount that a statement shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ._accounts import Company, Year, share, split
from ._dice import Dice
from ._prose import table
from ._statements import diluted, lines, number, over_years, per_share


def acquisition(made: Company) -> str:
    """What was paid for in the acquisition of the last year."""
    last = made.years[-1]
    rows = [
        ["Goodwill", number(last["Goodwill acquired"])],
        ["Customer relationships and technology", number(last["Intangibles acquired"])],
        ["Purchase price, net of cash acquired", number(-last["Acquisitions, net of cash acquired"])],
    ]
    return table(["", "Fair value"], rows)


def inventories(dice: Dice, made: Company, heads: Sequence[str]) -> str:
    """Inventories by stage, less reserves."""
    amounts = [year["Inventories"] for year in reversed(made.years[1:])]
    gross = [amount + share(amount, dice.between(30, 80)) for amount in amounts]
    columns = [split(dice, amount, 3) for amount in gross]
    stages = ("Raw materials", "Work in process", "Finished goods")
    rows = [[name, *(number(column[place]) for column in columns)] for place, name in enumerate(stages)]
    rows.append(["Reserves", *(number(net - before) for net, before in zip(amounts, gross, strict=True))])
    return table(["", *heads], [*rows, ["Inventories", *map(number, amounts)]])


def earnings_per_share(made: Company, first: int) -> str:
    """Net income, shares in thousands, and what that makes a share."""
    places = list(reversed(range(len(made.years))))
    rows = [
        ["Net income", *(number(made.years[place]["Net income"]) for place in places)],
        ["Basic shares", *(f"{made.shares[place]:,}" for place in places)],
        ["Diluted shares", *(f"{diluted(made, place):,}" for place in places)],
        ["Diluted earnings per share (dollars)", *(per_share(made, place, True) for place in places)],
    ]
    return table(["", *(str(first + place) for place in places)], rows)


def property_table(dice: Dice, made: Company, heads: Sequence[str]) -> str:
    """Property at cost, less accumulated depreciation."""
    names = ["Land", "Buildings and improvements", "Machinery and equipment", "Software and office equipment"]
    names.append("Construction in progress")
    last = made.years[-1]
    nets = [year["Property, plant and equipment, net"] for year in reversed(made.years[1:])]
    before = nets[1] * dice.between(155, 230) // 100
    retired = share(before, dice.between(4, 24))  # fully depreciated, so that cost and depreciation fall alike
    costs = [before - last["Capital expenditures"] - retired, before]
    weights = [dice.between(*bounds) for bounds in ((3, 7), (22, 34), (48, 62), (6, 12))]
    whole = sum(weights) + dice.between(2, 6)
    columns = []
    for cost in costs:
        cells = [cost * weight // whole for weight in weights]
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


def taxes(dice: Dice, made: Company, first: int) -> list[str]:
    """Provision by kind, unless there was none in any year, and its reconciliation with the statutory rate."""
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
    total = lines("Provision for income taxes")
    deferred: list[tuple[str, Callable[[Year], int]]] = [("Deferred", lambda year: year["Deferred income taxes"])]
    shown = [over_years(made.years, first, [*reasons, *total])]
    if any(year["Provision for income taxes"] for year in made.years):
        shown.insert(0, over_years(made.years, first, [*kinds, *deferred, *total]))
    return shown


def stock_units(dice: Dice, shares: int, price: int, year_before: str, year_end: str) -> str:
    """Restricted stock units over the year, in thousands, with fair values in dollars."""
    opening = share(shares, dice.between(8, 20)) + 20
    granted, vested = share(opening, dice.between(300, 520)), share(opening, dice.between(260, 430))
    forfeited = share(opening, dice.between(20, 80))
    before = price * dice.between(70, 108)  # cents
    values = [before, price * dice.between(88, 112), before * dice.between(92, 104) // 100, before]
    counts = [opening, granted, -vested, -forfeited]
    left = sum(counts)
    worth = sum(count * value for count, value in zip(counts, values, strict=True))
    counts, values = [*counts, left], [*values, (2 * worth // left + 1) // 2]
    names = (f"Unvested on {year_before}", "Granted", "Vested", "Forfeited", f"Unvested on {year_end}")
    rows = [
        [name, number(count), f"{value // 100}.{value % 100:02d}"]
        for name, count, value in zip(names, counts, values, strict=True)
    ]
    return table(["", "Units (thousands)", "Fair value at grant"], rows)


def interest_due(made: Company, notes_after: int) -> list[int]:
    """Interest in the next year, the two after it, the two after those, and later: on what is then still owed."""
    last = made.years[-1]
    loan = last["Long-term debt"] + last["Current portion of long-term debt"] - made.notes_due
    periods = [0, 0, 0, 0]
    year = 0
    while loan > 0 or made.notes_due and year < notes_after:
        notes = made.notes_due if year < notes_after else 0
        periods[(0, 1, 1, 2, 2)[year] if year < 5 else 3] += notes * made.notes_rate // 10_000 + share(loan, 55)
        loan = max(loan - made.instalment, 0)
        year += 1
    return periods


def obligations(made: Company, due: Sequence[int], interest: Sequence[int], rents: Sequence[int], bought: int) -> str:
    """Contractual obligations by period, with totals both ways: debt and leases by year, purchases in all."""
    lines = {
        "Long-term debt": [due[0], due[1] + due[2], due[3] + due[4], due[5]],
        "Interest": list(interest),
        "Operating leases": [rents[0], rents[1] + rents[2], rents[3] + rents[4], rents[5]],
        "Purchase commitments": [bought - bought // 5, bought // 5, 0, 0],
    }
    rows = [[name, number(sum(cells)), *map(number, cells)] for name, cells in lines.items() if any(cells)]
    totals = [sum(column) for column in zip(*lines.values(), strict=True)]
    rows.append(["Total", number(sum(totals)), *map(number, totals)])
    return table(["", "Total", "Less than 1 year", "1 to 3 years", "3 to 5 years", "More than 5 years"], rows)
