"""The facts that shipped corpora state: unambiguous, not to be guessed, scored as they should be."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import inspect
import random
import re
import unicodedata
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from longctx.errors import CorpusError
from longctx.scorers import includes, normalise, occurrences, says_absent
from longctx.sources import Source, read_source
from longctx.voice import Fact, FactTemplate, Voice, draw, parse_voice

CORPORA = Path(__file__).parents[1] / "corpora"
SHIPPED = {
    "code": "definition",
    "contracts": "paragraph",
    "disclosures": "paragraph",
    "neutral-de": "sentence",
    "neutral-en": "sentence",
    "neutral-zh": "sentence",
    "policies": "paragraph",
    "support": "paragraph",
}
FILLS = 200
SAID_TO_BE_OLD = {
    "en": r"\b(no longer|any more|no further|replaced|superseded|withdrawn|revoked|restated|corrected|removed)\b",
    "de": "nicht mehr|ersetzt|abgelöst|überholt|aufgehoben|widerrufen|zurückgezogen|ungültig|außer Kraft|hinfällig",
    "zh": "不再|作废|取代|废止|失效|替换|撤销|停用|过期|更换",
}


def source(name: str) -> Source:
    return read_source(CORPORA / name / "corpus.toml")


@cache
def voice(name: str) -> Voice:
    own = source(name).voice
    assert own is not None
    return own


CASES = [(name, fact) for name in SHIPPED for fact in voice(name).facts]
per_fact = pytest.mark.parametrize(("name", "template"), CASES, ids=[f"{name}/{fact.name}" for name, fact in CASES])
per_voice = pytest.mark.parametrize("name", SHIPPED)
WORDED = [(name, fact) for name, fact in CASES if fact.entity]
per_worded_fact = pytest.mark.parametrize(
    ("name", "template"), WORDED, ids=[f"{name}/{fact.name}" for name, fact in WORDED]
)


def filled(name: str, template: FactTemplate, count: int = FILLS) -> list[Fact]:
    rng = random.Random(f"{name}/{template.name}")
    return [template.fill(rng, voice(name).language) for _ in range(count)]


def says_not_there(text: str, spoken: Voice) -> bool:
    return says_absent(text, {"absent_forms": [*spoken.absent_forms]})


@per_voice
def test_every_shipped_corpus_says_what_it_is(name: str) -> None:
    shipped = source(name)
    assert shipped.name == name
    assert shipped.title and shipped.origin
    assert shipped.licence in ("Apache-2.0", "PSF-2.0")
    assert shipped.grows is not name.startswith("neutral-")
    assert voice(name).boundary == SHIPPED[name]
    assert len(voice(name).facts) >= (8 if name.startswith("neutral-") else 10)
    assert not [fact for fact, times in Counter(fact.name for fact in voice(name).facts).items() if times > 1]


@per_fact
def test_a_needle_holds_its_value_once_and_the_question_does_not_give_it_away(
    name: str, template: FactTemplate
) -> None:
    for fact in filled(name, template):
        needle, question = normalise(fact.needle), normalise(fact.question)
        assert fact.key in fact.needle and fact.value in fact.needle
        assert occurrences(normalise(fact.key), needle) >= 1  # as a word of its own, so that a second one is noticed
        assert occurrences(normalise(fact.value), needle) == needle.count(normalise(fact.value)) == 1
        assert fact.key in fact.question
        assert normalise(fact.value) not in question
        assert not re.search(r"[{}]", fact.question)
        assert name == "code" or not re.search(r"\.\.|\s\s|[{}]", fact.needle)


@per_fact
def test_a_value_can_not_be_guessed(name: str, template: FactTemplate) -> None:
    rng = random.Random(template.name)
    drawn = {draw(template.slots["value"], rng, voice(name).language) for _ in range(4000)}
    assert len(drawn) >= 2000
    assert min(map(len, drawn)) >= 5


@per_voice
def test_there_are_keys_enough_for_many_distractors(name: str) -> None:
    for slot in {repr(template.slots["key"]): template.slots["key"] for template in voice(name).facts}.values():
        rng = random.Random(name)
        assert len({draw(slot, rng, voice(name).language) for _ in range(4000)}) >= 2000


@per_fact
def test_a_right_answer_scores_whether_bare_in_a_sentence_or_with_its_unit(name: str, template: FactTemplate) -> None:
    spoken = voice(name)
    first, *others = filled(name, template, 25)
    for fact in others:
        stretch = re.search(rf"\S{{0,4}}{re.escape(fact.value)}\S{{0,2}}(?: \w+)?", fact.needle)
        assert stretch is not None
        for answer in (fact.value, f"The answer is {fact.value}.", stretch[0], fact.needle):
            assert includes(fact.value, answer, {})[0] == 1.0, answer
            assert not says_not_there(answer, spoken), answer
        assert includes(fact.value, first.value, {})[0] == 0.0
        assert includes(fact.value, first.needle, {})[0] == 0.0


@per_voice
def test_saying_that_it_is_not_there_is_understood(name: str) -> None:
    spoken = voice(name)
    assert spoken.absent_answer.rstrip(".。") in spoken.escape and spoken.absent_answer not in spoken.ask
    assert says_not_there(spoken.absent_answer, spoken)
    assert says_not_there(spoken.absent_answer.upper(), spoken)
    assert all(form == normalise(form) for form in spoken.absent_forms)
    for template in spoken.facts:
        for fact in filled(name, template, 8):
            assert not says_not_there(fact.needle, spoken)
            assert not says_not_there(fact.question, spoken)
            assert includes(fact.value, spoken.absent_answer, {})[0] == 0.0


def words(text: str) -> set[str]:
    """Words, or pairs of characters where the script does not part words."""
    if re.search("[\u4e00-\u9fff]", text):
        return {text[i : i + 2] for i in range(len(text) - 1)}
    return set(re.findall(r"[\w']+", text.casefold()))


@per_voice
def test_a_question_fits_its_own_needle_best_among_facts_about_the_same_key(name: str) -> None:
    facts = voice(name).facts
    for template in facts:
        same = [other for other in facts if other.slots["key"] == template.slots["key"]]
        texts = {f"{other.name}/needle": other.needle for other in same}
        texts |= {f"{other.name}/entity": other.entity for other in same if other.entity}
        assert best(template.question, texts) == [f"{template.name}/needle"]
        if template.entity:
            assert best(template.question_all, texts) == [f"{template.name}/entity"]


def best(question: str, texts: dict[str, str]) -> list[str]:
    shared = {label: len(words(question) & words(text)) for label, text in texts.items()}
    return [label for label, count in shared.items() if count == max(shared.values())]


@pytest.mark.parametrize("name", ["contracts", "disclosures", "policies", "support"])
def test_every_fact_has_all_wordings(name: str) -> None:
    for fact in voice(name).facts:
        assert fact.entity and fact.question_all and fact.superseded and fact.halves, fact.name


def about_one_key(name: str, template: FactTemplate) -> tuple[random.Random, str, Fact]:
    rng, language = random.Random(f"{name}/{template.name}"), voice(name).language
    return rng, language, template.fill(rng, language)


@per_worded_fact
def test_a_look_alike_states_another_value_about_the_same_key(name: str, template: FactTemplate) -> None:
    rng, language, asked = about_one_key(name, template)
    for _ in range(25):
        fact = template.fill_entity(rng, language, asked.key)
        assert fact.key == asked.key and fact.key in fact.needle and fact.detail in fact.needle
        assert fact.key in fact.question and fact.question.endswith(("?", ".", "？", "。"))
        stands_well(name, fact.needle, fact.value)
        assert normalise(fact.value) not in normalise(fact.question)
        assert not re.search(SAID_TO_BE_OLD[language], fact.needle)


@per_worded_fact
def test_an_older_version_says_that_it_is_one(name: str, template: FactTemplate) -> None:
    rng, language, asked = about_one_key(name, template)
    for _ in range(25):
        fact = template.fill_superseded(rng, language, asked.key)
        assert fact.question == asked.question
        assert fact.key in fact.needle and fact.detail in fact.needle
        stands_well(name, fact.needle, fact.value)
        assert re.search(SAID_TO_BE_OLD[language], fact.needle), fact.needle
    assert not re.search(SAID_TO_BE_OLD[language], asked.needle), asked.needle


@per_worded_fact
def test_neither_half_answers_alone(name: str, template: FactTemplate) -> None:
    rng, language, _ = about_one_key(name, template)
    marked = dataclasses.replace(template, slots={**template.slots, "link": {"kind": "choice", "of": ["LINK77"]}})
    for fact in filled(name, template, 25):
        first, second = marked.fill_halves(rng, language, fact)
        assert "LINK77" in first and "LINK77" in second
        assert fact.key in first and fact.key not in second
        assert normalise(fact.value) not in normalise(first)
        stands_well(name, second, fact.value)
        assert not re.search(SAID_TO_BE_OLD[language], first + second)
        assert template.fill_halves(rng, language, fact) != template.fill_halves(rng, language, fact)


def stands_well(name: str, text: str, value: str) -> None:
    assert occurrences(normalise(value), normalise(text)) == normalise(text).count(normalise(value)) == 1, text
    assert not says_not_there(text, voice(name)), text
    assert name == "code" or not re.search(r"\.\.|\s\s|[{}\n]", text), text
    if name == "code":
        ast.parse(text)


@per_voice
def test_items_dates_and_links_are_many(name: str) -> None:
    for label in ("item", "when", "link"):
        slots = [template.slots[label] for template in voice(name).facts if label in template.slots]
        for slot in {repr(slot): slot for slot in slots}.values():
            rng = random.Random(label)
            assert len({draw(slot, rng, voice(name).language) for _ in range(4000)}) >= 2000, slot


HEATING: dict[str, Any] = {
    "name": "heating",
    "needle": "The tenant of {key} pays {value} euros for heating.",
    "question": "What does the tenant of {key} pay for heating?",
    "key": {"kind": "place"},
    "value": {"kind": "amount", "low": 10000, "high": 99999},
}
WORDINGS: dict[str, Any] = {
    "entity": "For repair {item} the landlord of {key} has set {value} euros aside.",
    "question_all": "What has the landlord of {key} set aside for repairs?",
    "superseded": "As of {when} heating at {key} cost {value} euros, which is no longer owed.",
    "halves": ["Heating at {key} costs what line {link} says.", "Line {link}: {value} euros."],
    "slots": {name: {"kind": "code", "pattern": "####-@"} for name in ("item", "when", "link", "hour")},
}


def parsed(**changes: Any) -> FactTemplate:
    fact = {name: text for name, text in {**HEATING, **WORDINGS, **changes}.items() if text is not None}
    voice = {"boundary": "sentence", "instruction": "-", "ask": "{question}", "escape": "-", "cue": "-"}
    table = {**voice, "absent_answer": "-", "absent_forms": [], "facts": [fact]}
    return parse_voice(table, "leases", "en", "leases/corpus.toml").facts[0]


def test_further_wordings_are_optional_and_change_no_needle() -> None:
    bare = parsed(**dict.fromkeys(WORDINGS))
    assert (bare.entity, bare.question_all, bare.superseded, bare.halves) == ("", "", "", None)
    assert bare.fill(random.Random(3), "en") == parsed().fill(random.Random(3), "en")
    fact = bare.fill(random.Random(3), "en")
    for fill in (
        lambda: bare.fill_entity(random.Random(), "en", fact.key),
        lambda: bare.fill_superseded(random.Random(), "en", fact.key),
        lambda: bare.fill_halves(random.Random(), "en", fact),
    ):
        with pytest.raises(CorpusError, match="'heating' has no `(entity|superseded|halves)` wording"):
            fill()


def test_a_name_that_ends_in_a_full_stop_has_one_at_the_end_of_every_wording() -> None:
    template = parsed(
        entity="{value} euros for repair {item} are set aside by {key}.",
        superseded="{value} euros were owed on {when} and are owed no longer by {key}.",
        halves=["Line {link} says what is owed by {key}.", "Line {link}: {value} euros."],
    )
    rng = random.Random(0)
    fact = dataclasses.replace(template.fill(rng, "en"), key="Alder Foods Inc.")
    texts = [
        template.fill_entity(rng, "en", fact.key).needle,
        template.fill_superseded(rng, "en", fact.key).needle,
        template.fill_halves(rng, "en", fact)[0],
    ]
    assert all(text.endswith("by Alder Foods Inc.") for text in texts)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"entity": "For {item} at {key}: much."}, "the entity does not hold {value}"),
        ({"entity": "At {key}: {value}."}, "the entity does not hold {item}"),
        ({"entity": None}, "has `question_all` alone; `entity` and `question_all` belong together"),
        ({"question_all": None}, "has `entity` alone; `entity` and `question_all` belong together"),
        ({"question_all": "What is set aside?"}, "the question_all does not hold {key}"),
        ({"question_all": "Are {value} set aside at {key}?"}, "the question_all holds {value}, which it must not"),
        ({"question_all": "What for {item} at {key}?"}, "the question_all holds {item}, which it must not"),
        ({"question": "Who pays {value} at {key}?"}, "the question holds {value}, which it must not"),
        ({"question": "What is paid at {key} at {hour}?"}, "the question holds {hour}, which it must not"),
        ({"superseded": "Heating at {key} cost {value}, no longer owed."}, "the superseded does not hold {when}"),
        ({"superseded": "At {key} {value} on {wen}."}, "the superseded does not hold {when}"),
        ({"superseded": "At {key} {value} on {when} at {our}."}, "Unknown slot 'our'. Did you mean 'hour'?"),
        ({"superseded": "At {key} {value} on {when"}, "braces that are meant as text are doubled"),
        ({"superseded": 7}, "the superseded is no text"),
        ({"superseded": " "}, "the superseded is no text"),
        ({"halves": "Heating at {key} costs {value}."}, "`halves` is not a list of two texts"),
        ({"halves": WORDINGS["halves"] * 2}, "`halves` is not a list of two texts"),
        ({"halves": ["At {key} see {link}.", 7]}, "the second half is no text"),
        ({"halves": ["At {key}.", "Line {link}: {value}."]}, "the first half does not hold {link}"),
        ({"halves": ["At {key} {value}, see {link}.", "{link}: {value}."]}, "the first half holds {value}, which"),
        ({"halves": ["At {key} see {link}.", "{link}."]}, "the second half does not hold {value}"),
        ({"halves": ["At {key} see {link}.", "{link}: {value} at {key}."]}, "the second half holds {key}, which"),
        ({"slots": {"item": {"kind": "place"}}}, "the superseded: Unknown slot 'when'"),
        ({"slots": {**WORDINGS["slots"], "link": {"kind": "cod"}}}, "Unknown slot kind 'cod'. Did you mean 'code'?"),
        ({"superceded": "At {key} {value} on {when}."}, "Unknown field 'superceded'. Did you mean 'superseded'?"),
    ],
)
def test_a_wording_that_can_not_be_used_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CorpusError, match=re.escape(message)) as refused:
        parsed(**changes)
    if "slot kind" not in message:
        assert str(refused.value).startswith("leases/corpus.toml: fact 'heating'")


@pytest.mark.parametrize("template", voice("code").facts, ids=lambda template: template.name)
def test_a_needle_in_code_is_python_wherever_a_definition_may_stand(template: FactTemplate) -> None:
    text = inspect.getsource(contextlib)
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    definitions = [node for node in ast.parse(text).body if isinstance(node, kinds)]
    starts = {min([node.lineno, *(mark.lineno for mark in node.decorator_list)]) for node in definitions}
    for fact in filled("code", template, 1):
        added = len(ast.parse(fact.needle).body)
        lines = text.splitlines()
        for start in sorted(starts, reverse=True):
            lines.insert(start - 1, fact.needle + "\n\n")
        whole = ast.parse("\n".join(lines))
        assert len(whole.body) == len(ast.parse(text).body) + added * len(starts)


def test_constants_in_code_hold_the_value_that_is_asked_for() -> None:
    for template in voice("code").facts:
        fact = filled("code", template, 1)[0]
        scope: dict[str, object] = {}
        exec(fact.needle, scope)
        held = scope[fact.key]
        if isinstance(held, (int, float)):
            assert float(held) == float(fact.value) or hex(int(held)) == f"0x{fact.value}"
        elif isinstance(held, (str, bytes)):
            assert (held.decode() if isinstance(held, bytes) else held) == fact.value


def test_german_needles_are_german() -> None:
    marks = {"der", "die", "das", "den", "dem", "und", "wird", "ist", "für", "mit", "unter", "von"}
    for template in voice("neutral-de").facts:
        assert len(words(template.needle) & marks) >= 2
        for fact in filled("neutral-de", template, 20):
            assert fact.needle.endswith(".") and fact.question.endswith("?")
            assert not any(c in text for c in "ÃÂ\ufffd" for text in (fact.needle, fact.question))
            assert fact.needle == unicodedata.normalize("NFC", fact.needle)
    assert set("äöü") <= set(" ".join(template.needle for template in voice("neutral-de").facts))


def test_chinese_needles_are_chinese() -> None:
    spoken = voice("neutral-zh")
    for template in spoken.facts:
        for fact in filled("neutral-zh", template, 20):
            for text, end in ((fact.needle, "。"), (fact.question, "？")):
                assert re.fullmatch(r"[\u4e00-\u9fff，；、]+" + end, text.replace(fact.value, "")), text
    assert not re.search("[A-Za-z]", spoken.instruction + spoken.ask.replace("{question}", "") + spoken.absent_answer)
