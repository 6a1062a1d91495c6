"""Needles that share no word with their question: the pairs, and the samples built from them."""

from __future__ import annotations

import ast
import dataclasses
import random
import re
from collections import Counter
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import small_tokenizers

from longctx.corpus import Corpora, Corpus
from longctx.errors import CorpusError, ImpossibleSample, UsageError
from longctx.names import draw_name
from longctx.scorers import SCORERS
from longctx.tasks import Task, _load, find_task
from longctx.tokens import Tokenizer
from longctx.types import Cell, Sample

GENERATORS = Path(__file__).parents[1] / "generators"
DOMAINS = ("contracts", "disclosures", "support", "policies", "code")
LEAST = {"en": 60, "de": 20}


def module() -> ModuleType:
    return _load(GENERATORS, "latent")


def pairs(language: str) -> Any:
    return module().load_pairs(language)


CASES = [(language, pair) for language in LEAST for pair in pairs(language).pairs]
per_pair = pytest.mark.parametrize(("language", "pair"), CASES, ids=[f"{lang}/{pair.name}" for lang, pair in CASES])
per_language = pytest.mark.parametrize("language", LEAST)


@cache
def tokenizer() -> Tokenizer:
    return Tokenizer(small_tokenizers.byte_level(small_tokenizers.LLAMA3), "llama3-like")


@cache
def corpus(name: str) -> Corpus:
    return Corpora(tokenizer()).get(name, 4096)


def task() -> Task:
    return find_task("latent")


def build(name: str = "contracts", **cell: Any) -> Sample:
    wanted = Cell("latent", name, 4096, 0.5, density=10.0)
    return task().build(corpus(name), dataclasses.replace(wanted, **cell), tokenizer())


def drawn(name: str, **cell: Any) -> list[Sample]:
    return [build(name, seed=seed, **cell) for seed in range(6)]


@per_language
def test_every_kind_of_link_has_as_many_pairs(language: str) -> None:
    found = pairs(language).pairs
    assert len(found) >= LEAST[language]
    assert len(set(Counter(pair.kind for pair in found).values())) == 1
    assert 6 <= len({pair.kind for pair in found}) <= 8
    for field in ("name", "form", "question", "link"):
        assert len({getattr(pair, field) for pair in found}) == len(found)


@per_pair
def test_needle_and_question_share_no_content_word(language: str, pair: Any) -> None:
    known = pairs(language)
    for filler in (*pair.right, *pair.wrong):
        assert not known.shared_words(pair.question, pair.form.format(name="", filler=filler))
    rng = random.Random(pair.name)
    for _ in range(300):  # nor does a name help
        name = draw_name(pair.subject, rng, language)
        assert not set(re.findall(r"\w{4,}", name.casefold())) & set(re.findall(r"\w{4,}", pair.question.casefold()))


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("Who manages the plant?", "Its manager is in Lyon.", ["manages"]),
        ("Who sold it?", "He sells trucks.", ["sold"]),
        ("Which supplier is it?", "Supplies are late.", ["supplier"]),
        ("Which port is it?", "The seaport of Genoa.", []),
        ("Which city is it?", "Two cities in Ohio.", ["city"]),
        ("Who uses it?", "It was in use, and using it was easy.", ["uses"]),
        ("Who carries it?", "It is hard to carry.", ["carries"]),
        ("Whose taxes are due?", "A tax on salt.", ["taxes"]),
        ("Who of them is where?", "They are who they were.", []),
    ],
)
def test_words_are_shared_in_whatever_form(one: str, other: str, shared: list[str]) -> None:
    assert pairs("en").shared_words(one, other) == shared


def test_german_words_are_shared_inside_compounds() -> None:
    assert pairs("de").shared_words("Wem gehört das Lager?", "Die Lagerhalle steht leer.") == ["lager"]
    assert pairs("de").shared_words("Wer mietet Häuser?", "Ein Haus am See.") == ["häuser"]
    assert pairs("de").shared_words("Wer ist überschuldet?", "Die Schulden steigen.") == ["überschuldet"]
    assert pairs("de").shared_words("Wer schloss den Vertrag?", "Der Mietvertrag liegt bei.") == ["vertrag"]


@pytest.mark.parametrize("name", DOMAINS)
def test_each_voice_has_pairs_of_several_kinds(name: str) -> None:
    suited = module().pairs_for(corpus(name).voice)
    assert len(suited) >= 16
    assert len({pair.kind for pair in suited}) >= 5
    assert all(name in pair.domains for pair in suited)


@pytest.mark.parametrize("name", DOMAINS)
@pytest.mark.parametrize("context", ["long", "short"])
def test_who_knows_the_link_finds_the_answer_and_only_in_the_needle(name: str, context: str) -> None:
    read = task().reader
    assert read is not None
    for sample in drawn(name, variant=(("context", context),)):
        asked = sample.metadata
        [needle] = asked["needles"]
        assert needle["value"] == sample.target and sample.target in asked["choices"]
        assert SCORERS["choice"](sample.target, read(sample.prompt, asked["question"]), asked)[0] == 1.0
        blind = read(sample.prompt.replace(needle["text"], ""), asked["question"])
        assert SCORERS["choice"](sample.target, blind, asked)[0] == 0.0
        assert (len(sample.prompt_ids) == asked["length"] == 4096) is (context == "long")


def test_the_choices_are_every_name_in_the_documents_and_some_more() -> None:
    for sample in (*drawn("contracts"), *drawn("contracts", density=0.0)):
        asked = sample.metadata
        there = [span["value"] for span in (*asked["needles"], *asked["distractors"])]
        assert len(set(there)) == len(there) == 1 + (4 if asked["density_asked"] else 0)
        assert set(there) < set(asked["choices"]) and len(asked["choices"]) == len(there) + 7
        assert not [name for name in set(asked["choices"]) - set(there) if name in sample.prompt]
        assert not [one for one in asked["choices"] for other in asked["choices"] if one != other and one in other]


def test_distractors_say_the_same_of_others_with_another_meaning() -> None:
    for sample in drawn("contracts", density=40.0):
        asked = sample.metadata
        [pair] = [pair for pair in pairs("en").pairs if pair.name == asked["pair"]]
        assert pair.kind == asked["kind"]
        assert not any(filler in span["text"] for filler in pair.right for span in asked["distractors"])
        assert all(any(filler in span["text"] for span in asked["distractors"]) for filler in pair.wrong)


def test_the_short_context_asks_the_same_with_one_look_alike_of_each_meaning() -> None:
    for seed in range(4):
        long, short = (build(seed=seed, variant=(("context", context),)) for context in ("long", "short"))
        assert short.metadata["question"] == long.metadata["question"] and short.target == long.target
        assert short.metadata["needles"][0]["text"] == long.metadata["needles"][0]["text"]
        [pair] = [pair for pair in pairs("en").pairs if pair.name == short.metadata["pair"]]
        assert len(short.metadata["distractors"]) == len(pair.wrong)
        assert short.metadata["length"] == len(short.prompt_ids) < 1024
        assert short.metadata["length_asked"] == long.metadata["length_asked"] == 4096
        for depth, at in ((0.0, 0), (1.0, 1)):
            assert build(seed=seed, depth=depth, variant=(("context", "short"),)).metadata["depth"] == at
        recipe = dict(short.metadata["recipe"]["cell"])
        recipe["variant"] = tuple(recipe["variant"])
        again = task().build(corpus("contracts"), Cell(**recipe), tokenizer())
        assert (again.id, again.prompt) == (short.id, short.prompt)


def test_the_same_pair_and_names_are_asked_at_every_length_and_depth() -> None:
    needles = {
        build(length=length, depth=depth, seed=3).metadata["needles"][0]["text"]
        for length in (3000, 9000)
        for depth in (0.0, 0.7)
    }
    assert len(needles) == 1


@pytest.mark.parametrize("name", DOMAINS)
def test_no_name_shares_a_word_with_the_question(name: str) -> None:
    for sample in drawn(name, density=60.0):
        asked = sample.metadata
        assert len(asked["choices"]) > 20
        assert not pairs("en").shared_words(asked["question"], " ".join(asked["choices"]))


def test_needles_in_code_are_comments() -> None:
    for sample in drawn("code"):
        for span in (*sample.metadata["needles"], *sample.metadata["distractors"]):
            assert not ast.parse(span["text"]).body
            assert span["value"] in span["text"]
            assert max(map(len, span["text"].splitlines())) <= 88


def test_a_kind_or_a_pair_can_be_asked_for() -> None:
    assert build(variant=(("kind", "law"),)).metadata["kind"] == "law"
    assert build(variant=(("pair", "set-off"),)).metadata["question"] == "Who is entitled to set-off?"


@pytest.mark.parametrize(
    ("cell", "error", "message"),
    [
        ({"variant": (("kind", "low"),)}, UsageError, "Did you mean 'law'"),
        ({"variant": (("pair", "myocardial-infarction"),)}, UsageError, "set-off"),  # not in contracts
        ({"variant": (("context", "none"),)}, UsageError, "long, short"),
        ({"variant": (("context", "short"),), "length": 200}, ImpossibleSample, "shortest possible"),
    ],
)
def test_what_cannot_be_asked_is_said(cell: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        build(**cell)


def test_a_language_without_pairs_says_which_have_some() -> None:
    with pytest.raises(UsageError, match=r"'zh'.*de, en"):
        pairs("zh")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"form": "{name} is late."}, "filler"),
        ({"wrong": ["b", "c", "d"]}, "4 wrong"),
        ({"wrong": ["A", "b", "c", "d"]}, "no two of them equal"),
        ({"why": ""}, "why"),
    ],
)
def test_a_pair_that_cannot_be_is_named(change: dict[str, Any], message: str) -> None:
    pair = {"name": "x", "kind": "place", "domains": ["any"], "subject": "person", "form": "{name} is in {filler}."}
    pair |= {"right": ["a"], "wrong": ["b", "c", "d", "e"], "question": "Who?", "link": "."}
    with pytest.raises(CorpusError, match=message):
        module()._parse(pair | change, "latent-en.toml")
