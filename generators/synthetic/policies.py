"""Coverage policies of a health plan: criteria, dosing by indication and weight, authorization, codes, revisions.

Therapeutic areas stand in ``text/policies-areas.toml``, the wording in ``text/policies.toml``; doses and quantities
are computed in ``_dosing.py``. Products are invented, and no two policies of a seed are about the same one.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from longctx.types import Document

from ._dice import Dice
from ._dosing import RULES, Rule, trial
from ._grammar import Draft, texts
from ._names import brand, person, stem, substance, written
from ._prose import joined, paragraphs, slug, table
from ._spelling import american

FORMAT = "markdown"

_STEPS = (
    "one of the following, as far as any is listed for the indication,",
    "two of the following, or of the only one that is listed for the indication,",
)


def make(index: int, seed: int) -> Document:
    """Policy number ``index`` of the seed: the same bytes whenever and wherever it is made."""
    policy = _Policy(index, seed)
    text = american(paragraphs(list(policy.parts()))).replace("Business Day", "business day")
    return Document(f"policy-{index:04d}-{slug(policy.draft.value('drug'))}.md", text, FORMAT)


class _Policy:
    """One policy in the making."""

    def __init__(self, index: int, seed: int) -> None:
        areas = texts("policies-areas")["area"]
        self.area: dict[str, Any] = areas[index % len(areas)]
        self.text = texts("policies")
        self.dice = dice = Dice(f"policies:{seed}:{index}:frame")
        self.service = bool(self.area.get("service"))
        name = brand(index, f"policies:{seed}") + (f" {self.area['suffix'].removeprefix('p')}" if self.service else "")
        self.claims: dict[str, str] = self.text["claims"][self.area["dosing"]]
        self.drug = name.replace(" rogram", " Program")
        self.indications = dice.some(self.area["indication"], 1 if self.area.get("single") else dice.between(1, 3))
        self.age = dice.pick(self.area.get("ages", (18,)))
        self.rules = self._rules()
        values = {**self.text["values"], **{key: value for key, value in self.area.items() if key != "indication"}}
        self.draft = Draft(f"policies:{seed}:{index}", values)
        self.number = f"{'MED' if self.service else 'PHA'}-{1_000 + 3 * index + dice.below(3)}"
        self.draft.slots.update(self._names(seed))
        self._dates()
        # A gap or limit that is named twice is the same one: the lists are written once.
        for listed in ("contraindications", "cautions"):
            values[listed] = [self.draft.write(item) for item in self.area[listed]]
        self.draft.slots.update({f"n_{name}": str(place) for place, name in enumerate(self.text["sections"], 1)})

    def _rules(self) -> list[tuple[str, Rule]]:
        """What is dosed how: infusions and injections by indication, all else alike for all of them."""
        dosing, names = self.area["dosing"], [indication["name"] for indication in self.indications]
        draw, sizes = RULES["adults" if dosing == "injection" and self.age == 18 else dosing]
        size = self.dice.pick(sizes)
        separate = names if dosing in ("infusion", "injection") else [joined(names)]
        return [(name, draw(self.dice, f"{self.drug} for {name}", size)) for name in separate]

    def _names(self, seed: int) -> dict[str, str]:
        dice, area = self.dice, self.area
        payer = stem(0, f"policies:{seed}:payer")
        model = area.get("generic", f"model {dice.pick('ABCDEFGHKLM')}{dice.between(10, 99)}")
        generic = model if self.service else substance(dice, area["suffix"])
        months = dice.pick(area["months"])
        by_hand = area["dosing"] in ("infusion", "units") or self.service
        rules = [rule for _, rule in self.rules]
        return {
            "drug": self.drug, "generic": generic, "payer": f"{payer} Health Plan", "specialist": area["specialist"],
            "age": str(self.age), "extension": str(dice.between(2_000, 7_999)),
            "benefit": "medical" if by_hand else "pharmacy", "hcpcs": self.claims["billed"],
            "ndc": f"9{dice.between(1000, 9999)}-{dice.between(100, 999):04d}-{dice.between(1, 20):02d}",
            "initial_months": self.draft.count(months, "month"), "continuation_months": self.draft.count(12, "month"),
            "presentation": joined(sorted({rule.presentation for rule in rules})),
            "control": "usual care" if self.service else dice.pick(("placebo", "placebo", "the comparator")),
            "committee": f"{payer} {'Medical Policy' if self.service else 'Pharmacy and Therapeutics'} Committee",
            "pharmacy": f"{stem(dice.below(4_000), 'pharmacy')} Pharmacy",
            "pharmacy2": f"{stem(4_000 + dice.below(4_000), 'pharmacy')} Pharmacy",
            "step_count": dice.pick(_STEPS), "unit_size": rules[0].unit,
            "max_units": f"{max(rule.most_units for rule in rules):,}",
            "min_days": min((rule.slots["min_days"] for rule in rules), key=int),
            "waste_rule": self.text["values"]["discarded" if area["dosing"] in ("infusion", "units") else "partial"],
        }  # fmt: skip

    def _dates(self) -> None:
        dice = self.dice
        self.effective = date(dice.between(2019, 2025), dice.between(1, 12), 1)
        self.versions = [self.effective]
        for _ in range(dice.between(3, 6)):
            self.versions.insert(0, self.versions[0] - timedelta(days=dice.between(110, 420)))
        self.draft.slots.update({
            "effective": written(self.effective, True),
            "next_review": written(self.effective.replace(year=self.effective.year + 1), True),
            "committee_date": written(self.effective - timedelta(days=dice.between(20, 70)), True),
            "covered_since": str(self.versions[0].year),
            "approval_year": str(self.versions[0].year - dice.between(0, 2)),
        })  # fmt: skip

    def parts(self) -> Iterator[str]:
        """The policy from its title to the revision history."""
        kind = "Coverage Policy" if not self.service else "Medical Policy"
        yield self.draft.write(f"# {kind} {self.number}: {{drug}} ({{generic}})")
        rows = [
            ["Policy number", self.number], ["Product", self.draft.write("{drug} ({generic})")],
            ["Area", self.area["name"][0].upper() + self.area["name"][1:]], ["Benefit", self.draft.value("benefit")],
            ["Effective", self.draft.value("effective")], ["Version", str(len(self.versions))],
            ["Next review", self.draft.value("next_review")], ["Owner", self.draft.value("committee")],
            ["Contact", self.draft.write(f"{person(self.dice)}, extension {{extension}}")],
        ]  # fmt: skip
        yield table(["", ""], rows, 2)
        for number, (name, title) in enumerate(self.text["sections"].items(), 1):
            shown = "Facilities and staff" if name == "step" and self.area["dosing"] == "visits" else title
            yield f"## {number}. {shown}"
            yield from getattr(self, f"_{name}")(number)

    def _said(self, number: int, section: str, names: list[str], start: int = 1) -> Iterator[str]:
        """Numbered paragraphs of a section, each with its lettered items."""
        for place, name in enumerate(names, start):
            yield from self.draft.listing(f"{number}.{place} ", self.text[section][name])

    def _scope(self, number: int) -> Iterator[str]:
        yield from self._said(
            number,
            "scope",
            ["Purpose", "Benefit service" if self.service else "Benefit", "Responsibilities", "Not medical advice"],
        )

    def _definitions(self, number: int) -> Iterator[str]:
        yield f"{number}.1 In this policy:"
        unused = {"Preferred product", "Adequate trial"} if self.service else set()
        for term, wordings in sorted(self.text["definitions"].items()):
            if term not in unused:
                yield f'"{term}" means {self.draft.say(wordings)}.'

    def _background(self, number: int) -> Iterator[str]:
        yield from self._said(number, "background", ["Service" if self.service else "Mechanism"])
        for place, indication in enumerate(self.indications, 2):
            self.draft.slots.update({"ind": indication["name"], **trial(self.dice)})
            yield from self._said(number, "background", ["Evidence"], place)
        yield from self._said(number, "background", ["Guideline"], len(self.indications) + 2)

    def _criteria(self, number: int) -> Iterator[str]:
        for place, indication in enumerate(self.indications, 1):
            self.draft.slots.update({
                "ind": indication["name"], "severity": self.draft.write(indication["severity"]),
                "prior": self._prior(indication["prior"]), "response": self.draft.write(indication["response"]),
            })  # fmt: skip
            name, form = indication["name"], "tablets_item" if self.area["dosing"] == "oral" else "weight_item"
            self.draft.slots["form_item"] = self.draft.new(form)
            yield f"### {number}.{place} {name[0].upper() + name[1:]}"
            said = self.text["criteria"]
            yield from self.draft.listing("", said["Lead service" if self.service else "Lead"])
            titles = ["Duration", "Continuation", "Exchange"] if self.dice.chance(0.5) else ["Duration", "Continuation"]
            for title in titles[:1] if self.area["dosing"] == "visits" else titles:
                yield self.draft.say(said[title])

    def _prior(self, listed: list[str]) -> str:
        said = [self.draft.write(item) for item in listed]
        if any(item.startswith("none") for item in said):
            return f"as to earlier treatment, {self.drug} requires {' or '.join(said)}"
        if self.service:
            return f"before the order for {self.drug} there was {joined(said)}"
        numbered = "; ".join(f"({place}) {item}" for place, item in enumerate(said, 1))
        lead = f"an adequate trial has failed, or is contraindicated as the request for {self.drug} explains, of"
        return f"{lead} {numbered}" if len(said) > 1 else f"{lead} {said[0]}"

    def _dosing(self, number: int) -> Iterator[str]:
        draft, place = self.draft, 0
        for name, rule in self.rules:
            draft.slots.update({**rule.slots, "ind": name, "ind_cap": name[0].upper() + name[1:]})
            place += 1
            yield from self._said(number, "limits", [rule.wording], place)
            yield rule.table
            if rule.wording in ("Infusion", "Units"):
                place += 1
                yield from self._said(number, "limits", ["Rounding"], place)
        also = [name for name in self.rules[0][1].also if name != "Rounding"]
        yield from self._said(number, "limits", also, place + 1)

    def _monitoring(self, number: int) -> Iterator[str]:
        draft, dice, area = self.draft, self.dice, self.area
        for name, least in (("contraindications", 3), ("cautions", 2), ("monitoring", 3)):
            listed = draft.values[name] if name != "monitoring" else area[name]
            chosen = dice.some(listed, dice.between(least, len(listed)))
            if name == "contraindications":
                draft.slots["contraindication"] = dice.pick(chosen)
            draft.slots[name] = "; ".join(draft.write(item) for item in chosen)
        names = ["Contraindications", "Cautions", "Monitoring"]
        yield from self._said(number, "safety", names if self.service else [*names, "Stopping"])

    def _step(self, number: int) -> Iterator[str]:
        dice = self.dice
        if self.area["dosing"] == "visits":
            yield from self._said(number, "facility", ["Lead", "Staff"])
            return
        yield from self._said(number, "step", ["Lead", "Exemption"])
        rows = []
        for _ in range(dice.between(3, 5)):
            other = brand(dice.below(16_000), "preferred")
            kind = (
                f"model {dice.pick('NPRSTUVW')}{dice.between(10, 99)}"
                if self.service
                else substance(dice, self.area["suffix"])
            )
            rows.append(
                [f"{other} ({kind})", dice.pick(self.indications)["name"], f"{dice.pick((8, 12, 14, 16, 24))} weeks"]
            )
        yield table(["Preferred product", "For", "Least time of trial"], rows, 3)

    def _procedure(self, number: int) -> Iterator[str]:
        names = ["Request", "Time limits"]
        if self.area["dosing"] in ("infusion", "units"):
            names.append("Site of care")
        elif not self.service:
            names.append("Dispensing")
        yield from self._said(
            number, "procedure", [*names, "Retrospective review", "Notice of decision", "Peer review"]
        )

    def _coding(self, number: int) -> Iterator[str]:
        yield from self._said(number, "coding", ["Claims", "Units"])
        billed, listed = self.claims["billed"], {code: text for code, text in self.claims.items() if code != "billed"}
        rows = [[billed, listed.pop(billed, f"Code under which {self.drug} is billed")]]
        rows += [[code, text] for code, text in listed.items()]
        diagnoses = {key: text for indication in self.indications for key, text in indication["codes"].items()}
        rows += [[key, text] for key, text in sorted(diagnoses.items())]
        yield table(["Code", f"Meaning in claims for {self.drug}"], rows, 2)

    def _exceptions(self, number: int) -> Iterator[str]:
        yield from self._said(number, "exceptions", ["Off-label", "Appeals", "Continuity"])

    def _exclusions(self, number: int) -> Iterator[str]:
        yield from self._said(number, "exclusions", ["List"])

    def _history(self, number: int) -> Iterator[str]:
        draft, dice = self.draft, self.dice
        yield from self._said(number, "history", ["Lead"])
        changes = dice.shuffled(self.text["history"]["Changes"])
        rows = [["1", written(self.versions[0], True), draft.write("First issue of the policy on {drug}")]]
        for version, day in enumerate(self.versions[1:], 2):
            rows.append([str(version), written(day, True), draft.write(changes[version - 2])])
        yield table(["Version", "Effective", "Change"], rows, 3)
