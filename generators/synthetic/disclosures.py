"""Annual reports: business, risk factors, management's discussion, statements and notes of one year.

The accounts come from ``_accounts.py``, the tables from ``_statements.py`` and the figures that sentences quote from
``_report.py``; the sentences stand in ``text/disclosures.toml``. No company of a seed reports twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from longctx.types import Document

from . import _note_tables as notes
from . import _statements as tables
from ._accounts import split
from ._names import MONTHS
from ._prose import joined, paragraphs, slug, table
from ._report import Report, change, millions, moved, percent, signed
from ._spelling import american

FORMAT = "markdown"

_PRICES = re.compile(r"pric|surcharge|rates\b|pass-through|passed on|rate cuts|concession")
_SIZES = {"Offices": (14, 95), "Research": (18, 120), "Development": (14, 110), "Customer support": (10, 70),
          "Control room": (6, 30)}  # fmt: skip
"""Use of a site → thousands of square feet that it may have; other uses need more."""


def make(index: int, seed: int) -> Document:
    """Annual report number ``index`` of the seed: the same bytes whenever and wherever it is made."""
    report = _Pages(index, seed)
    text = american(paragraphs(list(report.parts())))
    name = slug(report.draft.value("full"))
    return Document(f"annual-report-{report.fy}-{index:04d}-{name}.md", text, FORMAT)


class _Pages(Report):
    """A report in the order in which it is read."""

    def parts(self) -> Iterator[str]:
        """The report from its title to the signatures."""
        draft = self.draft
        yield draft.write("# {full}: Annual Report for Fiscal {fy}")
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

    def _fitting(self, wordings: Sequence[str]) -> list[str]:
        """Those wordings that hold for companies of this kind, without their marks."""
        mark = f"@{self.industry['kind']}"
        marked = [text.split(" ", 1) if text.startswith("@") else ["", text] for text in wordings]
        return [text for marks, text in marked if not marks or mark in marks]

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
            self.draft.slots.update(self._segment(place) | {"seg": name, "seg_staff": f"{staff[place]:,}"})
            yield self.draft.say(self.text["segment"][which])

    def _segment(self, place: int) -> dict[str, str]:
        revenue, old = self.last.segments[place], self.before.segments[place]
        profit, earlier = self.last.profits[place], self.before.profits[place]
        reason = self.draft.new("up" if revenue >= old else "down")
        price, currency, volume = self._split(change(revenue, old), reason)
        return {
            "seg_products": joined(self.products[self.made.segments[place]]),
            "seg_rev": millions(revenue),
            "seg_share": percent(revenue, self.last["Revenue"]),
            "seg_profit": millions(profit),
            "seg_profit_before": millions(earlier),
            "seg_margin": percent(profit, revenue),
            "seg_margin_before": percent(earlier, old),
            "seg_moved": moved(revenue, old),
            "seg_reason": reason,
            "seg_split": f"Price contributed {signed(price)} percentage points, currency {signed(currency)} and "
            f"volume and mix {signed(volume)}.",
        }

    def _split(self, gap: int, reason: str) -> tuple[int, int, int]:
        """What price, currency, volume and mix contributed, in tenths of a point: most comes from what is named."""
        most = min(abs(gap) // 4, 9)
        named, other = gap * self.dice.between(60, 90) // 100, self.dice.between(-most, most)
        if "dollar" in reason:
            return other, named, gap - named - other
        if _PRICES.search(reason):
            return named, other, gap - named - other
        return gap - named - other, other, named

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
            [draft.new("place"), use, f"{dice.between(*_SIZES.get(use, (90, 640))) * 1_000:,}",
             dice.pick(("Owned", "Leased"))]
            for use in (dice.pick(self.industry["uses"]) for _ in range(dice.between(6, 11)))
        ]  # fmt: skip
        yield table(["Location", "Use", "Square feet", "Tenure"], rows, 2)
        yield "## Item 3. Legal Proceedings"
        for wording in dice.some(self._fitting(text["legal"]["Case"]), dice.between(1, 3)):
            yield draft.say(wording)
        yield "## Item 5. Market for the Company's Common Stock"
        yield draft.say(text["market"]["Dividends"])
        bought = -self.last["Repurchases of common stock"] // self.price // 4
        if bought > 30:
            yield draft.say(text["market"]["Repurchases"])
            yield self._repurchases(bought * 1_000)

    def _repurchases(self, shares: int) -> str:
        months = [MONTHS[(self.end.month - 3 + place) % 12] for place in range(3)]
        prices = [f"${self.price + self.dice.between(-1, 2)}.{self.dice.between(10, 99)}" for _ in months]
        counts = [f"{count:,}" for count in split(self.dice, shares, 3)]
        rows = [list(row) for row in zip(months, counts, prices, strict=True)]
        return table(["Month", "Shares", "Average price"], [*rows, ["Total", f"{shares:,}", ""]])

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
                fell = title == "Research" and self.last[line or ""] < self.before[line or ""]
                yield draft.say(text["Research, less" if fell else title])
        yield "### Liquidity and capital resources"
        for title in ("Liquidity", "Working capital", "Operating cash", "Investing", "Financing", "Obligations"):
            yield draft.say(text[title])
        due = notes.maturities(made, self.notes_after)
        interest = notes.interest_due(made, self.notes_after)
        yield notes.obligations(made, due, interest, self.rents, self.commitments)
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
        titles: Mapping[str, str] = self.text["note_titles"]
        for number, name in enumerate(self.notes, 1):
            yield f"### Note {number}. {titles[name]}"
            if name in self.text["notes"]:
                yield self.draft.say(self.text["notes"][name])
            yield from self._note(name)

    def _note(self, name: str) -> Iterator[str]:
        made, first, dice, draft, last = self.made, self.first, self.dice, self.draft, self.last
        end, start = draft.value("year_end"), draft.value("year_before")
        heads = [str(self.fy), str(self.fy - 1)]
        match name:
            case "Basis":
                for wording in dice.some(self._fitting(self.text["notes"]["Policies"]), dice.between(4, 7)):
                    if last["Inventories"] or not wording.startswith("Inventories"):
                        yield draft.say(wording)
            case "Revenue":
                yield tables.parts(made, first, made.regions, lambda year: year.regions, "Revenue")
                yield draft.say(self.text["notes"]["Deferred revenue"])
            case "Segments":
                yield tables.segment_profit(made, first)
            case "Acquisition":
                yield notes.acquisition(made)
            case "Inventories":
                yield notes.inventories(dice, made, heads)
            case "Property":
                yield notes.property_table(dice, made, heads)
            case "Goodwill":
                yield notes.goodwill(dice, made, end, start)
                yield notes.amortisation(dice, made, self.fy)
            case "Debt":
                loan = draft.write("Term loan at SOFR plus {loan_margin}, due {loan_end}")
                yield notes.debt(made, self.fy + self.notes_after, loan, heads)
            case "Leases":
                yield notes.leases(made, self.fy, self.rents)
            case "Taxes":
                yield from notes.taxes(dice, made, first)
            case "Shares":
                yield notes.stock_units(dice, made.shares[-1], self.price, start, end)
                yield notes.earnings_per_share(made, first)
