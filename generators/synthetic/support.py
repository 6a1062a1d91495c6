"""Ticket histories of a vendor's support desk: report, questions, logs, wrong tracks, cause, correction, follow-up.

The cases stand in ``text/support.toml``. One clock runs through a ticket: each entry is later than the one before,
log lines and times of day that an entry mentions lie before it, and what is announced happens afterwards. A number
that is mentioned again is the same number.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from longctx.types import Document

from ._dice import Dice
from ._grammar import Draft, texts
from ._names import any_stem, person, stem, trade
from ._prose import paragraphs, slug, table

FORMAT = "markdown"

_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_RESPONSE = {"P1": (6, 28), "P2": (25, 110), "P3": (90, 470)}  # minutes to the first answer
_PROMISED = {"P1": "30 minutes", "P2": "2 hours", "P3": "8 hours"}
_MEANING = {"P1": "critical", "P2": "high", "P3": "normal"}


def make(index: int, seed: int) -> Document:
    """Ticket number ``index`` of the seed: the same bytes whenever and wherever it is made."""
    ticket = _Ticket(index, seed)
    text = paragraphs(ticket.parts())
    return Document(f"ticket-{index:04d}-{slug(ticket.number)}-{slug(ticket.draft.value('cust'))}.md", text, FORMAT)


class _Ticket:
    """One ticket in the making, with the clock that its entries move on."""

    def __init__(self, index: int, seed: int) -> None:
        text = texts("support")
        self.dice = dice = Dice(f"support:{seed}:{index}:frame")
        cases = [(product, case) for product in text["product"] for case in product["case"]]
        self.product, self.case = cases[(index * 7 + index // len(cases)) % len(cases)]
        self.talk: dict[str, list[str]] = text["talk"]
        self.priority = dice.pick(("P1", "P2", "P2", "P3"))
        self.number = f"{self.product['name'][:2].upper()}-{20_000 + 13 * index + dice.below(13)}"
        self.now = datetime(2019, 1, 7, 7, 30) + timedelta(days=dice.below(2_200), minutes=dice.below(480))
        self._to_office()
        self.created = self.now
        self.entries: list[str] = []
        self.draft = Draft(f"support:{seed}:{index}", {**text["values"], **self.talk}, steady=True)
        self.draft.slots.update(self._people(index, seed))
        self.draft.slots.update(self._machines())
        self.draft.slots.update(self._times())
        for name, said in self.case.items():
            if name not in ("log", "nightly"):
                self.draft.settle(str(said))

    def _people(self, index: int, seed: int) -> dict[str, str | Callable[[], str]]:
        dice = self.dice
        short = stem(index, f"support:{seed}")
        names = {
            name: person(dice)
            for name in ("reporter", "admin", "manager_c", "agent", "engineer", "lead", "night", "colleague")
        }
        return {
            **names, "cust": short, "customer": f"{short} {trade(dice)}",
            "reporter_first": names["reporter"].split()[0],
            "company": lambda: f"{any_stem(self.draft.dice)} {trade(self.draft.dice)}", "product": self.product["name"],
        }  # fmt: skip

    def _machines(self) -> dict[str, str | Callable[[], str]]:
        dice, draw = self.dice, self.draft.dice
        short = slug(self.draft.value("cust"))[:6]
        first, second = dice.pick(self.product["roles"]), dice.pick(self.product["roles"])
        number = dice.between(1, 60)
        major, minor, patch = dice.between(3, 12), dice.between(1, 9), dice.between(0, 7)
        mtu = dice.between(1_480, 1_492)
        return {
            "mtu": str(mtu), "mss": str(mtu - 40),
            "host": f"{short}-{first}{number:02d}", "host2": f"{short}-{second}{number + dice.between(1, 9):02d}",
            "ver": f"{major}.{minor}.{patch}", "prev": f"{major}.{minor - 1}.{dice.between(2, 9)}",
            "fixed": f"{major}.{minor}.{patch + dice.between(1, 3)}", "next": f"{major}.{minor + 1}",
            "build": str(dice.between(41_000, 89_000)), "kb": f"KB-{dice.between(10_400, 48_900)}",
            "related": f"{self.number[:3]}{int(self.number[3:]) - dice.between(30, 900)}",
            "change_id": f"CHG{dice.between(100_000, 990_000)}", "app": f"{any_stem(dice).lower()}.example",
            "pid": str(dice.between(700, 31_000)), "hex": f"{dice.between(16**7, 16**8 - 1):x}",
            "job": str(dice.between(2_000, 9_900)), "site_number": str(dice.between(10, 99)),
            "hex2": f"{dice.between(16**7, 16**8 - 1):x}", "user": f"u{dice.between(1_000, 99_000)}",
            "ip": f"198.51.100.{dice.between(2, 250)}",
            "lan": lambda: f"10.{draw.between(8, 60)}.{draw.below(250)}.{draw.between(2, 250)}",
        }  # fmt: skip

    def _times(self) -> dict[str, str | Callable[[], str]]:
        dice, draw = self.dice, self.draft.dice
        past = self.created - timedelta(days=dice.between(1, 3))

        def just_before() -> str:
            return f"{self.now - timedelta(minutes=draw.between(4, 55)):%H:%M}"

        return {
            "time": just_before, "night_time": f"0{dice.between(1, 3)}:{dice.between(10, 55)}",
            "morning_time": f"0{dice.between(5, 6)}:{dice.between(10, 45)}",
            "odd_time": f"{self.created - timedelta(minutes=dice.between(30, 240)):%H:%M}",
            "later_time": lambda: f"{self.now + timedelta(minutes=draw.between(50, 170)):%H}:30",
            "next_time": lambda: self._soon(90, 300), "reply_by": lambda: self._soon(60, 200),
            "part_of_day": lambda: "Good morning" if self.now.hour < 12 else "Good afternoon",
            "closes_in": str(dice.between(5, 10)), "day_name": _DAYS[past.weekday()], "date_iso": f"{past:%Y-%m-%d}",
        }  # fmt: skip

    def _soon(self, low: int, high: int) -> str:
        then = self.now + timedelta(minutes=self.draft.dice.between(low, high))
        if then.date() == self.now.date() and then.hour < 18:
            return f"{then.hour}:{then.minute // 30 * 30:02d}"
        return "noon tomorrow" if self.now.weekday() < 4 else "noon on Monday"

    def _to_office(self) -> None:
        """Move the clock to the next working hour, unless it stands in one; critical tickets have longer days."""
        first, last = (6, 22) if self.priority == "P1" else (8, 18)
        if self.now.hour >= last:
            self.now = self.now.replace(hour=first) + timedelta(days=1)
        elif self.now.hour < first:
            self.now = self.now.replace(hour=first)
        while self.now.weekday() > 4 and self.priority != "P1":
            self.now += timedelta(days=1)

    def _wait(self, low: int, high: int) -> None:
        """Let between ``low`` and ``high`` minutes pass, and what is missing to the next working hour."""
        self.now += timedelta(minutes=self.dice.between(low, high))
        self._to_office()

    def _pass(self, mark: str) -> None:
        """Let the time pass that a text is marked with."""
        days = int(mark[1:-1]) if mark[1].isdigit() else 1
        morning = (self.now + timedelta(days=days)).replace(hour=8, minute=5 + self.dice.below(50))
        while mark == "@monday" and morning.weekday() != 0:
            morning += timedelta(days=1)
        self.now = morning

    def _say(self, who: str, role: str, *templates: str | list[str], after: tuple[int, int] = (20, 240)) -> None:
        """An entry by this person, so many minutes after the last one."""
        self._wait(*after)
        self.entries.append(f"**{self.now:%Y-%m-%d %H:%M} UTC, {self.draft.value(who)} ({role}):**")
        self.entries.append(" ".join(self.draft.say(template) for template in templates))

    def _support(
        self, template: str | list[str], after: tuple[int, int] = (20, 240), who: str = "agent", greet: bool = True
    ) -> None:
        role = "engineering" if who == "engineer" else "support"
        opening = [self.talk["opening"]] if greet and self.dice.chance(0.5) else []
        closing = [self.talk["closing"]] if greet and self.dice.chance(0.4) else []
        self._say(who, role, *opening, template, *closing, after=after)

    def _customer(self, template: str | list[str], after: tuple[int, int] = (40, 420)) -> None:
        if isinstance(template, str) and template.startswith("@"):
            mark, template = template.split(" ", 1)
            self._pass(mark)
            after = (0, 90)
        closing = [self.talk["customer_closing"]] if self.dice.chance(0.35) else []
        self._say("reporter", self.draft.value("cust"), template, *closing, after=after)

    def _status(self, old: str, new: str) -> None:
        self.entries.append(f"*{self.now:%Y-%m-%d %H:%M} UTC: status changed from {old} to {new} ({self.number})*")

    def _logs(self) -> None:
        """Log lines of the hours before the clock, in the order of their times."""
        draft, lines = self.draft, self.case["log"]
        moment = self.now - timedelta(minutes=draft.dice.between(70, 600))
        if self.case.get("nightly"):
            hour, minute = map(int, draft.value("night_time").split(":"))
            moment = self.now.replace(hour=hour, minute=minute, second=draft.dice.below(60))

        def stamp() -> str:
            nonlocal moment
            moment += timedelta(seconds=draft.dice.between(1, 140), milliseconds=draft.dice.below(1_000))
            return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}"

        draft.slots["stamp"] = stamp
        draft.steady = draft.commas = False
        # What happens once in a run is marked with "= "; other lines come again, but for the one at the end.
        times = [1 if line.startswith("= ") else draft.dice.between(1, 3) for line in lines[:-1]] + [1]
        chosen = [line.removeprefix("= ") for line, count in zip(lines, times, strict=True) for _ in range(count)]
        written = [draft.write(line.replace("[", "\\[").replace("]", "\\]")) for line in chosen]
        draft.steady = draft.commas = True
        self.entries.append("\n".join(["```", *written, "```"]))

    def parts(self) -> list[str]:
        """The ticket from its title to the summary."""
        draft, case = self.draft, self.case
        title = draft.write(case["title"])
        self.entries.append(draft.say(case["report"]))
        if self.dice.chance(0.5):
            self._logs()
        report, self.entries = self.entries, []
        self._first_contact()
        tracks = case["tracks"] if self.dice.chance(0.75) else case["tracks"][:1]
        draft.slots["ruled_out"] = "two tracks" if len(tracks) == 2 else "one track"
        for advice, outcome in tracks:
            self._support(advice, (50, 400))
            self._customer(outcome, (150, 1_500))
        self._analysis()
        applied = self._correction()
        return [
            f"# {self.number}: {title}", self._head(), "## Report",
            f"**{self.created:%Y-%m-%d %H:%M} UTC, {draft.value('reporter')} ({draft.value('customer')}):**", *report,
            "## History", *self.entries, "## Summary", self._summary(applied),
        ]  # fmt: skip

    def _first_contact(self) -> None:
        self._support(self.talk["greet"], _RESPONSE[self.priority], greet=False)
        self.responded = self.now
        self._status("New", "In progress")
        self._support(self.case["ask"], (5, 90))
        self._status("In progress", "Waiting for customer")
        self._customer(self.talk["attached"])
        self._logs()
        self._status("Waiting for customer", "In progress")
        self._support(self.talk["ack_log"], (30, 240), greet=False)
        if self.dice.chance(0.35):
            self._support(self.talk["duplicate"], (30, 300))

    def _analysis(self) -> None:
        if self.dice.chance(0.6):
            # Only who is not on top already asks for a higher priority, and gets it.
            chase = "raise" if self.priority == "P3" else "chase"
            self._customer(self.talk[chase], (600, 2_400))
            self._say("lead", "support lead", self.talk["chase_reply"], after=(10, 90))
            if self.priority == "P3":
                self.entries.append(f"*{self.now:%Y-%m-%d %H:%M} UTC: priority changed from P3 to P2 ({self.number})*")
                self.priority = "P2"
        self._say("agent", "support, internal", self.talk["escalate"], after=(20, 200))
        self._status("In progress", "Escalated")
        self._support(self.talk["take"], (60, 600), "engineer", greet=False)
        if self.dice.chance(0.5):
            self._say("agent", "support, internal", self.talk["handover"], after=(60, 400))
        if self.dice.chance(0.6):
            self._logs()
        self._support(self.case["finding"], (120, 1_400), "engineer")
        self._support(self.case["workaround"], (10, 120), "engineer")
        self._customer(self.case["workaround_ok"], (240, 1_600))
        self._status("Escalated", "Workaround in place")
        self.relieved = self.now

    def _correction(self) -> datetime:
        """The lasting correction, from the cause to the day on which the ticket is resolved; when it was applied."""
        draft, dice, talk = self.draft, self.dice, self.talk
        self._support(self.case["cause"], (300, 2_600), "engineer")
        self._support(self.case["fix"], (60, 3_000), "engineer")
        window = (self.now + timedelta(days=dice.between(4, 11))).replace(
            hour=dice.between(19, 22), minute=dice.pick((0, 30))
        )
        done = window + timedelta(minutes=dice.between(25, 95))
        draft.slots.update(
            {
                "window": f"{_DAYS[window.weekday()]}, {window:%Y-%m-%d}",
                "window_time": f"{window:%H:%M}",
                "done_time": f"{done:%H:%M}",
            }
        )
        self._customer(talk["window"], (60, 900))
        self._support(talk["window_plan"], (20, 300), "engineer")
        self.now = max(done, self.now)
        self._say("reporter", draft.value("cust"), talk["applied"], after=(20, 80))
        self._support(talk["monitor"], (20, 200))
        quiet = dice.between(3, 12)
        draft.slots["quiet"] = str(quiet)
        self.now += timedelta(days=quiet)
        if dice.chance(0.6):
            self._customer(talk["thanks"], (10, 300))
        self._support(talk["close"], (10, 200))
        self._status("Workaround in place", "Resolved")
        self.resolved = self.now
        self.now += timedelta(days=int(draft.value("closes_in")))
        self._status("Resolved", "Closed")
        if dice.chance(0.6):
            self.now += timedelta(days=dice.between(9, 22))
            self._say("lead", "support lead", talk["followup"], after=(0, 400))
        return done

    def _head(self) -> str:
        draft = self.draft
        rows = [
            ["Customer", draft.value("customer")], ["Product", f"{draft.value('product')} {draft.value('ver')}"],
            ["Component", f"{self.product['component']} ({self.case['area']})"],
            ["Systems", f"{draft.value('host')}, {draft.value('host2')}"],
            ["Priority", f"{self.priority} ({_MEANING[self.priority]})"], ["Status", "Closed"],
            ["Created", f"{self.created:%Y-%m-%d %H:%M} UTC"], ["Resolved", f"{self.resolved:%Y-%m-%d %H:%M} UTC"],
            ["Assigned to", f"{draft.value('agent')}, {draft.value('engineer')}"],
        ]  # fmt: skip
        return table(["Field", "Value"], rows, 2)

    def _summary(self, applied: datetime) -> str:
        minutes = int((self.responded - self.created).total_seconds()) // 60
        rows = [
            ["First response", f"{minutes} minutes"], ["Workaround after", _span(self.relieved - self.created)],
            ["Resolved after", _span(self.resolved - self.created)],
            ["Corrected in", self.draft.write(f"{{product}} {{fixed}}, installed {applied:%Y-%m-%d}")],
            ["Article", self.draft.value("kb")], ["Entries", str(sum(part.startswith("**") for part in self.entries))],
        ]  # fmt: skip
        return table(["Measure", "Value"], rows, 2)


def _span(length: timedelta) -> str:
    hours = int(length.total_seconds()) // 3600
    parts = [(hours // 24, "day"), (hours % 24, "hour")]
    return " ".join(f"{count} {unit}{'' if count == 1 else 's'}" for count, unit in parts if count) or "under an hour"
