"""Facts that are asked about, with their look-alikes: one, several values of a key, several facts, or two halves."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from longctx.errors import UsageError
from longctx.samples import variant
from longctx.types import Cell
from longctx.voice import Fact, FactTemplate, Voice, draw_distinct

from ._kinds import KindFact

_MOST = 64  # needles of one question


@dataclass(slots=True)
class Question:
    """What is asked about a haystack, and what stands in it for that."""

    text: str
    target: str | list[str]
    needles: list[str]
    values: list[str]  # of the needles
    keys: list[str]
    distractors: list[Fact] = field(default_factory=list)
    after: int = 0  # tokens from the first needle to the second; 0: anywhere


Form = FactTemplate | KindFact
Draw = Callable[["Asker", random.Random, Any, set[str], int], Question]


@dataclass(frozen=True, slots=True)
class Asker:
    """What questions are drawn for."""

    cell: Cell
    voice: Voice
    tier: str

    def number(self, name: str, default: int, low: int = 1, high: int = _MOST) -> int:
        """A whole number among the variants."""
        value = variant(self.cell, name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise UsageError(f"{name} is {value!r}; possible are whole numbers from {low} to {high:,}.")
        return value

    def drawn(self, make: Callable[[], Fact], count: int, seen: set[str], name: str) -> list[Fact]:
        """As many different facts."""
        return draw_distinct(make, count, seen, name)

    def fill(self, form: Form, rng: random.Random, seen: set[str], count: int) -> list[Fact]:
        """Facts of a form about different keys."""
        return self.drawn(lambda: form.fill(rng, self.voice.language), count, seen, form.name)

    def alike(self, form: Form, fact: Fact, rng: random.Random, seen: set[str], count: int) -> list[Fact]:
        """Distractors of a fact, of the asked tier."""
        language = self.voice.language
        makers = {
            "template": lambda: form.fill(rng, language),
            "entity": lambda: form.fill_entity(rng, language, fact.key),
            "superseded": lambda: form.fill_superseded(rng, language, fact.key),
        }
        return self.drawn(makers[self.tier], count, seen, form.name) if count else []


def single(asker: Asker, rng: random.Random, form: Form, seen: set[str], count: int) -> Question:
    """One fact."""
    [fact] = asker.fill(form, rng, seen, 1)
    alike = asker.alike(form, fact, rng, seen, count)
    return Question(fact.question, fact.value, [fact.needle], [fact.value], [fact.key], alike)


def multikey(asker: Asker, rng: random.Random, form: Form, seen: set[str], count: int) -> Question:
    """One fact among a few of its form about other keys, which are distractors too."""
    fact, *others = asker.fill(form, rng, seen, asker.number("keys", 4))
    alike = others + asker.alike(form, fact, rng, seen, count)
    return Question(fact.question, fact.value, [fact.needle], [fact.value], [fact.key], alike)


def multivalue(asker: Asker, rng: random.Random, form: Form, seen: set[str], count: int) -> Question:
    """Several values of one key."""
    language = asker.voice.language

    def about(key: str) -> Callable[[], Fact]:
        return lambda: form.fill_entity(rng, language, key)

    [first] = asker.fill(form, rng, seen, 1)
    facts = asker.drawn(about(first.key), asker.number("values", 4), seen, form.name)
    seen.add(f"value:{first.value.casefold()}")

    def other() -> Fact:
        key = form.fill(rng, language).key
        return other() if key.casefold() == first.key.casefold() else about(key)()

    alike = asker.drawn(other, count, seen, form.name)
    values = [fact.value for fact in facts]
    return Question(facts[0].question, values, [fact.needle for fact in facts], values, [first.key], alike)


def multiquery(asker: Asker, rng: random.Random, form: Form, seen: set[str], count: int) -> Question:
    """Several facts, asked about at once."""
    total = asker.number("queries", 4)
    others = [other for other in asker.voice.facts if other.name != form.name]
    forms: list[Form] = [form, *rng.sample(others, len(others))] if isinstance(form, FactTemplate) else [form]
    asked = [forms[index % len(forms)] for index in range(total)]
    facts = [asker.fill(each, rng, seen, 1)[0] for each in asked]
    alike: list[Fact] = []
    for index, (each, fact) in enumerate(zip(asked, facts, strict=True)):
        alike += asker.alike(each, fact, rng, seen, len(range(index, count, total)))
    joint, mark = ("", "（{}）{}") if asker.voice.language == "zh" else (" ", "({}) {}")
    numbered = joint.join(mark.format(index, fact.question) for index, fact in enumerate(facts, 1))
    text = numbered if total > 1 else facts[0].question
    values = [fact.value for fact in facts]
    return Question(text, values, [fact.needle for fact in facts], values, [fact.key for fact in facts], alike)


def split(asker: Asker, rng: random.Random, form: FactTemplate, seen: set[str], count: int) -> Question:
    """A fact in two halves."""
    language = asker.voice.language
    [fact] = asker.fill(form, rng, seen, 1)
    first, second = form.fill_halves(rng, language, fact)
    references = {second.replace(fact.value, "")}
    alike: list[Fact] = []
    for _ in range(count):  # one after the other, so that more of them begin with the same ones
        [other] = asker.fill(form, rng, seen, 1)
        while (half := form.fill_halves(rng, language, other)[1]).replace(other.value, "") in references:
            pass  # another's reference: drawn again
        references.add(half.replace(other.value, ""))
        alike.append(Fact(form.name, half, other.question, other.key, other.value))
    gap = asker.number("gap", 0, 1, 1 << 40) if variant(asker.cell, "gap", None) is not None else 0
    # The value of the first half is the reference's: the half alone answers nothing.
    return Question(fact.question, fact.value, [first, second], ["", fact.value], [fact.key], alike, gap)
