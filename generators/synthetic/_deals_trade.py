"""Deals for goods, premises, money and businesses.

What a function here returns is consistent by construction: instalments add up to the principal, a year's rent is
twelve months' rent, the parts of a price add up to the price.
"""

from __future__ import annotations

from datetime import date, timedelta

from ._deal import Deal, Frame, Maker, plus_months, shares
from ._grammar import Draft
from ._names import any_stem, month_of, trade
from ._prose import in_words, table


def _company(draft: Draft) -> str:
    return f"{any_stem(draft.dice)} {trade(draft.dice)}"


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
    seller_ends_there = draft.value("incoterm") in ("EXW", "FCA")
    place = draft.write("{A}'s works in {A_city}" if seller_ends_there else "{B}'s warehouse in {B_city}")
    years = [
        [f"Contract Year {number + 1}", f"from {frame.say(plus_months(frame.effective, 12 * number))}",
         f"{volume + number * (volume // 20_000) * 1_000:,} pieces"]
        for number in range(frame.years)
    ]  # fmt: skip
    return Deal(
        {
            "review_date": frame.say(plus_months(frame.effective, 12)), "delivery_to": place,
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
                ["The least quantity of Goods that {B} orders from {A} in a Contract Year, all part numbers together:",
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
    sign, last_day = dice.pick((2, 3, 4, 6)), timedelta(days=1)
    pounds, weight = dice.pick((100, 125, 150, 200, 250)), dice.pick((5, 8, 10, 15, 20, 25, 30))
    load = f"{pounds} pounds a square foot" if frame.american else f"{weight} kilonewtons a square metre"
    rooms = {"Main area": area * 7 // 10, "Offices": offices, "Stores": stores}
    rooms["Kitchen and sanitary rooms"] = area - sum(rooms.values())
    parts = [[name, f"{size:,}"] for name, size in (rooms | {"Total": area}).items()]
    return Deal(
        {
            "area": f"{area:,}", "site": f"{area * dice.between(13, 42) // 500 * 50:,}", "floor_load": load,
            "sign_size": f"{sign * 10} square feet" if feet else f"{sign} square metres",
            "first_rent": money(rent), "deposit": money(rent // 12 * deposit),
            "break_date": frame.say(plus_months(frame.effective, 12 * max(2, frame.years * 3 // 5)) - last_day),
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
            "margin": f"{dice.between(150, 475, 5) / 100:.2f}%",
            "fixed_rate": f"{dice.between(425, 890, 5) / 100:.2f}%",
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
                ["The least value of Products, at the Price, that {B} buys from {A}:",
                 table(["Period", "Amount"], targets)],
            ),
        },
    )  # fmt: skip


def _asset_sale(draft: Draft, frame: Frame) -> Deal:
    dice, money = draft.dice, draft.money
    price = dice.between(1_200_000, 24_000_000, 50_000)
    names = ["Goodwill", "Plant and machinery", "Vehicles", "Stock", "Contracts and records"]
    parts = shares(draft, price, len(names), 1_000)
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
            "de_minimis": money(dice.between(2_000, 15_000, 500)),
            "basket": money(max(price // 100 // 5_000, 4) * 5_000),
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
                ["Agreements of {A} that pass to {B}:",
                 table(["Other party", "Subject", "Dated", "Runs until"], agreements, 4)],
            ),
        },
    )  # fmt: skip


DEALS: dict[str, Maker] = {
    "supply": _supply,
    "lease": _lease,
    "loan": _loan,
    "distribution": _distribution,
    "asset-sale": _asset_sale,
}
"""Kind of contract → what is agreed."""
