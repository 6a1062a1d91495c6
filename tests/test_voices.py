"""The facts that shipped corpora state: unambiguous, not to be guessed, scored as they should be."""

from __future__ import annotations

import ast
import contextlib
import inspect
import random
import re
import unicodedata
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from longctx.scorers import includes, normalise, occurrences, says_absent
from longctx.sources import Source, read_source
from longctx.voice import Fact, FactTemplate, Voice, draw

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
    spoken = voice(name)
    for template in spoken.facts:
        same = [other for other in spoken.facts if other.slots["key"] == template.slots["key"]]
        question = words(template.question)
        shared = {other.name: len(question & words(other.needle)) for other in same}
        best = max(shared.values())
        assert [fact for fact, count in shared.items() if count == best] == [template.name], shared


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
