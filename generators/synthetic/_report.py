"""What an annual report says in figures and names: every slot that its sentences quote, taken from the accounts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any

from . import _note_tables as notes
from . import _statements as tables
from ._accounts import ASSETS, CURRENT_ASSETS, CURRENT_LIABILITIES, Company, Year, company, share
from ._dice import Dice
from ._grammar import Draft, texts
from ._names import MONTHS, any_stem, firm, person, stem, street, written
from ._prose import in_words, joined

Slots = Mapping[str, str | Callable[[], str]]


def millions(amount: int) -> str:
    """Thousands as millions of dollars with one decimal, without a sign."""
    tenths = (abs(amount) + 50) // 100
    return f"${tenths // 10:,}.{tenths % 10} million"


def percent(part: int, whole: int) -> str:
    """A share with one decimal."""
    tenths = (abs(part) * 2_000 // max(whole, 1) + 1) // 2
    return f"{'-' if part < 0 and tenths else ''}{tenths // 10}.{tenths % 10}%"


def signed(tenths: int) -> str:
    """Tenths of a percentage point as ``-1.2``."""
    return f"{'-' if tenths < 0 else ''}{abs(tenths) // 10}.{abs(tenths) % 10}"


def change(new: int, old: int) -> int:
    """The change from ``old`` in tenths of a per cent, rounded."""
    tenths = (abs(new - old) * 2_000 // max(abs(old), 1) + 1) // 2
    return tenths if new >= old else -tenths


def moved(new: int, old: int) -> str:
    """``increased 8.3% to $412.3 million from $380.6 million``."""
    tenths = change(new, old)
    if tenths == 0:
        return f"was unchanged at {millions(new)}"
    verb = "increased" if tenths > 0 else "decreased"
    return f"{verb} {signed(abs(tenths))}% to {millions(new)} from {millions(old)}"


def _result(amount: int) -> str:
    return millions(amount) if amount >= 0 else f"a loss of {millions(amount)}"


def _rounded(amount: int, divisor: int) -> int:
    """The quotient of two positive amounts, rounded half up."""
    return (2 * amount // divisor + 1) // 2


def _owed(year: Year) -> int:
    return year["Long-term debt"] + year["Current portion of long-term debt"]


class Report:
    """The company that reports, its accounts, and a draft whose slots hold their figures."""

    def __init__(self, index: int, seed: int) -> None:
        industries = texts("disclosures-industries")["industry"]
        self.industry: dict[str, Any] = industries[index % len(industries)]
        self.text = texts("disclosures")
        self.dice = dice = Dice(f"disclosures:{seed}:{index}:accounts")
        self.products: dict[str, list[str]] = self.industry["segments"]
        segments = dice.some(list(self.products), dice.between(2, 4))
        self.made: Company = company(dice, self.industry, segments, tables.REGIONS)
        month, day = dice.pick(((12, 31), (12, 31), (9, 30), (6, 30)))
        self.end = date(dice.between(2020, 2025), month, day)  # the three years have one federal tax rate
        self.fy, self.first = self.end.year, self.end.year - 2
        self.last, self.before = self.made.years[-1], self.made.years[-2]
        self.notes_after = dice.between(3, 8)
        self.rents = notes.lease_payments(dice, self.made)
        self.commitments = share(self.last["Cost of revenue"], dice.between(32, 102))
        self.acquired = -self.last["Acquisitions, net of cash acquired"]
        self.price = max(self.last["Net income"] * dice.between(13, 24) // self.made.shares[-1], dice.between(4, 9))
        self.staff = self.last["Revenue"] // dice.between(170, 380)
        self.developers = max(self.last["Research and development"] // dice.between(160, 260), 3)
        left_out = {"Acquisition"} if not self.acquired else set()
        left_out |= {"Inventories"} if not self.last["Inventories"] else set()
        self.notes = [name for name in self.text["note_titles"] if name not in left_out]
        lists = {name: value for name, value in self.industry.items() if isinstance(value, list)}
        values = {**self.text["values"], **lists, "month": MONTHS[:month], "project": self.industry["project"]}
        values["products"] = [product for segment in segments for product in self.products[segment]]
        self.draft = Draft(f"disclosures:{seed}:{index}", values)
        self.draft.kinds.update(self._lines())
        for slots in (
            self._who(index, seed),
            self._when(),
            self._trading(),
            self._position(),
            self._debt(),
            self._stock(),
        ):
            self.draft.slots.update(slots)

    def _lines(self) -> dict[str, Callable[[str], str]]:
        """Kinds of slots that name a line of the accounts."""
        last, before = self.last, self.before
        return {
            "m": lambda line: millions(last[line]),
            "m1": lambda line: millions(before[line]),
            "of": lambda line: percent(last[line], last["Revenue"]),
            "of1": lambda line: percent(before[line], before["Revenue"]),
            "moved": lambda line: moved(last[line], before[line]),
            "result": lambda line: _result(last[line]),
            "result1": lambda line: _result(before[line]),
        }

    def _who(self, index: int, seed: int) -> Slots:
        dice, draft, segments = self.dice, self.draft, self.made.segments
        endings = self.text["names"]["endings"]
        short, ending = stem(index, f"disclosures:{seed}"), dice.pick(endings)
        return {
            "A": short,
            "ticker": (short[:2] + short[-2:]).upper(),
            "full": f"{short} {ending}" + ("" if ending == "Corporation" else f", {dice.pick(('Inc.', 'Corp.'))}"),
            "street": street(dice),
            "city": dice.pick(self.text["names"]["cities"]),
            "field": self.industry["field"],
            "maker": self.industry["maker"],
            "ceo": person(dice),
            "cfo_name": person(dice),
            "auditor": firm(dice),
            "segment_count": in_words(len(segments)),
            "segment_list": joined(segments),
            "seg_first": segments[0],
            "seg_last": segments[-1],
            "site_count": str(dice.between(9, 88)),
            "stock_method": dice.pick(("first-in, first-out", "average cost")),
            "staff": f"{self.staff:,}",
            "developers": f"{self.developers:,}",
            "patents": str(self.developers * dice.between(30, 240) // 100 + 4),
            "staff_abroad": f"{self.staff * dice.between(18, 55) // 100:,}",
            "company": lambda: f"{any_stem(draft.dice)} {draft.dice.pick(endings)}",
            "acq_name": f"{any_stem(dice)} {dice.pick(endings)}",
        }

    def _when(self) -> Slots:
        dice, end = self.dice, self.end
        filed, decided = end + timedelta(days=dice.between(45, 75)), end + timedelta(days=dice.between(12, 40))
        half = date(self.fy - 1, 12, 31) if end.month == 6 else date(self.fy, end.month - 6, 30 + (end.month == 9))
        days = {
            "year_end": end,
            "year_before": end.replace(year=self.fy - 1),
            "cover_date": filed,
            "half_year": half,
            "subsequent_date": decided,
            "subsequent_record": decided + timedelta(days=21),
            "subsequent_pay": decided + timedelta(days=40),
            "acq_date": end - timedelta(days=dice.between(40, 320)),
        }
        years = {f"fy_plus{place}": str(self.fy + place) for place in (1, 2, 3)}
        return {
            **{name: written(day, american=True) for name, day in days.items()},
            **years,
            "fy": str(self.fy),
            "fy1": str(self.fy - 1),
            "year_end_day": written(end, american=True).split(",")[0],
            "note_tax": str(self.notes.index("Taxes") + 1),
        }

    def _trading(self) -> Slots:
        last, before, dice = self.last, self.before, self.dice
        revenue, earned, earlier = last["Revenue"], last["Net income"], before["Net income"]
        gap, bought = change(revenue, before["Revenue"]), dice.between(5, 22) if self.acquired else 0
        margins = [year["Gross profit"] * 10_000 // year["Revenue"] for year in (last, before)]
        price, cost = dice.between(30, 160), -dice.between(20, 150)
        inputs = share(last["Cost of revenue"], dice.between(320, 480))
        backlog, loss_rate = share(revenue, dice.between(140, 420)), dice.between(10, 50, 5)
        parts = f"acquisitions contributed {signed(bought)} percentage points and organic growth {signed(gap - bought)}"
        net = f"Net {'income' if earned >= 0 else 'loss'} was {millions(earned)} in fiscal {self.fy}"
        was = f"{'net income' if earlier >= 0 else 'a net loss'} of {millions(earlier)} in fiscal {self.fy - 1}"
        return {
            "growth_parts": parts if bought else "there was no contribution from acquisitions",
            "bp_price": f"{price:+d}",
            "bp_cost": f"{cost:+d}",
            "bp_rest": f"{margins[0] - margins[1] - price - cost:+d}",
            "net_moved": f"{net}, compared with {was}",
            "eps": f"${tables.per_share(self.made, -1, True)}",
            "eps_before": f"${tables.per_share(self.made, -2, True)}",
            "diluted_shares": f"{tables.diluted(self.made, -1):,}",
            "tax_rate": self._tax_rate(last),
            "tax_rate_before": self._tax_rate(before),
            "statutory": f"{self.made.tax_rate / 10:g}%",
            "sensitivity": millions(inputs // 10),
            "input_spend": millions(inputs),
            "currency_effect": millions(share(revenue, dice.between(8, 42))),
            "renewal_effect": millions(share(revenue, dice.between(7, 9))),
            "backlog": millions(backlog),
            "backlog_before": millions(share(backlog, dice.between(760, 1_240))),
            "loss_rate": str(loss_rate),
            "loss_effect": f"${last['Accounts receivable, net'] * loss_rate // 10_000:,} thousand",
            "obligations": millions(share(revenue, dice.between(40, 240))),
            "foreign_share": percent(revenue - last.regions[0], revenue),
        }

    @staticmethod
    def _tax_rate(year: Year) -> str:
        earned = year["Income before income taxes"]
        return percent(year["Provision for income taxes"], earned) if earned > 0 else "zero"

    def _position(self) -> Slots:
        last, before, dice = self.last, self.before, self.dice
        flow, capex = last["Net cash provided by operating activities"], -last["Capital expenditures"]
        working = sum(amount for name, amount in last.flows.items() if name.startswith("Change in"))
        intangible = last["Goodwill"] + last["Intangible assets, net"]
        stock = [_rounded(year["Inventories"] * 365, year["Cost of revenue"]) for year in (last, before)]
        inventories = f"Inventories stood at {stock[0]} days of cost of revenue, compared with {stock[1]}."
        days = [_rounded(year["Accounts receivable, net"] * 365, year["Revenue"]) for year in (last, before)]
        return {
            "intangibles": millions(intangible),
            "intangible_share": percent(intangible, sum(last.balance[name] for name in ASSETS)),
            "current_ratio": self._ratio(last),
            "current_ratio_before": self._ratio(before),
            "dso": str(days[0]),
            "dso_before": str(days[1]),
            "stock_sentence": inventories if last["Inventories"] else "",
            "cfo": millions(flow) if flow > 0 else f"nothing and absorbed {millions(flow)}",
            "cash_earnings": millions(flow - working),
            "working_change": f"{'added' if working > 0 else 'absorbed'} {millions(working)}",
            "capex_share": percent(capex, last["Revenue"]),
            "capex_low": millions(share(capex, 850)),
            "capex_high": millions(share(capex, dice.between(1_000, 1_250))),
            "lease_cost": millions(share(last["Operating lease assets"], dice.between(220, 320))),
            "commitments": millions(self.commitments),
            "acq_price": millions(self.acquired),
            "acq_revenue": millions(self.acquired * dice.between(12, 60) // 100),
            "acq_deductible": dice.pick(("not", "partly", "fully")),
        }

    @staticmethod
    def _ratio(year: Year) -> str:
        assets, owed = (sum(year.balance[name] for name in names) for names in (CURRENT_ASSETS, CURRENT_LIABILITIES))
        return f"{_rounded(assets * 100, owed) / 100:.2f}"

    def _debt(self) -> Slots:
        last, dice, made = self.last, self.dice, self.made
        owed = _owed(last)
        earnings = max(last["Operating income"] + last["Depreciation"] + last["Amortization"], 1)
        leverage = max((owed - last["Cash and cash equivalents"]) * 100 // earnings, 0)
        due = notes.maturities(made, self.notes_after)
        years = [f"{millions(part)} in fiscal {self.fy + place}" for place, part in enumerate(due[:5], 1) if part]
        years += [f"{millions(due[5])} thereafter"] if due[5] else []
        senior = f"The senior notes bear interest at {made.notes_rate / 100:.2f}%, payable twice a year."
        line = (share(last["Revenue"], dice.between(90, 210)) // 5_000 + 2) * 5
        return {
            "debt": millions(owed),
            "debt_before": millions(_owed(self.before)),
            "lev": f"{max(leverage // 50 * 50 + dice.pick((100, 150)), 325) / 100:.2f} to 1",
            "lev_state": f"which stood at {leverage / 100:.2f} to 1" if leverage else "though cash exceeded debt",
            "facility": f"${line} million",
            "average_rate": percent(last["Interest expense"], _owed(self.before)),
            "floating": percent(owed - made.notes_due, owed),
            "rate_effect": millions((owed - made.notes_due) // 100),
            "swap": millions((owed - made.notes_due) // 2),
            "instalment": millions(made.instalment),
            "due_sentence": f"Principal falls due as follows: {joined(years)}.",
            "loan_margin": f"{dice.between(110, 240, 5) / 100:.2f}%",
            "loan_end": f"{dice.pick(MONTHS[: self.end.month])} {self.fy - (made.notes_due - owed) // made.instalment}",
            "debt_lead": senior if made.notes_due else "The debt consists of a term loan and revolving borrowings.",
        }

    def _stock(self) -> Slots:
        dice, shares, fy = self.dice, self.made.shares[-1], self.fy
        paid, bought = -self.last["Dividends paid"], -self.last["Repurchases of common stock"]
        done = [
            (self.last["Repayments of long-term debt"], "repaid {} of long-term debt"),
            (self.last["Proceeds from borrowings"], "borrowed {}"),
            (paid, "paid dividends of {}"),
            (bought, "repurchased shares for {}"),
        ]
        mills = _rounded(paid * 1_000, shares)
        each = f"${mills // 1_000}.{mills % 1_000:03d}"
        dividend = f"It paid dividends of {each} a share, {millions(paid)} in total, in fiscal {fy}."
        return {
            "outstanding": f"{shares * 1_000 + dice.between(0, 999_999):,}",
            "price": f"{self.price}.{dice.between(10, 99)}",
            "price_low": f"${self.price * 62 // 100 + 1}.{dice.between(10, 99)}",
            "price_high": f"${self.price * 131 // 100 + 2}.{dice.between(10, 99)}",
            "market_value": millions(self.price * shares * dice.between(82, 97) // 100),
            "authorised": millions(bought * dice.between(2, 5) + 5_000),
            "financing": joined([text.format(millions(amount)) for amount, text in done if amount]),
            "dividend_sentence": dividend if paid else f"It paid no dividend in fiscal {fy} and plans none.",
            "unrecognised": millions(share(self.last["Share-based compensation"], dice.between(900, 1_700))),
        }
