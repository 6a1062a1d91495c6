"""What the parties to a contract agree in figures: amounts, dates and the schedules that carry them.

Each kind of contract has one function. What it returns is consistent by construction: instalments add up to
the principal, a year's rent is twelve months' rent, the parts of a price add up to the price.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta

from ._grammar import Draft, in_words, table
from ._names import any_stem, month_of, person, trade, written


@dataclass(frozen=True)
class Frame:
    """When the contract runs, and how dates and measures are written where it was made."""

    signed: date
    effective: date
    years: int
    american: bool
    units: tuple[str, str, str]  # areas, one area, distances

    def say(self, day: date) -> str:
        """The date as the document writes dates."""
        return written(day, self.american)

    @property
    def expiry(self) -> date:
        """The last day."""
        return plus_months(self.effective, 12 * self.years) - timedelta(days=1)


@dataclass
class Deal:
    """Values for slots, and schedules: label → heading and parts, each a template or a table."""

    slots: dict[str, str] = field(default_factory=dict)
    schedules: dict[str, tuple[str, list[str]]] = field(default_factory=dict)


def plus_months(day: date, months: int) -> date:
    """The same day some months later, or the last day of that month if it is shorter."""
    number = day.year * 12 + day.month - 1 + months
    year, month = divmod(number, 12)
    last = (date(year + (month == 11), month % 12 + 2 if month < 11 else 1, 1) - timedelta(days=1)).day
    return date(year, month + 1, min(day.day, last))


def _shares(draft: Draft, total: int, count: int, step: int) -> list[int]:
    """``count`` multiples of ``step`` that add up to ``total``, itself a multiple."""
    weights = [draft.dice.between(60, 240) for _ in range(count)]
    parts = [total * weight // sum(weights) // step * step for weight in weights]
    parts[-1] += total - sum(parts)
    return parts


def _company(draft: Draft) -> str:
    return f"{any_stem(draft.dice)} {trade(draft.dice)}"


def _support_table(draft: Draft) -> str:
    dice = draft.dice
    minutes, hours, days = dice.pick((15, 20, 30, 45, 60)), dice.pick((4, 6, 8)), dice.pick((5, 8, 10))
    rows = [
        ["1", "Productive use is impossible", f"{minutes} minutes", f"{hours} hours"],
        [
            "2",
            "An important function fails; a workaround exists",
            f"{dice.pick((2, 3, 4))} hours",
            f"{hours * 4} hours",
        ],
        ["3", "A minor function fails", f"{dice.pick((8, 10, 12))} hours", f"{days} days"],
        ["4", "Question or wish", f"{dice.pick((2, 3, 5))} days", "next release"],
    ]
    named = [[*row, person(dice)] for row in rows]
    return table(["Priority", "Meaning", "Response within", "Resolution within", "Escalated to"], named, 5)


def _msa(draft: Draft, frame: Frame) -> Deal:
    dice, money = draft.dice, draft.money
    names = dice.shuffled([
        "Project plan approved", "Current state analysed", "Design signed off", "Pilot completed", "First site live",
        "Users trained", "Remaining sites live", "Documentation delivered", "Handover accepted", "Benefits review held",
    ])[: dice.between(4, 7)]  # fmt: skip
    prices = [dice.between(12_000, 96_000, 500) for _ in names]
    day, rows = frame.effective, []
    for number, (name, price) in enumerate(zip(names, prices, strict=True), 1):
        day += timedelta(days=dice.between(21, 75))
        rows.append([str(number), name, frame.say(day), money(price)])
    rows.append(["", "Total", "", money(sum(prices))])
    base = dice.between(420, 700, 10)
    grades = ["Analyst", "Consultant", "Senior consultant", "Lead engineer", "Project manager", "Principal", "Partner"]
    rates = [[grade, money(base + step * dice.between(9, 16) * 10)] for step, grade in enumerate(grades)]
    tasks = [
        [str(number), task[0].upper() + task[1:], dice.pick(("daily", "weekly", "monthly", "quarterly", "on request"))]
        for number, task in enumerate(dice.some(draft.values["tasks"], dice.between(6, 10)), 1)
    ]
    return Deal(
        {"total_fee": money(sum(prices)), "cap_amount": money(dice.between(500_000, 5_000_000, 50_000))},
        {
            "services": (
                "Services",
                ["{A} provides the following {service_field} services to {B} [at {B_city}|from {A_city}]:",
                 table(["No.", "Service", "Frequency"], tasks, 3)],
            ),
            "rates": (
                "Rates",
                ["Daily rates of {A} for {B}, for a day of [seven and a half|eight] hours, [travelling time excluded|"
                 "travelling time being charged at half of them]:", table(["Grade", "Rate a day"], rates)],
            ),
            "milestones": (
                "Milestones",
                ["{A} {shall} reach these milestones for {B} and may invoice the price of each on acceptance:",
                 table(["No.", "Milestone", "Due", "Price"], rows, 3)],
            ),
        },
    )  # fmt: skip


def _supply(draft: Draft, frame: Frame) -> Deal:
    dice, money = draft.dice, draft.money
    forms = dice.shuffled(["standard", "reinforced", "large", "small", "export pack", "low-temperature", "coated"])
    letters = "".join(dice.pick("ABCDEFGHKLMNPRSTVWX") for _ in range(2))
    rows = []
    for number, form in enumerate(forms[: dice.between(4, 6)]):
        goods = draft.value("product") if number % 2 == 0 else draft.value("second_product")
        cents = dice.between(180, 9_500, 5)
        price = f"{money(cents // 100)}.{cents % 100:02d}"
        lot = f"{dice.pick((100, 250, 500, 1000, 2000)):,}"
        rows.append([f"{letters}-{dice.between(1000, 9999)}", f"{goods}, {form}", price, lot])
    volume = dice.between(20_000, 400_000, 5_000)
    years = [
        [f"Contract Year {number + 1}", f"from {frame.say(plus_months(frame.effective, 12 * number))}",
         f"{volume + number * (volume // 20_000) * 1_000:,} pieces"]
        for number in range(frame.years)
    ]  # fmt: skip
    return Deal(
        {
            "review_date": frame.say(plus_months(frame.effective, 12)),
            "cap_amount": money(dice.between(750_000, 8_000_000, 250_000)),
        },
        {
            "prices": (
                "Goods and Price",
                ["The Goods that {A} sells to {B}, and the Price of a piece on {effective_date}:",
                 table(["Part number", "Description", "Price a piece", "Minimum order"], rows, 2)],
            ),
            "volumes": (
                "Minimum quantities",
                ["The least quantity of Goods that {B} orders from {A} in each Contract Year, all part numbers together:",
                 table(["Period", "Begins", "Quantity"], years, 2)],
            ),
        },
    )  # fmt: skip


def _lease(draft: Draft, frame: Frame) -> Deal:
    dice, money = draft.dice, draft.money
    feet = "feet" in frame.units[0]
    area = dice.between(2_000, 38_000, 10) if feet else dice.between(190, 3_600, 5)
    rent = area * (dice.between(11, 42) if feet else dice.between(120, 440)) // 120 * 120
    uplift, deposit = dice.pick((15, 20, 25, 30)), dice.pick((2, 3, 4, 6))
    rows, amount = [], rent
    for number in range(frame.years):
        first, after = plus_months(frame.effective, 12 * number), plus_months(frame.effective, 12 * number + 12)
        rows.append([
            str(number + 1), frame.say(first), frame.say(after - timedelta(days=1)), money(amount), money(amount // 12),
        ])  # fmt: skip
        amount = amount * (1000 + uplift) // 1000 // 120 * 120
    offices, stores = area * dice.between(90, 190) // 1000, area * dice.between(30, 80) // 1000
    rooms = [["Main area", area * 7 // 10], ["Offices", offices], ["Stores", stores]]
    rooms.append(["Kitchen and sanitary rooms", area - sum(int(size) for _, size in rooms)])
    parts = [[str(name), f"{size:,}"] for name, size in [*rooms, ["Total", area]]]
    return Deal(
        {
            "area": f"{area:,}", "first_rent": money(rent), "deposit": money(rent // 12 * deposit),
            "break_date": frame.say(plus_months(frame.effective, 12 * (frame.years * 3 // 5)) - timedelta(days=1)),
        },
        {
            "premises": (
                "The Premises",
                ["The {floor} of {premises_name}, {premises_address}, let by {A} to {B}, with these floor areas:",
                 table(["Part", f"Area in {frame.units[0]}"], parts)],
            ),
            "rent": (
                "Rent",
                [f"The Rent that {{B}} pays to {{A}} rises by {uplift / 10:g}% each year, rounded down so that the "
                 "monthly instalments are equal and even:",
                 table(["Year", "From", "To", "Rent a year", "Rent a month"], rows, 3)],
            ),
        },
    )  # fmt: skip


def _licence(draft: Draft, frame: Frame) -> Deal:
    dice, money = draft.dice, draft.money
    names = ["Core", "Reporting", "Mobile client", "Interfaces", "Archive", "Workflow", "Forecasting", "Audit trail"]
    fees = [dice.between(4_000, 68_000, 250) for _ in range(dice.between(4, 6))]
    rows = [[name, money(fee)] for name, fee in zip(dice.some(names, len(fees)), fees, strict=True)]
    rows.append(["Total for the first year", money(sum(fees))])
    return Deal(
        {
            "total_fee": money(sum(fees)), "unit_fee": money(dice.between(90, 900, 10)),
            "cap_amount": money(dice.between(250_000, 3_000_000, 50_000)),
        },
        {
            "modules": (
                "Modules and Licence Fees",
                ["The modules of {software_name} that {A} licenses to {B}, for up to {users} Named Users, and the fee "
                 "for the first year:", table(["Module", "Licence Fee"], rows)],
            ),
            "support": (
                "Support times",
                ["{A} answers and resolves the reports of {B} within the following times, counted in hours of support:",
                 _support_table(draft)],
            ),
        },
    )  # fmt: skip


def _nda(draft: Draft, frame: Frame) -> Deal:
    dice = draft.dice
    items = dice.some(draft.values["secret_items"], dice.between(6, 9))
    rows = [
        [item[0].upper() + item[1:], dice.pick(("{A}", "{B}", "{A} and {B}")),
         dice.pick(("data room", "paper", "e-mail, encrypted", "site visit", "demonstration"))]
        for item in items
    ]  # fmt: skip
    months = dice.pick((6, 9, 12, 18))
    listed = table(["Category", "Disclosed by", "Form"], rows, 3)
    return Deal(
        {"talks_end": frame.say(plus_months(frame.effective, months))},
        {
            "project-list": (
                "Information to be exchanged",
                ["For Project {project} {A} and {B} expect to exchange:", listed],
            )
        },
    )


def _employment(draft: Draft, frame: Frame) -> Deal:
    dice, money = draft.dice, draft.money
    salary = dice.between(48_000, 228_000, 600)
    goals = dice.some(
        ["Operating profit of the division", "Customer satisfaction", "Delivery on time", "Safety record",
         "Working capital", "Staff turnover", "Completion of the systems project", "Growth in sales", "Audit findings closed"],
        dice.between(4, 5),
    )  # fmt: skip
    weights = _shares(draft, 100, len(goals), 5)
    rows = [
        [goal, f"{weight}%", f"{dice.between(60, 95, 5)}%", f"{dice.between(105, 150, 5)}%"]
        for goal, weight in zip(goals, weights, strict=True)
    ]
    rows.append(["Total", "100%", "", ""])
    benefits = [
        ["Private medical cover", dice.pick(("employee", "employee and partner", "family"))],
        ["Income protection", f"{dice.pick((50, 60, 66, 75))}% of Salary after {dice.pick((13, 26))} weeks"],
        ["Travel insurance", f"up to {money(dice.between(50_000, 500_000, 25_000))} a claim"],
        ["Health check", f"every {dice.pick(('year', 'two years'))}, up to {money(dice.between(200, 900, 25))}"],
        ["Home office", f"{money(dice.between(250, 1_500, 50))} once"],
        ["Sports and wellbeing", f"{money(dice.between(120, 900, 20))} a year"],
    ]
    employee, employer = dice.pick(((1, 3), (2, 3), (3, 3), (3, 6), (3, 4)))
    return Deal(
        {
            "salary": money(salary), "salary_month": money(salary // 12), "bonus": f"{dice.between(10, 60, 5)}%",
            "holiday": draft.count(dice.between(22, 30), "day"), "notice_A": draft.count(employer, "month"),
            "notice_B": draft.count(employee, "month"), "review_date": frame.say(date(frame.effective.year + 1, 4, 1)),
            "date_after": frame.say(plus_months(frame.effective, dice.pick((6, 9, 12)))),
        },
        {
            "bonus": (
                "Bonus objectives",
                ["Objectives of {B} for the first full year, as agreed with the {manager} of {A}, and their weight:",
                 table(["Objective", "Weight", "Paid from", "Paid up to"], rows)],
            ),
            "benefits": (
                "Benefits",
                ["{A} provides {B} with these benefits [from {effective_date}|after the Probationary Period]:",
                 table(["Benefit", "Extent"], dice.some(benefits, dice.between(4, 6)), 2)],
            ),
        },
    )  # fmt: skip


def _loan(draft: Draft, frame: Frame) -> Deal:
    dice, money = draft.dice, draft.money
    gap = dice.pick((3, 6))
    count = frame.years * 12 // gap - (dice.between(0, 2) if gap == 3 else 0)
    principal = count * dice.between(20_000, 240_000, 1_000)
    first = plus_months(frame.effective, frame.years * 12 - (count - 1) * gap)
    due = [plus_months(first, number * gap) for number in range(count)]
    rows = [
        [
            str(number + 1),
            frame.say(day),
            money(principal // count),
            money(principal - principal // count * (number + 1)),
        ]
        for number, day in enumerate(due)
    ]
    papers = dice.some(draft.values["documents"], dice.between(6, 9))
    numbered = [
        [str(number), paper[0].upper() + paper[1:], frame.say(frame.effective - timedelta(days=dice.between(1, 28)))]
        for number, paper in enumerate(papers, 1)
    ]
    leverage = dice.pick((125, 150, 175, 200))
    return Deal(
        {
            "principal": money(principal), "instalments": f"{in_words(count)} equal", "final_due": frame.say(due[-1]),
            "first_due": frame.say(plus_months(frame.effective, gap)), "interest_period": draft.count(gap, "month"),
            "margin": f"{dice.between(150, 475, 5) / 100:.2f}%", "fixed_rate": f"{dice.between(425, 890, 5) / 100:.2f}%",
            "draw_end": frame.say(plus_months(frame.effective, 3)), "lev_div": f"{leverage / 100:.2f}",
            "min_draw": money(max(principal // 10 // 10_000, 1) * 10_000),
            "arrangement_fee": money(principal * dice.between(50, 175, 5) // 10_000),
            "min_liquidity": money(max(principal // 20 // 5_000, 1) * 5_000), "guarantee": money(principal),
            "review_date": frame.say(plus_months(frame.effective, 12 * (frame.years // 2))),
            "accounts_date": frame.say(date(frame.signed.year - 1, 12, 31)),
        },
        {
            "repayment": (
                "Repayment",
                ["{B} repays the Loan to {A} as follows, on the footing that the Facility has been drawn in full:",
                 table(["No.", "Date", "Instalment", "Outstanding after it"], rows, 2)],
            ),
            "conditions": (
                "Conditions precedent",
                ["Documents that {B} provides to {A} before the first drawing:",
                 table(["No.", "Document", "Not older than"], numbered, 3)],
            ),
        },
    )  # fmt: skip


def _distribution(draft: Draft, frame: Frame) -> Deal:
    dice, money = draft.dice, draft.money
    discount = dice.between(20, 45)
    rows = []
    for number in range(dice.between(4, 7)):
        price = dice.between(150, 9_800, 50)
        model = f"{draft.value('brand')} {dice.between(1, 9) * 100 + number * 10}"
        rows.append(
            [
                model,
                money(price),
                f"{discount}%",
                f"{money(price * (100 - discount) // 100)}.{price * (100 - discount) % 100:02d}",
            ]
        )
    amount, targets = dice.between(200_000, 1_800_000, 20_000), []
    for number in range(frame.years):
        targets.append([f"Contract Year {number + 1}", money(amount)])
        amount += amount * dice.between(4, 14) // 100 // 5_000 * 5_000
    longer = {"twelve": 18, "eighteen": 24, "twenty-four": 30, "thirty-six": 42}
    warranty = draft.value("warranty")
    months = next((extra for word, extra in longer.items() if warranty.startswith(word)), 0)
    return Deal(
        {
            "discount": f"{discount}%", "credit_limit": money(dice.between(40_000, 600_000, 10_000)),
            "delivery_place": draft.value("A_city"), "incoterm": dice.pick(("EXW", "FCA")),
            "warranty_long": draft.count(months or int(warranty.split()[0]) + 6, "month"),
            "cap_amount": money(dice.between(400_000, 4_000_000, 100_000)),
        },
        {
            "products": (
                "Products and prices",
                ["Products that {A} sells to {B} under the mark {brand}, with the prices on {effective_date}:",
                 table(["Model", "List price", "Discount", "Price"], rows)],
            ),
            "targets": (
                "Minimum purchases",
                ["The least value of Products, at the Price, that {B} buys from {A}:", table(["Period", "Amount"], targets)],
            ),
        },
    )  # fmt: skip


def _saas(draft: Draft, frame: Frame) -> Deal:
    dice, money = draft.dice, draft.money
    plans = [
        (plan, dice.between(20, 900, 10), dice.between(low, high, 12))
        for plan, low, high in (("Full", 300, 720), ("Standard", 144, 288), ("Read-only", 36, 96))
    ]
    rows = [[plan, f"{seats:,}", money(price), money(seats * price)] for plan, seats, price in plans]
    total, seats = sum(seats * price for _, seats, price in plans), sum(seats for _, seats, _ in plans)
    rows.append(["Total", f"{seats:,}", "", money(total)])
    uptime = draft.value("uptime")
    month = total // 12
    bands = [
        [f"below {uptime}% but at least 99.0%", "5%", money(month * 5 // 100)],
        ["below 99.0% but at least 97.0%", "10%", money(month * 10 // 100)],
        ["below 97.0%", "25%", money(month * 25 // 100)],
    ]
    golive = plus_months(frame.effective, dice.pick((2, 3, 4)))
    return Deal(
        {
            "total_fee": money(total), "seats": f"{seats:,}", "seat_price": money(plans[1][2]),
            "setup_fee": money(dice.between(6_000, 90_000, 500)), "golive": frame.say(golive),
            "data_date": frame.say(golive - timedelta(days=dice.between(21, 42))),
            "cap_amount": money(dice.between(250_000, 3_000_000, 50_000)),
        },
        {
            "subscription": (
                "Subscription",
                ["{B} subscribes to {software_name} of {A} for these Authorised Users; fees are for a year:",
                 table(["Plan", "Users", "Fee a user", "Fee"], rows)],
            ),
            "service-levels": (
                "Service levels",
                ["Credits of {A} to {B} for a month, as a share of that month's Subscription Fees and, at the fees agreed "
                 "now, in money:", table(["Availability in the month", "Share", "Credit"], bands),
                 "{A} answers and resolves the requests of {B} within these times:", _support_table(draft)],
            ),
        },
    )  # fmt: skip


def _asset_sale(draft: Draft, frame: Frame) -> Deal:
    dice, money = draft.dice, draft.money
    price = dice.between(1_200_000, 24_000_000, 50_000)
    names = ["Goodwill", "Plant and machinery", "Vehicles", "Stock", "Contracts and records"]
    parts = _shares(draft, price, len(names), 1_000)
    rows = [[name, money(part)] for name, part in zip(names, parts, strict=True)] + [["Purchase Price", money(price)]]
    deposit, retained = price // 20, price * dice.pick((10, 12, 15)) // 100
    agreements = []
    for _ in range(dice.between(6, 11)):
        what = dice.pick(
            ("supply", "maintenance", "customer contract", "equipment lease", "waste disposal", "software licence")
        )
        day = frame.signed - timedelta(days=dice.between(120, 2_600))
        agreements.append(
            [_company(draft), what, frame.say(day), month_of(plus_months(frame.effective, dice.between(5, 50)))]
        )
    return Deal(
        {
            "price": money(price), "deposit": money(deposit), "retained": money(retained),
            "at_completion": money(price - deposit - retained), "stock_value": money(parts[3]),
            "target": money(price // 4 // 10_000 * 10_000), "earnout": money(price // 8 // 10_000 * 10_000),
            "de_minimis": money(dice.between(2_000, 15_000, 500)), "basket": money(max(price // 100 // 5_000, 4) * 5_000),
            "claims_cap": money(price * dice.pick((20, 25, 30, 50, 100)) // 100),
            "longstop_date": frame.say(plus_months(frame.effective, dice.pick((2, 3, 4)))),
            "accounts_date": frame.say(date(frame.signed.year - 1, 12, 31)),
        },
        {
            "allocation": (
                "Apportionment of the Purchase Price",
                ["{A} and {B} apportion the Purchase Price of {price} as follows:", table(["Assets", "Amount"], rows)],
            ),
            "contracts": (
                "Contracts",
                ["Agreements of {A} that pass to {B}:", table(["Other party", "Subject", "Dated", "Runs until"], agreements, 4)],
            ),
        },
    )  # fmt: skip


DEALS: dict[str, Callable[[Draft, Frame], Deal]] = {
    "msa": _msa, "supply": _supply, "lease": _lease, "licence": _licence, "nda": _nda, "employment": _employment,
    "loan": _loan, "distribution": _distribution, "saas": _saas, "asset-sale": _asset_sale,
}  # fmt: skip
"""Kind of contract → what is agreed."""

YEARS = {
    "msa": (2, 3, 4, 5), "supply": (2, 3, 5, 7), "lease": (3, 5, 7, 10, 12), "licence": (2, 3, 5), "nda": (2, 3),
    "employment": (1,), "loan": (3, 4, 5, 7), "distribution": (2, 3, 4, 5), "saas": (1, 2, 3), "asset-sale": (1,),
}  # fmt: skip
"""Kind of contract → terms in years."""
