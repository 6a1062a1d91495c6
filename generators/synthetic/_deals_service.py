"""Deals for work, software, employment and secrets.

What a function here returns is consistent by construction: instalments add up to the principal, a year's rent is
twelve months' rent, the parts of a price add up to the price.
"""

from __future__ import annotations

from datetime import date, timedelta

from ._deal import Deal, Frame, Maker, plus_months, shares
from ._grammar import Draft
from ._names import person
from ._prose import table


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
         "Working capital", "Staff turnover", "Completion of the systems project", "Growth in sales", "Audits closed"],
        dice.between(4, 5),
    )  # fmt: skip
    weights = shares(draft, 100, len(goals), 5)
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
                ["Credits of {A} to {B} for a month, as a share of that month's Subscription Fees and, at the fees "
                 "agreed now, in money:", table(["Availability in the month", "Share", "Credit"], bands),
                 "{A} answers and resolves the requests of {B} within these times:", _support_table(draft)],
            ),
        },
    )  # fmt: skip


DEALS: dict[str, Maker] = {
    "msa": _msa,
    "licence": _licence,
    "nda": _nda,
    "employment": _employment,
    "saas": _saas,
}
"""Kind of contract → what is agreed."""
