"""How a corpus states a fact and how its reader asks for it: the ``[voice]`` part of a ``corpus.toml``."""

from __future__ import annotations

import random
import string
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal, get_args

from longctx.errors import CorpusError, unknown
from longctx.names import NAME_KINDS, draw_name

Boundary = Literal["sentence", "paragraph", "definition"]
NUMBER_KINDS = ("integer", "amount", "decimal", "percent")
OTHER_KINDS = ("choice", "code", "date", "version")


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact with its question, filled in."""

    name: str
    needle: str
    question: str
    key: str
    value: str  # what a right answer holds


@dataclass(frozen=True, slots=True)
class FactTemplate:
    """A fact with slots."""

    name: str
    needle: str  # holds {key} and {value}
    question: str  # holds {key}
    slots: Mapping[str, Mapping[str, Any]]  # slot name → kind and its settings; `key` and `value` always there

    def fill(self, rng: random.Random, language: str) -> Fact:
        """Draw every slot."""
        drawn = {name: draw(slot, rng, language) for name, slot in sorted(self.slots.items())}

        def fill(text: str) -> str:
            filled = text.format_map(drawn)
            for word in drawn.values():
                if word.endswith("."):  # "with Alder Foods Inc." at the end of a sentence has one full stop
                    filled = filled.replace(word + ".", word)
            return filled

        return Fact(self.name, fill(self.needle), fill(self.question), drawn["key"], drawn["value"])


@dataclass(frozen=True, slots=True)
class Voice:
    """What stands around a haystack and inside it."""

    name: str
    language: str  # two-letter code
    boundary: Boundary  # where a needle may stand
    instruction: str  # before the haystack
    ask: str  # after the haystack; holds {question}
    escape: str  # stands before `ask` where the prompt says what to answer if the fact is not there
    cue: str  # what a model without chat template goes on from
    absent_answer: str  # what to say when the documents do not state the fact
    absent_forms: tuple[str, ...]  # what else counts as saying so, lower case
    facts: tuple[FactTemplate, ...]


def draw(slot: Mapping[str, Any], rng: random.Random, language: str) -> str:
    """Draw one slot as text.

    Raises:
        CorpusError: a kind that does not exist or a setting that is missing.
    """
    kind = slot.get("kind", "")
    try:
        if kind in NAME_KINDS:
            return draw_name(kind, rng, language)
        if kind in NUMBER_KINDS:
            return _draw_number(slot, rng)
        if kind == "choice":
            return str(rng.choice(slot["of"]))
        if kind == "code":
            letters = {"#": string.digits, "@": string.ascii_uppercase}
            return "".join(rng.choice(letters[c]) if c in letters else c for c in slot["pattern"])
        if kind == "date":
            low, high = (date.fromisoformat(str(slot[side])) for side in ("low", "high"))
            day = low + timedelta(days=rng.randint(0, (high - low).days))
            form = str(slot.get("format", "%d %B %Y"))
            return day.strftime(form.replace("%d", str(day.day)) if " " in form else form)  # written out: no leading 0
        if kind == "version":
            return f"{rng.randint(1, 19)}.{rng.randint(0, 29)}.{rng.randint(0, 99)}"
    except KeyError as missing:
        raise CorpusError(f"A slot of kind {kind!r} lacks {missing}.") from None
    raise CorpusError(unknown("slot kind", str(kind), [*NAME_KINDS, *NUMBER_KINDS, *OTHER_KINDS]))


def _draw_number(slot: Mapping[str, Any], rng: random.Random) -> str:
    step = slot.get("step", 1)
    number = slot["low"] + step * rng.randint(0, int((slot["high"] - slot["low"]) / step + 1e-9))
    digits = slot.get("digits", 1 if slot["kind"] in ("decimal", "percent") else 0)
    plain = "{:." + str(digits) + "f}"
    return str(slot.get("format", plain)).format(round(number, digits) if digits else int(number))


def parse_voice(table: Mapping[str, Any], name: str, language: str, where: str) -> Voice:
    """Read a ``[voice]`` table.

    Args:
        table: the parsed TOML table.
        name: the corpus's name.
        language: two-letter code.
        where: the file, for messages.

    Raises:
        CorpusError: a field is missing, unknown or cannot be; names the file and the field.
    """
    wanted = {"boundary", "instruction", "ask", "escape", "absent_answer", "absent_forms", "cue", "facts"}
    for field in table:
        if field not in wanted:
            raise CorpusError(f"{where}: " + unknown("field of [voice]", field, wanted))
    if missing := sorted(wanted - set(table)):
        raise CorpusError(f"{where}: [voice] lacks {', '.join(missing)}.")
    if table["boundary"] not in get_args(Boundary):
        raise CorpusError(f"{where}: " + unknown("boundary", str(table["boundary"]), get_args(Boundary)))
    if "{question}" not in table["ask"]:
        raise CorpusError(f"{where}: `ask` does not hold {{question}}.")
    facts = tuple(_parse_fact(fact, where) for fact in table["facts"])
    if not facts:
        raise CorpusError(f"{where}: [voice] has no facts.")
    return Voice(
        name=name,
        language=language,
        boundary=table["boundary"],
        instruction=table["instruction"].strip(),
        ask=table["ask"].strip(),
        escape=table["escape"].strip(),
        cue=table["cue"].strip(),
        absent_answer=table["absent_answer"].strip(),
        absent_forms=tuple(form.casefold() for form in table["absent_forms"]),
        facts=facts,
    )


def _parse_fact(table: Mapping[str, Any], where: str) -> FactTemplate:
    name = table.get("name", "?")
    if missing := sorted({"name", "needle", "question", "key", "value"} - set(table)):
        raise CorpusError(f"{where}: fact {name!r} lacks {', '.join(missing)}.")
    slots = {"key": table["key"], "value": table["value"], **table.get("slots", {})}
    needle, question = table["needle"].strip("\n"), table["question"].strip()
    for text, label, needed in ((needle, "needle", {"key", "value"}), (question, "question", {"key"})):
        used = _fields(text, f"{where}: fact {name!r}: {label}")
        if absent := sorted(needed - used):
            raise CorpusError(f"{where}: fact {name!r}: the {label} does not hold {{{absent[0]}}}.")
        if strangers := sorted(used - set(slots)):
            raise CorpusError(f"{where}: fact {name!r}: " + unknown("slot", strangers[0], slots))
    if "value" in _fields(question, where):
        raise CorpusError(f"{where}: fact {name!r}: the question holds its own {{value}}.")
    for slot in slots.values():
        draw(slot, random.Random(0), "en")
    return FactTemplate(name, needle, question, slots)


def _fields(text: str, where: str) -> set[str]:
    try:
        return {field for _, field, _, _ in string.Formatter().parse(text) if field is not None}
    except ValueError as error:
        raise CorpusError(f"{where}: {error}; braces that are meant as text are doubled.") from None


def distinct_facts(template: FactTemplate, count: int, rng: random.Random, language: str) -> list[Fact]:
    """Draw `count` facts of one form, no key, no value and no needle twice.

    Raises:
        CorpusError: the slots do not have that many values.
    """
    facts: list[Fact] = []
    seen: set[str] = set()
    for _ in range(20 * count + 1000):
        if len(facts) == count:
            break
        fact = template.fill(rng, language)
        marks = {f"key:{fact.key.casefold()}", f"value:{fact.value.casefold()}"}
        if not marks & seen:
            seen |= marks
            facts.append(fact)
    if len(facts) < count:
        raise CorpusError(
            f"Fact {template.name!r} gave only {len(facts)} different keys and values where {count} are needed: "
            "ask for a lower density or give its slots a wider range."
        )
    return facts


def pick_template(voice: Voice, rng: random.Random, name: str | None = None) -> FactTemplate:
    """One of a voice's facts, by name or drawn.

    Raises:
        CorpusError: no fact of that name.
    """
    if name is None:
        return rng.choice(voice.facts)
    by_name: Mapping[str, FactTemplate] = {fact.name: fact for fact in voice.facts}
    if name not in by_name:
        raise CorpusError(unknown("fact", name, by_name))
    return by_name[name]
