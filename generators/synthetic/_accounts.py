"""Three years of accounts in which everything adds up: one small model of a company, in whole thousands.

The balance sheet balances because every change of it goes through the income statement or the cash flow
statement; the tables of the notes split amounts that the statements show.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ._dice import Dice

YEARS = 3


@dataclass
class Year:
    """One fiscal year; amounts in thousands, outflows positive under the name of what they are spent on."""

    segments: list[int]
    regions: list[int]
    profits: list[int]  # operating profit of each segment before corporate costs
    lines: dict[str, int] = field(default_factory=dict)  # income statement
    flows: dict[str, int] = field(default_factory=dict)  # cash flow statement, signed
    balance: dict[str, int] = field(default_factory=dict)  # at the end of the year

    def __getitem__(self, name: str) -> int:
        for source in (self.lines, self.flows, self.balance):
            if name in source:
                return source[name]
        raise KeyError(name)


ASSETS = (
    "Cash and cash equivalents", "Accounts receivable, net", "Inventories", "Prepaid expenses and other",
    "Property, plant and equipment, net", "Operating lease assets", "Goodwill", "Intangible assets, net",
    "Other assets",
)  # fmt: skip
CURRENT_ASSETS = ASSETS[:4]
LIABILITIES = (
    "Accounts payable", "Accrued liabilities", "Deferred revenue", "Current portion of long-term debt",
    "Current operating lease liabilities", "Long-term debt", "Operating lease liabilities", "Deferred income taxes",
    "Other liabilities",
)  # fmt: skip
CURRENT_LIABILITIES = LIABILITIES[:5]
EQUITY = (
    "Common stock and paid-in capital",
    "Retained earnings",
    "Accumulated other comprehensive income (loss)",
    "Treasury stock",
)


@dataclass
class Company:
    """What stays the same over the years."""

    segments: list[str]
    regions: list[str]
    years: list[Year]  # oldest first
    notes_due: int  # principal of the senior notes
    notes_rate: int  # hundredths of a per cent
    instalment: int  # yearly repayment of the term loan
    shares: list[int]  # weighted average, basic, thousands, oldest first
    extra_shares: list[int]  # dilution, thousands
    tax_rate: int  # statutory, tenths of a per cent
    opening: dict[str, int]  # the balance before the first year


def split(dice: Dice, total: int, count: int, low: int = 60, high: int = 240) -> list[int]:
    """``count`` parts that add up to ``total``."""
    weights = [dice.between(low, high) for _ in range(count)]
    parts = [total * weight // sum(weights) for weight in weights]
    parts[-1] += total - sum(parts)
    return parts


def share(amount: int, tenths: int) -> int:
    """So many tenths of a per cent of an amount."""
    return amount * tenths // 1000


def company(dice: Dice, industry: dict[str, object], segments: list[str], regions: list[str]) -> Company:
    """Draw a company and let it live for three years."""
    costs: dict[str, list[int]] = industry["costs"]  # type: ignore[assignment]
    revenue = dice.between(80_000, 2_600_000, 10)
    by_segment = split(dice, revenue, len(segments))
    weights = [dice.between(60, 240) * (3 if place == 0 else 1) for place in range(len(regions))]
    margins = {name: dice.between(*bounds) for name, bounds in costs.items()}
    notes = dice.pick((0, 1, 1)) * (share(revenue, dice.between(100, 260)) // 5_000 + 1) * 5_000
    instalment = (share(revenue, dice.between(8, 24)) // 500 + 1) * 500
    notes_rate = dice.between(375, 775, 25)
    margins["selling"] += dice.between(10, 60)
    days = {
        "Accounts receivable, net": dice.between(40, 60),
        "Inventories": dice.between(50, 86),
        "Accounts payable": dice.between(32, 50),
    }
    opening = _opening(dice, revenue, margins["goods"], days, bool(industry["stock"]), notes, instalment)
    made = Company(segments, regions, [], notes, notes_rate, instalment, [], [], 210, opening)
    shares = share(revenue, dice.between(60, 320)) + 4_000
    balance = opening
    for _ in range(YEARS):
        by_segment = [share(part, dice.between(925, 1_165)) for part in by_segment]
        by_region = [sum(by_segment) * weight // sum(weights) for weight in weights]
        by_region[0] += sum(by_segment) - sum(by_region)
        weights = [weight * dice.between(92, 110) for weight in weights]
        margins = {name: _drifted(dice, value) for name, value in margins.items()}
        year = Year(by_segment, by_region, [])
        _income(dice, made, year, margins, balance)
        days = {name: value + dice.between(-3, 3) for name, value in days.items()}
        balance = year.balance = _flows(dice, made, year, balance, days, bool(industry["stock"]))
        bought = -year.flows["Repurchases of common stock"] // dice.between(18, 70)
        shares = shares - bought // 2 + dice.between(0, 60)
        made.years.append(year)
        made.shares.append(shares)
        made.extra_shares.append(share(shares, dice.between(6, 19)))
    return made


def _drifted(dice: Dice, margin: int) -> int:
    """A margin of the next year, in tenths of a per cent: a small one moves less than a large one."""
    most = min(9, margin // 12)
    return margin + dice.between(-most, most)


def _opening(
    dice: Dice, revenue: int, goods: int, days: dict[str, int], stock: bool, notes: int, instalment: int
) -> dict[str, int]:
    cost = share(revenue, goods)
    lease = share(revenue, dice.between(20, 70))
    term_loan = instalment * dice.between(5, 8)
    balance = {
        "Cash and cash equivalents": share(revenue, dice.between(60, 180)),
        "Accounts receivable, net": revenue * days["Accounts receivable, net"] // 365,
        "Inventories": cost * days["Inventories"] // 365 if stock else 0,
        "Prepaid expenses and other": share(revenue, dice.between(12, 26)),
        "Property, plant and equipment, net": share(revenue, dice.between(90, 280)),
        "Operating lease assets": lease,
        "Goodwill": share(revenue, dice.between(90, 320)),
        "Intangible assets, net": share(revenue, dice.between(50, 150)),
        "Other assets": share(revenue, dice.between(8, 22)),
        "Accounts payable": cost * days["Accounts payable"] // 365,
        "Accrued liabilities": share(revenue, dice.between(50, 90)),
        "Deferred revenue": share(revenue, dice.between(10, 45) if stock else dice.between(90, 180)),
        "Current portion of long-term debt": instalment,
        "Current operating lease liabilities": lease // 5,
        "Long-term debt": notes + term_loan - instalment,
        "Operating lease liabilities": lease - lease // 5 + share(lease, 30),
        "Deferred income taxes": share(revenue, dice.between(22, 45)),
        "Other liabilities": share(revenue, dice.between(6, 20)),
        "Common stock and paid-in capital": share(revenue, dice.between(110, 260)),
        "Accumulated other comprehensive income (loss)": -share(revenue, dice.between(3, 14)),
        "Treasury stock": -share(revenue, dice.between(10, 60)),
    }
    owed = sum(balance[name] for name in (*LIABILITIES, EQUITY[0], *EQUITY[2:]))
    earned = sum(balance[name] for name in ASSETS) - owed
    missing = max(share(revenue, 90) - earned, 0)  # a company that starts in deficit would need other sentences
    balance["Goodwill"] += missing
    balance["Retained earnings"] = earned + missing
    return balance


def _income(dice: Dice, made: Company, year: Year, margins: dict[str, int], before: dict[str, int]) -> None:
    revenue = sum(year.segments)
    goods, selling = share(revenue, margins["goods"]), share(revenue, margins["selling"])
    research = share(revenue, margins["research"])
    amortisation = before["Intangible assets, net"] // dice.between(7, 10)
    restructuring = share(revenue, dice.between(3, 9)) if dice.chance(0.45) else 0
    operating = revenue - goods - selling - research - amortisation - restructuring
    debt = before["Long-term debt"] + before["Current portion of long-term debt"]
    loan = debt - made.notes_due
    interest = made.notes_due * made.notes_rate // 10_000 + share(loan, dice.between(38, 66))
    earned = share(before["Cash and cash equivalents"], dice.between(4, 28))
    pretax = operating - interest + earned
    tax = share(pretax, made.tax_rate + dice.between(-24, 45)) if pretax > 0 else 0
    year.lines = {
        "Revenue": revenue, "Cost of revenue": goods, "Gross profit": revenue - goods,
        "Selling, general and administrative": selling, "Research and development": research,
        "Amortization of intangible assets": amortisation, "Restructuring charges": restructuring,
        "Operating income": operating, "Interest expense": interest, "Interest income": earned,
        "Income before income taxes": pretax, "Provision for income taxes": tax, "Net income": pretax - tax,
    }  # fmt: skip
    corporate = share(revenue, dice.between(18, 35)) + amortisation + restructuring
    weights = [part * dice.between(75, 130) for part in year.segments]
    year.profits = [(operating + corporate) * weight // sum(weights) for weight in weights]
    year.profits[0] += operating + corporate - sum(year.profits)
    year.lines["Corporate"] = corporate


def _flows(
    dice: Dice, made: Company, year: Year, before: dict[str, int], days: dict[str, int], stock: bool
) -> dict[str, int]:
    """Fill in the cash flow statement and return the balance that it leads to."""
    revenue, goods = year["Revenue"], year["Cost of revenue"]
    after = dict(before)
    after["Accounts receivable, net"] = revenue * days["Accounts receivable, net"] // 365
    after["Inventories"] = goods * days["Inventories"] // 365 if stock else 0
    after["Prepaid expenses and other"] = share(revenue, dice.between(12, 26))
    after["Accounts payable"] = goods * days["Accounts payable"] // 365
    after["Accrued liabilities"] = before["Accrued liabilities"] + share(revenue, dice.between(-6, 9))
    after["Deferred revenue"] = share(before["Deferred revenue"], dice.between(960, 1_120))
    depreciation = before["Property, plant and equipment, net"] // dice.between(7, 10)
    stock_pay, deferred = (
        share(revenue, dice.between(6, 22)),
        share(year["Provision for income taxes"], dice.between(-40, 120)),
    )
    flows = {
        "Net income": year["Net income"], "Depreciation": depreciation,
        "Amortization": year["Amortization of intangible assets"], "Share-based compensation": stock_pay,
        "Deferred income taxes": deferred,
    }  # fmt: skip
    for name, sign in (
        ("Accounts receivable, net", -1), ("Inventories", -1), ("Prepaid expenses and other", -1),
        ("Accounts payable", 1), ("Accrued liabilities", 1), ("Deferred revenue", 1),
    ):  # fmt: skip
        flows[f"Change in {name.removesuffix(', net').lower()}"] = sign * (after[name] - before[name])
    flows["Net cash provided by operating activities"] = operating = sum(flows.values())
    capital = max(share(revenue, dice.between(25, 75)), depreciation * 3 // 4)
    bought = share(revenue, dice.between(15, 60)) if dice.chance(0.4) and operating > capital else 0
    free = operating - capital - bought
    dividends = max(min(free // 4, share(revenue, 18)), 0) if free > 0 else 0
    buyback = max(min(free // 3, share(revenue, 40)), 0)
    repaid = before["Current portion of long-term debt"]
    cash = before["Cash and cash equivalents"] + free - dividends - buyback - repaid
    floor = share(revenue, 50)
    drawn = ((floor - cash) // made.instalment + 1) * made.instalment if cash < floor else 0
    investing, financing = -capital - bought, drawn - repaid - dividends - buyback
    flows |= {
        "Capital expenditures": -capital, "Acquisitions, net of cash acquired": -bought,
        "Net cash used in investing activities": investing, "Proceeds from borrowings": drawn,
        "Repayments of long-term debt": -repaid, "Dividends paid": -dividends, "Repurchases of common stock": -buyback,
        "Net cash provided by (used in) financing activities": financing,
        "Net change in cash": operating + investing + financing,
    }  # fmt: skip
    year.flows = flows
    translation = share(before["Goodwill"], dice.between(-14, 12))
    goodwill = bought * dice.between(50, 62) // 100
    year.lines |= {"Goodwill acquired": goodwill, "Translation": translation, "Intangibles acquired": bought - goodwill}
    after["Cash and cash equivalents"] = cash + drawn
    after["Property, plant and equipment, net"] += capital - depreciation
    after["Goodwill"] += goodwill + translation
    after["Intangible assets, net"] += bought - goodwill - flows["Amortization"]
    loan = before["Long-term debt"] + before["Current portion of long-term debt"] - repaid + drawn - made.notes_due
    after["Current portion of long-term debt"] = min(made.instalment, loan)
    after["Long-term debt"] = made.notes_due + loan - after["Current portion of long-term debt"]
    leased = share(before["Operating lease assets"], dice.between(-60, 130))
    after["Operating lease assets"] += leased
    after["Operating lease liabilities"] += leased
    after["Deferred income taxes"] += deferred
    after["Common stock and paid-in capital"] += stock_pay
    after["Retained earnings"] += year["Net income"] - dividends
    after["Accumulated other comprehensive income (loss)"] += translation
    after["Treasury stock"] -= buyback
    return after
