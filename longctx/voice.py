"""How a corpus states a fact and how its reader asks for it: the ``[voice]`` part of a ``corpus.toml``."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any, Literal, get_args

from longctx.errors import CorpusError, unknown
from longctx.names import NAME_KINDS, draw_name

Boundary = Literal["sentence", "paragraph", "definition"]
NUMBER_KINDS = ("integer", "amount", "decimal", "percent")
OTHER_KINDS = ("choice", "code", "date", "version")
_HALVES = ("first half", "second half")
# Wording → slots that it must hold, slots that it must not; a question holds no other than {key}.
_SLOTS: Mapping[str, tuple[set[str], set[str]]] = {
    "needle": ({"key", "value"}, set()),
    "question": ({"key"}, set()),
    "entity": ({"key", "value", "item"}, set()),
    "question_all": ({"key"}, set()),
    "superseded": ({"key", "value", "when"}, set()),
    "first half": ({"key", "link"}, {"value"}),
    "second half": ({"link", "value"}, {"key"}),
}
_WORDINGS = [label for label in _SLOTS if label not in _HALVES]
_FACT_FIELDS = {"name", "key", "value", "slots", "halves", *_WORDINGS}


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact with its question, filled in."""

    name: str
    needle: str
    question: str
    key: str
    value: str  # what a right answer holds
    detail: str = ""  # what tells it from others about the same key: its item, or when it was in force


@dataclass(frozen=True, slots=True)
class FactTemplate:
    """A fact with slots, and further wordings about its key; a wording that is not there is empty."""

    name: str
    needle: str  # holds {key} and {value}
    question: str  # holds {key}
    slots: Mapping[str, Mapping[str, Any]]  # slot name → kind and its settings; `key` and `value` always there
    entity: str = ""  # another attribute of the key, for one of many items: holds {key}, {value} and {item}
    question_all: str = ""  # asks for every value that `entity` states about one key: holds {key}
    superseded: str = ""  # an older version that says so itself: holds {key}, {value} and {when}
    halves: tuple[str, str] | None = None  # the fact in two places: {key} and {link}, {link} and {value}

    def fill(self, rng: random.Random, language: str) -> Fact:
        """Draw every slot of needle and question."""
        drawn = self._draw((self.needle, self.question), rng, language)
        return Fact(self.name, _fill(self.needle, drawn), _fill(self.question, drawn), drawn["key"], drawn["value"])

    def fill_entity(self, rng: random.Random, language: str, key: str) -> Fact:
        """State another attribute of `key` for an item that is drawn; asks `question_all`.

        Raises:
            CorpusError: the fact has no such wording.
        """
        return self._about(key, "entity", self.entity, self.question_all, "item", rng, language)

    def fill_superseded(self, rng: random.Random, language: str, key: str) -> Fact:
        """State the fact about `key` as it was in an older version; asks `question`, to which its value is wrong.

        Raises:
            CorpusError: the fact has no such wording.
        """
        return self._about(key, "superseded", self.superseded, self.question, "when", rng, language)

    def fill_halves(self, rng: random.Random, language: str, fact: Fact) -> tuple[str, str]:
        """Split a fact that was drawn over two places; the reference that links them is drawn.

        Raises:
            CorpusError: the fact has no such wording.
        """
        if self.halves is None:
            raise self._lacks("halves")
        first, second = self.halves
        drawn = self._draw(self.halves, rng, language, key=fact.key, value=fact.value)
        return _fill(first, drawn), _fill(second, drawn)

    def _about(
        self, key: str, label: str, text: str, question: str, detail: str, rng: random.Random, language: str
    ) -> Fact:
        if not text:
            raise self._lacks(label)
        drawn = self._draw((text, question), rng, language, key=key)
        return Fact(self.name, _fill(text, drawn), _fill(question, drawn), key, drawn["value"], drawn[detail])

    def _draw(self, texts: Iterable[str], rng: random.Random, language: str, **known: str) -> dict[str, str]:
        """Only the slots that `texts` use: a needle stays as it is when its fact gets further wordings."""
        used = frozenset().union(*(_fields(text, self.name) for text in texts)) - set(known)
        return known | {name: draw(self.slots[name], rng, language) for name in sorted(used)}

    def _lacks(self, label: str) -> CorpusError:
        return CorpusError(f"Fact {self.name!r} has no `{label}` wording; corpora/README.md says how to add one.")


def _fill(text: str, drawn: Mapping[str, str]) -> str:
    filled = text.format_map(drawn)
    for word in drawn.values():
        if word.endswith("."):  # "with Alder Foods Inc." at the end of a sentence has one full stop
            filled = filled.replace(word + ".", word)
    return filled


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
    title: str = "===== {file} ====="  # shows where a document begins, where borders are shown; holds {file}


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
            if " " in form or "年" in form:  # written out: no leading 0
                form = form.replace("%d", str(day.day)).replace("%m月", f"{day.month}月")
            return day.strftime(form)
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
        if field not in wanted | {"title"}:
            raise CorpusError(f"{where}: " + unknown("field of [voice]", field, wanted | {"title"}))
    if missing := sorted(wanted - set(table)):
        raise CorpusError(f"{where}: [voice] lacks {', '.join(missing)}.")
    if table["boundary"] not in get_args(Boundary):
        raise CorpusError(f"{where}: " + unknown("boundary", str(table["boundary"]), get_args(Boundary)))
    if "{question}" not in table["ask"]:
        raise CorpusError(f"{where}: `ask` does not hold {{question}}.")
    if "title" in table and _fields(table["title"], where) != {"file"}:
        raise CorpusError(f"{where}: `title` must hold {{file}} and no other slot.")
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
        title=table.get("title", "===== {file} =====").strip(),
    )


def _parse_fact(table: Mapping[str, Any], where: str) -> FactTemplate:
    name = table.get("name", "?")
    about = f"{where}: fact {name!r}"
    for field in table:
        if field not in _FACT_FIELDS:
            raise CorpusError(f"{about}: " + unknown("field", field, _FACT_FIELDS))
    if missing := sorted({"name", "needle", "question", "key", "value"} - set(table)):
        raise CorpusError(f"{about} lacks {', '.join(missing)}.")
    if len(pair := {"entity", "question_all"} & set(table)) == 1:
        [given] = pair
        raise CorpusError(f"{about} has `{given}` alone; `entity` and `question_all` belong together.")
    slots = {"key": table["key"], "value": table["value"], **table.get("slots", {})}
    texts = {label: table[label] for label in _WORDINGS if label in table}
    if (halves := table.get("halves")) is not None:
        if not isinstance(halves, list) or len(halves) != 2:
            raise CorpusError(f"{about}: `halves` is not a list of two texts.")
        texts |= dict(zip(_HALVES, halves, strict=True))
    for label, text in texts.items():
        if not isinstance(text, str) or not text.strip():
            raise CorpusError(f"{about}: the {label} is no text.")
        asks = label.startswith("question")
        texts[label] = text.strip() if asks else text.strip("\n")
        needed, barred = _SLOTS[label]
        _check_slots(texts[label], f"{about}: the {label}", slots, needed, set(slots) - {"key"} if asks else barred)
    for slot in slots.values():
        draw(slot, random.Random(0), "en")
    first, second = (texts.pop(label, "") for label in _HALVES)
    return FactTemplate(name, slots=slots, halves=(first, second) if first else None, **texts)


def _check_slots(text: str, where: str, slots: Mapping[str, Any], needed: set[str], barred: set[str]) -> None:
    used = _fields(text, where)
    if absent := sorted(needed - used):
        raise CorpusError(f"{where} does not hold {{{absent[0]}}}.")
    if given_away := sorted(barred & used):
        raise CorpusError(f"{where} holds {{{given_away[0]}}}, which it must not.")
    if strangers := sorted(used - set(slots)):
        raise CorpusError(f"{where}: " + unknown("slot", strangers[0], slots))


@lru_cache(maxsize=4096)  # looked up for every distractor
def _fields(text: str, where: str) -> frozenset[str]:
    try:
        return frozenset(field for _, field, _, _ in string.Formatter().parse(text) if field is not None)
    except ValueError as error:
        raise CorpusError(f"{where}: {error}; braces that are meant as text are doubled.") from None


def distinct_facts(template: FactTemplate, count: int, rng: random.Random, language: str) -> list[Fact]:
    """Draw `count` facts of one form, no key, no value and no needle twice.

    Raises:
        CorpusError: the slots do not have that many values.
    """
    seen: set[str] = set()
    return draw_distinct(lambda: template.fill(rng, language), count, seen, template.name)


def draw_distinct(make: Callable[[], Fact], count: int, seen: set[str], name: str) -> list[Fact]:
    """Draw `count` facts that share no value, and no key or no detail of a key, with each other or with `seen`.

    Args:
        make: draws one.
        count: how many.
        seen: marks of the facts drawn before; those of the new ones are added.
        name: of the fact, for the message.

    Raises:
        CorpusError: the slots do not have that many values.
    """
    facts: list[Fact] = []
    for _ in range(20 * count + 1000):
        if len(facts) == count:
            break
        fact = make()
        marks = {f"key:{fact.key.casefold()}:{fact.detail.casefold()}", f"value:{fact.value.casefold()}"}
        if not marks & seen:
            seen |= marks
            facts.append(fact)
    if len(facts) < count:
        raise CorpusError(
            f"Fact {name!r} gave only {len(facts)} different keys and values where {count} are needed: "
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
