"""Annual reports: business, risk factors, management's discussion, statements and notes of one year.

The accounts come from ``_accounts.py`` and the tables from ``_statements.py``; the sentences, in
``text/disclosures.toml``, quote the same figures. Each company reports once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from functools import partial
from typing import Any

from longctx.types import Document

from . import _statements as tables
from ._accounts import ASSETS, CURRENT_ASSETS, CURRENT_LIABILITIES, Company, Year, company, share, split
from ._grammar import Dice, Draft, in_words, joined, paragraphs, slug, table, texts
from ._names import any_stem, firm, person, stem, street, written
from ._spelling import american

FORMAT = "markdown"

_ENDINGS = ("Industries", "Group", "Holdings", "Technologies", "International", "Corporation", "Global", "Partners")
_CITIES = (
    "Akron, Ohio", "Columbus, Ohio", "Milwaukee, Wisconsin", "Charlotte, North Carolina", "Richmond, Virginia",
    "Denver, Colorado", "Portland, Oregon", "Minneapolis, Minnesota", "Pittsburgh, Pennsylvania", "Austin, Texas",
    "Grand Rapids, Michigan", "Omaha, Nebraska", "Tampa, Florida", "Hartford, Connecticut", "Spokane, Washington",
)  # fmt: skip
_MONTHS = "January February March April May June July August September October November December".split()
_RISK_WORDS = [
    "the loss of customers",
    "material prices",
    "currency changes",
    "competition",
    "interest rates",
    "supply interruptions",
    "litigation",
]


def make(index: int, seed: int) -> Document:
    """Annual report number ``index`` of the seed: the same bytes whenever, wherever and in whatever order it is made."""
    report = _Report(index, seed)
    name = slug(report.draft.value("full"))
    return Document(
        f"annual-report-{report.fy}-{index:04d}-{name}.md", american(paragraphs(list(report.parts()))), FORMAT
    )


def millions(amount: int) -> str:
    """Thousands as millions of dollars with one decimal."""
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


class _Report:
    """One report in the making: the company, its draft, and the year that it reports on."""

    def __init__(self, index: int, seed: int) -> None:
        industries = texts("disclosures-industries")["industry"]
        self.industry: dict[str, Any] = industries[index % len(industries)]
        self.text = texts("disclosures")
        self.dice = dice = Dice(f"disclosures:{seed}:{index}:accounts")
        segments = dice.some(self.industry["segments"], dice.between(2, 4))
        self.made: Company = company(dice, self.industry, segments, tables.REGIONS)
        month, day = dice.pick(((12, 31), (12, 31), (9, 30), (6, 30)))
        self.end = date(dice.between(2020, 2025), month, day)  # the three years have one federal tax rate
        self.fy, self.first = self.end.year, self.end.year - 2
        self.last, self.before = self.made.years[-1], self.made.years[-2]
        self.notes_after = dice.between(3, 8)
        self.rents = tables.lease_payments(dice, self.made)
        self.commitments = share(self.last["Cost of revenue"], dice.between(32, 102))
        lists = {key: value for key, value in self.industry.items() if isinstance(value, list)}
        values = {**self.text["values"], **lists, "month": _MONTHS[:month], "risk_words": _RISK_WORDS,
                  "project": self.industry["project"]}  # fmt: skip
        self.draft = Draft(f"disclosures:{seed}:{index}", values)
        self.acquired = -self.last["Acquisitions, net of cash acquired"]
        self.notes = [
            name for name, there in (
                ("Basis", True), ("Revenue", True), ("Segments", True), ("Acquisition", self.acquired > 0),
                ("Inventories", self.last["Inventories"] > 0), ("Property", True), ("Goodwill", True), ("Debt", True),
                ("Leases", True), ("Taxes", True), ("Shares", True), ("Commitments", True), ("Subsequent", True),
            ) if there
        ]  # fmt: skip
        self.draft.slots.update(self._who(index, seed))
        self.draft.slots.update(self._when())
        self.draft.slots.update(self._results())
        self.draft.slots.update(self._position())

    def _who(self, index: int, seed: int) -> dict[str, str | Callable[[], str]]:
        dice, draft, made = self.dice, self.draft, self.made
        short = stem(index, f"disclosures:{seed}")
        ending = dice.pick(_ENDINGS)
        full = f"{short} {ending}" + ("" if ending == "Corporation" else f", {dice.pick(('Inc.', 'Inc.', 'Corp.'))}")
        return {
            "A": short, "full": full, "street": street(dice), "city": dice.pick(_CITIES), "field": self.industry["field"],
            "maker": self.industry["maker"], "loan_margin": f"{dice.between(110, 240, 5) / 100:.2f}%",
            "ceo": person(dice), "cfo_name": person(dice), "auditor": firm(dice), "ticker": (short[:2] + short[-2:]).upper(),
            "segment_count": in_words(len(made.segments)), "segment_list": joined(made.segments),
            "seg_first": made.segments[0], "seg_last": made.segments[-1],
            "site_count": str(dice.between(9, 88)), "stock_method": dice.pick(("first-in, first-out", "average cost")),
            "company": lambda: f"{any_stem(draft.dice)} {draft.dice.pick(_ENDINGS)}", "person": partial(person, draft.dice),
        }  # fmt: skip

    def _when(self) -> dict[str, str | Callable[[], str]]:
        dice, end = self.dice, self.end

        def say(day: date) -> str:
            return written(day, american=True)

        filed = end + timedelta(days=dice.between(45, 75))
        decided = end + timedelta(days=dice.between(12, 40))
        bought = end - timedelta(days=dice.between(40, 320))
        years = {f"fy_plus{place}": str(self.fy + place) for place in (1, 2, 3)}
        return {
            **years, "fy": str(self.fy), "fy1": str(self.fy - 1), "year_end": say(end), "year_end_day": say(end).split(",")[0],
            "year_before": say(end.replace(year=self.fy - 1)), "cover_date": say(filed),
            "half_year": say(date(self.fy, end.month - 6, 30) if end.month != 12 else date(self.fy, 6, 30))
            if end.month > 6 else say(date(self.fy - 1, 12, 31)),
            "subsequent_date": say(decided), "subsequent_record": say(decided + timedelta(days=21)),
            "subsequent_pay": say(decided + timedelta(days=40)), "acq_date": say(bought),
            "note_tax": str(self.notes.index("Taxes") + 1),
        }  # fmt: skip

    def _results(self) -> dict[str, str | Callable[[], str]]:
        last, before, made, dice = self.last, self.before, self.made, self.dice
        revenue, old = last["Revenue"], before["Revenue"]
        pretax, tax = last["Income before income taxes"], last["Provision for income taxes"]
        gap = change(revenue, old)
        bought = dice.between(5, 22) if self.acquired else 0
        margin, margin_before = last["Gross profit"] * 10_000 // revenue, before["Gross profit"] * 10_000 // old
        price, cost = dice.between(30, 160), -dice.between(20, 150)
        earned, earned_before = last["Net income"], before["Net income"]
        kind = "Net income" if earned >= 0 else "Net loss"
        was = f"net {'income' if earned_before >= 0 else 'loss'} of {millions(earned_before)}"
        slots: dict[str, str | Callable[[], str]] = {
            "revenue": millions(revenue), "revenue_moved": moved(revenue, old),
            "growth_parts": f"acquisitions contributed {signed(bought)} percentage points and organic growth {signed(gap - bought)}"
            if bought else "there was no contribution from acquisitions",
            "operating": self._result(last["Operating income"]), "operating_before": self._result(before["Operating income"]),
            "operating_margin": percent(last["Operating income"], revenue), "operating_margin_before": percent(before["Operating income"], old),
            "gross_moved": moved(last["Gross profit"], before["Gross profit"]), "gross_margin": percent(last["Gross profit"], revenue),
            "gross_margin_before": percent(before["Gross profit"], old),
            "bp_price": f"{price:+d}", "bp_cost": f"{cost:+d}", "bp_rest": f"{margin - margin_before - price - cost:+d}",
            "net_moved": f"{kind} was {millions(earned)} in fiscal {self.fy}, compared with {was} in fiscal {self.fy - 1}",
            "eps": f"${tables.per_share(made, -1, True)}", "eps_before": f"${tables.per_share(made, -2, True)}",
            "diluted_shares": f"{tables.diluted(made, -1):,}",
            "tax": millions(tax), "tax_before": millions(before["Provision for income taxes"]),
            "tax_rate": percent(tax, pretax) if pretax > 0 else "zero",
            "tax_rate_before": percent(before["Provision for income taxes"], before["Income before income taxes"])
            if before["Income before income taxes"] > 0 else "zero",
            "statutory": f"{made.tax_rate / 10:g}%", "sensitivity": millions(share(last["Cost of revenue"], dice.between(32, 48))),
            "currency_effect": millions(share(revenue, dice.between(8, 42))),
            "backlog": millions(share(revenue, dice.between(140, 420))), "backlog_before": millions(share(revenue, dice.between(140, 420))),
            "foreign_share": percent(revenue - last.regions[0], revenue),
        }  # fmt: skip
        for name, line in (
            ("selling", "Selling, general and administrative"),
            ("research", "Research and development"),
        ):
            slots |= {
                f"{name}_moved": moved(last[line], before[line]), name: millions(last[line]), f"{name}_before": millions(before[line]),
                f"{name}_share": percent(last[line], revenue), f"{name}_share_before": percent(before[line], old),
            }  # fmt: skip
        return slots | {
            "restructuring": millions(last["Restructuring charges"]), "interest": millions(last["Interest expense"]),
            "interest_before": millions(before["Interest expense"]), "interest_income": millions(last["Interest income"]),
            "interest_income_before": millions(before["Interest income"]),
        }  # fmt: skip

    def _fitting(self, wordings: Sequence[str]) -> list[str]:
        """Those wordings that hold for companies of this kind, without their marks."""
        mark = f"@{self.industry['kind']}"
        marked = [(text.split(" ", 1) if text.startswith("@") else ["", text]) for text in wordings]
        return [text for marks, text in marked if not marks or mark in marks]

    @staticmethod
    def _result(amount: int) -> str:
        return millions(amount) if amount >= 0 else f"a loss of {millions(amount)}"

    def _position(self) -> dict[str, str | Callable[[], str]]:
        last, before, dice, made = self.last, self.before, self.dice, self.made
        end, start, revenue = last.balance, before.balance, last["Revenue"]
        owed = end["Long-term debt"] + end["Current portion of long-term debt"]
        owed_before = start["Long-term debt"] + start["Current portion of long-term debt"]
        earnings = max(last["Operating income"] + last["Depreciation"] + last["Amortization"], 1)
        leverage = max((owed - end["Cash and cash equivalents"]) * 100 // earnings, 0)
        working = sum(amount for name, amount in last.flows.items() if name.startswith("Change in"))
        self.price = max(last["Net income"] * dice.between(13, 24) // made.shares[-1], dice.between(4, 9))
        self.staff = staff = revenue // dice.between(170, 380)
        intangible = end["Goodwill"] + end["Intangible assets, net"]
        paid, bought = -last["Dividends paid"], -last["Repurchases of common stock"]
        returned = [f"paid dividends of {millions(paid)}"] * (paid > 0) + [
            f"repurchased shares for {millions(bought)}"
        ] * (bought > 0)
        drawn = last["Proceeds from borrowings"]
        capex = -last["Capital expenditures"]
        cents = max(paid * 100 // made.shares[-1], 1)
        return {
            "outstanding": f"{made.shares[-1] * 1_000 + dice.between(0, 999_999):,}",
            "price": f"{self.price}.{dice.between(10, 99)}", "price_low": f"${self.price * 62 // 100 + 1}.{dice.between(10, 99)}",
            "price_high": f"${self.price * 131 // 100 + 2}.{dice.between(10, 99)}",
            "market_value": millions(self.price * made.shares[-1] * dice.between(82, 97) // 100), "staff": f"{staff:,}",
            "staff_abroad": f"{staff * dice.between(18, 55) // 100:,}", "debt": millions(owed), "debt_before": millions(owed_before),
            "lev": f"{max(leverage // 50 * 50 + dice.pick((100, 150)), 325) / 100:.2f} to 1", "lev_actual": f"{leverage / 100:.2f} to 1",
            "intangibles": millions(intangible), "intangible_share": percent(intangible, sum(end[name] for name in ASSETS)),
            "cash": millions(end["Cash and cash equivalents"]), "facility": f"${(share(revenue, dice.between(90, 210)) // 5_000 + 2) * 5} million",
            "current_ratio": self._ratio(last), "current_ratio_before": self._ratio(before),
            "dso": str(end["Accounts receivable, net"] * 365 // revenue),
            "dso_before": str(start["Accounts receivable, net"] * 365 // before["Revenue"]),
            "stock_sentence": self._stock(), "average_rate": percent(last["Interest expense"], owed_before),
            "cfo": millions(last["Net cash provided by operating activities"]) if last["Net cash provided by operating activities"] > 0
            else f"nothing and absorbed {millions(last['Net cash provided by operating activities'])}",
            "cfo_before": millions(before["Net cash provided by operating activities"]),
            "cash_earnings": millions(last["Net cash provided by operating activities"] - working),
            "working_change": f"{'added' if working > 0 else 'absorbed'} {millions(working)}",
            "capex": millions(capex), "capex_share": percent(capex, revenue), "capex_low": millions(share(capex, 850)),
            "capex_high": millions(share(capex, dice.between(1_000, 1_250))),
            "repaid": millions(-last["Repayments of long-term debt"]), "drawn_phrase": f", borrowed {millions(drawn)}" if drawn else "",
            "return_phrase": f" and {joined(returned)}" if returned else "",
            "dividend_sentence": f"It paid dividends of {cents} cents a share, {millions(paid)} in total, in fiscal {self.fy}." if paid
            else f"It paid no dividend in fiscal {self.fy} and does not intend to pay one in fiscal {self.fy + 1}.",
            "authorised": millions(bought * dice.between(2, 5) + 5_000), "floating": percent(owed - made.notes_due, owed),
            "rate_effect": millions((owed - made.notes_due) // 100), "instalment": millions(made.instalment),
            "due_sentence": self._due(), "renewal_effect": millions(share(revenue, dice.between(7, 9))),
            "loan_end": f"{dice.pick(_MONTHS)} {self.fy + dice.between(5, 7)}",
            "debt_lead": f"The senior notes bear interest at {made.notes_rate / 100:.2f}%, payable twice a year." if made.notes_due
            else "The debt consists of a term loan and drawings under the revolving facility.",
            "obligations": millions(share(revenue, dice.between(40, 240))), "lease_cost": millions(share(end["Operating lease assets"], dice.between(220, 320))),
            "stock_pay": millions(last["Share-based compensation"]), "unrecognised": millions(share(last["Share-based compensation"], dice.between(900, 1_700))),
            "commitments": millions(self.commitments),
            "acq_price": millions(self.acquired), "acq_name": f"{any_stem(dice)} {dice.pick(_ENDINGS)}",
            "acq_revenue": millions(self.acquired * dice.between(12, 60) // 100), "acq_deductible": dice.pick(("not", "partly", "fully")),
        }  # fmt: skip

    @staticmethod
    def _ratio(year: Year) -> str:
        assets = sum(year.balance[name] for name in CURRENT_ASSETS)
        return f"{assets * 100 // sum(year.balance[name] for name in CURRENT_LIABILITIES) / 100:.2f}"

    def _due(self) -> str:
        due = tables.maturities(self.made, self.notes_after)
        years = [
            f"{tables.number(amount)} in fiscal {self.fy + place}" for place, amount in enumerate(due[:5], 1) if amount
        ]
        return f"Principal falls due as follows: {joined([*years, f'{tables.number(due[5])} thereafter'] if due[5] else years)}."

    def _stock(self) -> str:
        if not self.last["Inventories"]:
            return ""
        days = [year["Inventories"] * 365 // year["Cost of revenue"] for year in (self.last, self.before)]
        return f"Inventories stood at {days[0]} days of cost of revenue, compared with {days[1]}."

    def parts(self) -> Iterator[str]:
        """The report from its title to the signatures."""
        draft = self.draft
        yield f"# {draft.value('full')}: Annual Report for Fiscal {self.fy}"
        yield from (draft.say(wordings) for wordings in self.text["cover"].values())
        yield from self._business()
        yield from self._risks()
        yield from self._other_items()
        yield from self._discussion()
        yield from self._statements()
        yield from self._notes()
        yield "## Item 9A. Controls and Procedures"
        yield draft.say(self.text["controls"]["Conclusion"])
        yield "## Signatures"
        for office, name in (("Chief Executive Officer", "ceo"), ("Chief Financial Officer", "cfo_name")):
            yield draft.write(f"/s/ {{{name}}}, {office} of {{full}}, {{cover_date}}")

    def _business(self) -> Iterator[str]:
        yield "## Item 1. Business"
        for title, wordings in self.text["business"].items():
            if title == "Research" and not self.last["Research and development"]:
                continue
            if title in ("Backlog", "Seasons") and self.dice.chance(0.4):
                continue
            yield f"### {title}"
            yield self.draft.say(wordings)
            if title == "Overview":
                yield from self._segments("Description")

    def _segments(self, which: str) -> Iterator[str]:
        staff = split(self.dice, self.staff * 9 // 10, len(self.made.segments))
        for place, name in enumerate(self.made.segments):
            revenue, old = self.last.segments[place], self.before.segments[place]
            profit, profit_before = self.last.profits[place], self.before.profits[place]
            points = change(revenue, old)
            price, currency = self.dice.between(-8, 42), self.dice.between(-14, 12)
            self.draft.slots.update({
                "seg": name, "seg_rev": millions(revenue), "seg_share": percent(revenue, self.last["Revenue"]),
                "seg_profit": millions(profit), "seg_profit_before": millions(profit_before),
                "seg_margin": percent(profit, revenue), "seg_margin_before": percent(profit_before, old),
                "seg_moved": moved(revenue, old), "seg_staff": f"{staff[place]:,}",
                "seg_reason": self.draft.new("up" if revenue >= old else "down"),
                "seg_split": f"Price contributed {signed(price)} percentage points, currency {signed(currency)} and "
                f"volume and mix {signed(points - price - currency)}.",
            })  # fmt: skip
            yield self.draft.say(self.text["segment"][which])

    def _risks(self) -> Iterator[str]:
        yield "## Item 1A. Risk Factors"
        mark = f"@{self.industry['kind']}"
        fitting = [(title, said) for title, said in self.text["risks"].items() if "@" not in title or mark in title]
        for title, wordings in self.dice.some(fitting, self.dice.between(11, 17)):
            yield f"### {title.split('@')[0]}"
            yield self.draft.say(wordings)

    def _other_items(self) -> Iterator[str]:
        draft, dice, text = self.draft, self.dice, self.text
        yield "## Item 2. Properties"
        yield draft.say(text["properties"]["Lead"])
        rows = [
            [draft.new("place"), dice.pick(self.industry["uses"]),
             f"{dice.between(18, 640) * 1_000:,}", dice.pick(("Owned", "Leased"))]
            for _ in range(dice.between(6, 11))
        ]  # fmt: skip
        yield table(["Location", "Use", "Square feet", "Tenure"], rows, 2)
        yield "## Item 3. Legal Proceedings"
        for wording in dice.some(self._fitting(text["legal"]["Case"]), dice.between(1, 3)):
            yield draft.say(wording)
        yield "## Item 5. Market for the Company's Common Stock"
        yield draft.say(text["market"]["Dividends"])
        bought = -self.last["Repurchases of common stock"] // max(self.price, 1) // 4
        if bought > 30:
            yield draft.say(text["market"]["Repurchases"])
            months = [_MONTHS[(self.end.month - 3 + place) % 12] for place in range(3)]
            counts = split(dice, bought * 1_000, 3)
            yield table(["Month", "Shares", "Average price"], [
                *([month, f"{count:,}", f"${self.price + dice.between(-1, 2)}.{dice.between(10, 99)}"]
                  for month, count in zip(months, counts, strict=True)),
                ["Total", f"{sum(counts):,}", ""],
            ])  # fmt: skip

    def _discussion(self) -> Iterator[str]:
        draft, text, made = self.draft, self.text["mdna"], self.made
        yield "## Item 7. Management's Discussion and Analysis"
        yield "### Results of operations"
        yield draft.say(text["Overview"])
        yield tables.parts(made, self.first, made.segments, lambda year: year.segments, "Revenue")
        yield from self._segments("Result")
        for title in ("Gross profit", "Selling", "Research", "Restructuring", "Interest", "Tax", "Net income"):
            line = {"Research": "Research and development", "Restructuring": "Restructuring charges"}.get(title)
            if line is None or (self.last[line] and (title != "Research" or self.before[line])):
                yield draft.say(text[title])
        yield "### Liquidity and capital resources"
        for title in ("Liquidity", "Working capital", "Operating cash", "Investing", "Financing"):
            yield draft.say(text[title])
        yield draft.say(
            "[Contractual obligations of {A} on {year_end} were as follows.|The table shows what {A} was bound by contract to pay on {year_end}.]"
        )
        yield tables.obligations(made, tables.maturities(made, self.notes_after), self.rents, self.commitments)
        yield "### Critical accounting estimates"
        for wording in self._fitting(text["Estimates"]):
            if self.dice.chance(0.75):
                yield draft.say(wording)
        yield "## Item 7A. Market Risk"
        for wording in self._fitting(text["Market risk"]):
            yield draft.say(wording)

    def _statements(self) -> Iterator[str]:
        made, first, draft = self.made, self.first, self.draft
        yield "## Item 8. Financial Statements"
        yield draft.write("### Statements of income, years ended {year_end_day}")
        yield tables.income(made, first)
        yield draft.write("### Balance sheets on {year_end_day}")
        yield tables.balance(made, first)
        yield draft.write("### Statements of cash flows, years ended {year_end_day}")
        yield tables.cash_flows(made, first)
        yield draft.write("### Statement of stockholders' equity, fiscal {fy}")
        yield tables.equity(made, draft.value("year_end"), draft.value("year_before"))

    def _notes(self) -> Iterator[str]:
        titles = {"Basis": "Basis and accounting policies", "Goodwill": "Goodwill and intangible assets", "Taxes": "Income taxes",
                  "Property": "Property, plant and equipment", "Shares": "Share-based pay and earnings per share",
                  "Subsequent": "Subsequent events", "Commitments": "Commitments and guarantees"}  # fmt: skip
        for number, name in enumerate(self.notes, 1):
            yield f"### Note {number}. {titles.get(name, name)}"
            if name in self.text["notes"]:
                yield self.draft.say(self.text["notes"][name])
            yield from self._note(name)

    def _note(self, name: str) -> Iterator[str]:
        made, first, dice, draft, last = self.made, self.first, self.dice, self.draft, self.last
        heads = [str(self.fy), str(self.fy - 1)]
        if name == "Basis":
            for wording in dice.some(self._fitting(self.text["notes"]["Policies"]), dice.between(4, 7)):
                if last["Inventories"] or not wording.startswith("Inventories"):
                    yield draft.say(wording)
        elif name == "Revenue":
            yield tables.parts(made, first, made.regions, lambda year: year.regions, "Revenue")
            yield draft.say(self.text["notes"]["Deferred revenue"])
        elif name == "Segments":
            yield tables.segment_profit(made, first)
        elif name == "Acquisition":
            other = [last["Goodwill acquired"], last["Intangibles acquired"]]
            rows = [
                ["Goodwill", tables.number(other[0])],
                ["Customer relationships and technology", tables.number(other[1])],
            ]
            yield table(
                ["", "Fair value"], [*rows, ["Purchase price, net of cash acquired", tables.number(self.acquired)]]
            )
        elif name == "Inventories":
            yield tables.broken_down(
                dice, ["Raw materials", "Work in process", "Finished goods"], [last["Inventories"], self.before["Inventories"]],
                heads, "Inventories", "Reserves",
            )  # fmt: skip
        elif name == "Property":
            yield tables.property_table(dice, made, heads)
        elif name == "Goodwill":
            yield tables.goodwill(dice, made, draft.value("year_end"), draft.value("year_before"))
            yield tables.amortisation(dice, made, self.fy)
        elif name == "Debt":
            loan = draft.write("Term loan at SOFR plus {loan_margin}, due {loan_end}")
            yield tables.debt(made, self.fy + self.notes_after, loan, heads)
        elif name == "Leases":
            yield tables.leases(made, self.fy, self.rents)
        elif name == "Taxes":
            yield from tables.taxes(dice, made, first)
        elif name == "Shares":
            yield tables.stock_units(
                dice, made.shares[-1], self.price, draft.value("year_before"), draft.value("year_end")
            )
            places = range(len(made.years))
            rows = [
                ["Net income", *(tables.number(made.years[place]["Net income"]) for place in reversed(places))],
                ["Basic shares", *(f"{made.shares[place]:,}" for place in reversed(places))],
                ["Diluted shares", *(f"{tables.diluted(made, place):,}" for place in reversed(places))],
                [
                    "Diluted earnings per share (dollars)",
                    *(tables.per_share(made, place, True) for place in reversed(places)),
                ],
            ]
            yield table(["", *(str(first + place) for place in reversed(places))], rows)
