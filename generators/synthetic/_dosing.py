"""Doses, vials, pens, tablets and billing units of coverage policies, computed so that text and tables agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ._dice import Dice
from ._prose import in_words, table


@dataclass
class Rule:
    """What a policy says about quantities: values for slots, the table, and which wordings apply."""

    wording: str
    slots: dict[str, str]
    table: str
    presentation: str
    unit: str  # one billing unit
    most_units: int  # billing units of the largest dose or monthly supply
    also: tuple[str, ...] = ()  # further wordings of the section on limits


def _doses(loading: tuple[int, ...], interval: int) -> tuple[int, int]:
    """Administrations in the first 52 weeks, and in each year after that."""
    later = range(loading[-1] + interval, 52, interval)
    return len(loading) + len(later), -(-52 // interval)


def _bands(first: int, width: int, count: int) -> list[tuple[str, int]]:
    """Weight bands with the heaviest weight of each."""
    tops = [first + width * place for place in range(count)]
    names = [f"up to {tops[0]} kg", *(f"over {low} to {high} kg" for low, high in zip(tops, tops[1:], strict=False))]
    return list(zip(names, tops, strict=True))


def _example(dice: Dice, per_kg: int, vial: int, unit: str, heaviest: int) -> dict[str, str]:
    """A worked example: the dose for a weight, rounded to whole vials where the rule of the policy allows it."""
    tolerance, weight = dice.pick((5, 10)), dice.between(31, heaviest)
    need = weight * per_kg
    nearest = (need + vial // 2) // vial
    if 100 * abs(nearest * vial - need) <= tolerance * need:
        count, given = nearest, nearest * vial
        result = f"which {'is' if given == need else f'is rounded to {given:,} {unit} and makes'}"
    else:
        count = -(-need // vial)
        result = "for which the plan pays"
    vials = f"{count} vial{'' if count == 1 else 's'} of {vial} {unit}"
    waste = count * vial - need
    tail = f"; {waste} {unit} are discarded and billed with modifier JW" if result.startswith("for") else ""
    return {
        "round_share": str(tolerance), "example_weight": str(weight), "example_dose": f"{need:,} {unit}",
        "example_result": f"{result} {vials}{tail}",
    }  # fmt: skip


def _infusion(dice: Dice, use: str, vial: int) -> Rule:
    per_kg = dice.pick([dose for dose in (2, 3, 4, 5, 6, 8, 10) if vial % dose == 0 and 10 <= vial // dose <= 40])
    width = vial // per_kg
    loading, interval = dice.pick((((0, 2, 6), 8), ((0, 2, 4), 4), ((0, 4), 8), ((0, 2), 4), ((0, 4), 12)))
    first, later = _doses(loading, interval)
    bands = _bands(40 if 40 % width == 0 else width, width, max(100 // width, 4))
    rows = [
        [name, f"{top * per_kg} mg", str(-(-top * per_kg // vial)), f"{-(-top * per_kg // vial) * vial * first:,}"]
        for name, top in bands
    ]
    top = bands[-1][1]
    return Rule(
        "Infusion",
        {
            "dose": f"{per_kg} mg per kilogram", "loading": ", ".join(map(str, loading[:-1])) + f" and {loading[-1]}",
            "interval": str(interval), "max_dose": f"{top * per_kg:,}", "max_weight": str(top),
            "doses_first": str(first),
            "doses_later": str(later), "missed": "half the interval has", "min_days": str(interval * 7 - 7),
            **_example(dice, per_kg, vial, "mg", top - 1),
        },
        table(["Weight", f"Largest dose of {use}", f"Vials of {vial} mg", "Billing units in 12 months"], rows),
        f"a single-dose vial of {vial} mg of powder for infusion",
        "1 mg",
        -(-top * per_kg // vial) * vial,
        ("Rounding", "Change of weight", "Missed dose", "Dose increase"),
    )  # fmt: skip


def _units(dice: Dice, use: str, vial: int) -> Rule:
    per_kg = dice.pick((15, 20, 30) if vial < 300 else (30, 40, 45, 60))
    rows = []
    for low in range(10, 110, 10):
        vials = -(-(low + 10) * per_kg // vial)
        rows.append(
            [
                f"over {low} to {low + 10} kg",
                f"{(low + 10) * per_kg:,} units",
                str(vials),
                f"{vials * vial // 10 * 26:,}",
            ]
        )
    return Rule(
        "Units",
        {
            "dose": str(per_kg), "interval": "2", "vial": str(vial), "doses_later": "26", "missed": "7 days have",
            "min_days": "10", **_example(dice, per_kg, vial, "units", 104),
        },
        table(["Weight", f"Largest dose of {use}", f"Vials of {vial} units", "Billing units in 12 months"], rows),
        f"a single-dose vial of {vial} units",
        "10 units",
        -(-110 * per_kg // vial) * vial // 10,
        ("Rounding", "Change of weight", "Late dose"),
    )  # fmt: skip


def _injection(dice: Dice, use: str, pen: int) -> Rule:
    interval, start = dice.pick((2, 4, 4)), dice.pick((1, 2, 2))
    per_period = 28 // (interval * 7)
    parts = (pen // 2, pen, pen)
    low = dice.pick((15, 20))
    bands = [f"{low} to under 30 kg", "30 to under 60 kg", "60 kg or more"]
    rows = [
        [
            band,
            f"{part * start} mg",
            f"{part} mg",
            f"every {interval} weeks" if place else f"every {interval * 2} weeks",
        ]
        for place, (band, part) in enumerate(zip(bands, parts, strict=True))
    ]
    return Rule(
        "Injection",
        {
            "start_dose": str(pen * start), "dose": str(pen), "interval": str(interval), "pen": str(pen),
            "first_pens": str(start + per_period - 1), "later_pens": str(per_period), "period": "28 days",
            "pens": dice.pick(("pens", "prefilled syringes", "autoinjectors")), "missed": "7 days have",
            "min_days": str(interval * 7 - 4),
        },
        table([f"Weight of members under 18 treated with {use}", "First dose", "Later doses", "Interval"], rows),
        f"prefilled devices of {pen // 2} and {pen} mg for injection under the skin",
        "1 mg",
        pen * start,
        ("Change of weight", "Missed dose", "Dose increase"),
    )  # fmt: skip


def _adults(dice: Dice, use: str, pen: int) -> Rule:
    """Injections of adults alone: twice the dose from 100 kg on."""
    rule = _injection(dice, use, pen)
    start, interval = int(rule.slots["start_dose"]), rule.slots["interval"]
    rows = [
        [band, f"{start * factor} mg", f"{pen * factor} mg", f"every {interval} weeks"]
        for band, factor in (("under 100 kg", 1), ("100 kg or more", 2))
    ]
    head = [f"Weight of adults treated with {use}", "First dose", "Later doses", "Interval"]
    presentation = f"a prefilled device of {pen} mg for injection under the skin"
    return replace(
        rule, wording="Injection adults", table=table(head, rows), presentation=presentation, most_units=start * 2
    )


def _oral(dice: Dice, use: str, dose: int) -> Rule:
    twice = dice.chance(0.4)
    daily = dose * (2 if twice else 1)
    times = "twice" if twice else "once"
    rows = [
        ["60 mL/min or more", f"{dose} mg {times} a day", str(60 if twice else 30)],
        ["30 to 59 mL/min", f"{dose} mg once a day", "30"],
        ["15 to 29 mL/min", f"{dose / 2:g} mg once a day", "30"],
        ["below 15 mL/min or dialysis", "not covered", "0"],
    ]
    if not twice:
        rows[1][1] = f"{dose * 3 // 4 if dose % 4 == 0 else dose / 2:g} mg once a day"
    return Rule(
        "Oral",
        {
            "start_dose": f"{dose / 2:g}", "dose": str(dose), "times": times, "tablets": str(60 if twice else 30),
            "titration": dice.pick(("7 days", "14 days", "4 weeks")), "max_dose": str(daily),
            "hepatic_dose": f"{daily / 2:g}",
            "missed": "6 hours have" if twice else "12 hours have", "min_days": "22",
        },
        table([f"Creatinine clearance of members on {use}", "Dose", "Tablets in 30 days"], rows),
        f"film-coated tablets of {dose / 2:g} and {dose} mg",
        "one tablet",
        60 if twice else 30,
        ("Renal", "Late dose"),
    )  # fmt: skip


def _weekly(dice: Dice, use: str, hundredths: int) -> Rule:
    strengths = [hundredths * top // 100 + (hundredths * top % 100 > 0) for top in (15, 25, 35, 50, 70)]
    bands = _bands(15, 10, 3) + [("over 35 to 50 kg", 50), ("over 50 to 70 kg", 70)]
    rows = [
        [name, f"{hundredths * top / 100:.1f} mg", f"{strength} mg", "4"]
        for (name, top), strength in zip(bands, strengths, strict=True)
    ]
    return Rule(
        "Weekly",
        {
            "dose": f"{hundredths / 100:.2f}", "max_dose": str(strengths[-1]), "later_pens": "4",
            "missed": "3 days have",
            "min_days": "21",
        },
        table(["Weight", f"Largest weekly dose of {use}", "Cartridge", "Cartridges in 28 days"], rows),
        "cartridges of " + ", ".join(f"{strength}" for strength in strengths[:-1]) + f" and {strengths[-1]} mg",
        "1 mg",
        strengths[-1] * 4,
        ("Change of weight", "Late dose"),
    )  # fmt: skip


def _supplies(dice: Dice, use: str, wear: int) -> Rule:
    count, years = -(-30 // wear), dice.pick((3, 4, 5))
    rows = [
        ["Disposable units", f"{count} in 30 days", f"{count * 12 + 1} a year"],
        ["Receiver or main device", "1", f"every {years} years"],
        ["Adhesive patches", f"{count * 2} in 30 days", f"{count * 24} a year"],
        ["Power supply", "1", f"every {dice.pick((2, 3))} years"],
    ]
    return Rule(
        "Supplies",
        {"sensors": str(count), "wear": str(wear), "device_years": str(years), "min_days": "25"},
        table([f"Item of {use}", "Quantity", "Limit"], rows, 3),
        "the main device and its disposable units",
        "one month's supply",
        1,
    )


def _masks(dice: Dice, use: str, cushions: int) -> Rule:
    filters, years, days = dice.pick((1, 2)), dice.pick((3, 5)), dice.pick((90, 180))
    rows = [
        ["Device", "1", f"every {years} years"],
        ["Cushions or pillows", f"{cushions} in 30 days", f"{cushions * 12} a year"],
        ["Disposable filters", f"{filters} in 30 days", f"{filters * 12} a year"],
        ["Mask, headgear and tube", f"1 each in {days} days", f"{360 // days} a year"],
    ]
    return Rule(
        "Masks",
        {
            "device_years": str(years), "cushions": f"{in_words(cushions)} cushion{'s' * (cushions > 1)}",
            "filters": f"{in_words(filters)} filter{'s' * (filters > 1)}", "mask_days": str(days),
            "min_days": "25",
        },
        table([f"Item of {use}", "Quantity", "Limit"], rows, 3),
        "the device with its mask and tube",
        "one month's rental",
        1,
    )  # fmt: skip


def _visits(dice: Dice, use: str, per_week: int) -> Rule:
    weeks = dice.pick((12, 18, 24, 36))
    visits = per_week * weeks
    rows = [
        [f"Weeks {start + 1} to {start + weeks // 3}", str(per_week), str(per_week * weeks // 3)]
        for start in range(0, weeks, weeks // 3)
    ]
    rows.append(["Total", "", str(visits)])
    return Rule(
        "Visits",
        {
            "visits": str(visits), "span": str(weeks), "per_week": str(per_week), "per_day": dice.pick(("one", "two")),
            "extra": str(visits // dice.pick((2, 3, 4))), "min_days": "1",
        },
        table([f"Phase of {use}", "Sessions a week", "Sessions"], rows),
        "supervised sessions at an approved facility",
        "one session",
        2,
    )  # fmt: skip


RULES: dict[str, tuple[Callable[[Dice, str, int], Rule], tuple[int, ...]]] = {
    "infusion": (_infusion, (40, 60, 80, 100, 120, 150, 160, 200)),
    "injection": (_injection, (80, 100, 120, 140, 160, 200, 300)),
    "adults": (_adults, (70, 75, 100, 120, 140, 150, 225)),
    "oral": (_oral, (5, 10, 20, 40, 80, 100, 200)),
    "units": (_units, (150, 200, 400)),
    "weekly": (_weekly, (16, 20, 24, 66)),
    "supplies": (_supplies, (7, 10, 14, 15)),
    "masks": (_masks, (1, 2, 4)),
    "visits": (_visits, (2, 3)),
}
"""Kind of dosing → how its quantities are drawn, and the sizes in which a product may come (of which it has one)."""


def trial(dice: Dice) -> dict[str, Any]:
    """Figures of a two-armed trial: numbers of people, of responders, and their shares."""
    arms = [dice.between(90, 420), dice.between(90, 420)]
    tenths = [dice.between(420, 790), dice.between(90, 380)]
    hits = [arm * share // 1000 for arm, share in zip(arms, tenths, strict=True)]
    shares = [(hit * 2000 // arm + 1) // 2 for hit, arm in zip(hits, arms, strict=True)]
    gap = shares[0] - shares[1]
    return {
        "trial_n": str(sum(arms)), "trial_drug_n": str(arms[0]), "trial_control_n": str(arms[1]),
        "trial_drug": str(hits[0]), "trial_control": str(hits[1]),
        "trial_drug_share": f"{shares[0] // 10}.{shares[0] % 10}%",
        "trial_control_share": f"{shares[1] // 10}.{shares[1] % 10}%",
        "trial_gap": f"{gap // 10}.{gap % 10}", "trial_weeks": str(dice.pick((12, 16, 24, 26, 48, 52))),
    }  # fmt: skip
