from __future__ import annotations

import ast
import sys
from collections import Counter
from functools import cache
from typing import Any

import pytest
import small_tokenizers

from longctx.corpus import Corpora, Corpus
from longctx.errors import UsageError
from longctx.scorers import SCORERS
from longctx.tasks import find_task
from longctx.tokens import Tokenizer
from longctx.types import Cell, Sample

TASKS = ("aggregate_count", "aggregate_sum", "aggregate_top", "aggregate_missing")
VOICES = (
    "contracts",
    "disclosures",
    "support",
    "policies",
    "code",
    "neutral-en",
    "neutral-de",
    "neutral-zh",
)
LENGTH = 6000


@cache
def tokenizer() -> Tokenizer:
    return Tokenizer(small_tokenizers.byte_level(small_tokenizers.LLAMA3), "llama3-like")


@cache
def corpus(voice: str) -> Corpus:
    return Corpora(tokenizer(), voice=voice).get("contracts", 40_000)


def build(
    task: str, voice: str = "contracts", length: int = LENGTH, density: float = 0.0, seed: int = 0, **variant: Any
) -> Sample:
    cell = Cell(task, "contracts", length, None, density, seed, variant=tuple(sorted(variant.items())))
    return find_task(task).build(corpus(voice), cell, tokenizer())


def score(task: str, sample: Sample, prompt: str) -> float:
    reader = find_task(task).reader
    assert reader is not None
    answer = reader(prompt, sample.metadata["question"])
    return SCORERS[sample.metadata["scorer"]](sample.target, answer, sample.metadata)[0]


def blinded(sample: Sample) -> str:
    text = sample.prompt
    for needle in sample.metadata["needles"]:
        assert text.count(needle["text"]) == 1
        text = text.replace(needle["text"], "")
    return text


@pytest.mark.parametrize("voice", VOICES)
@pytest.mark.parametrize("task", TASKS)
def test_a_reader_of_the_text_finds_the_answer_and_none_without_the_entries(task: str, voice: str) -> None:
    for seed in range(2):
        sample = build(task, voice, density=10.0 * (seed % 2), seed=seed)
        assert len(sample.prompt_ids) == LENGTH
        assert bool(sample.metadata["distractors"]) == bool(seed % 2)
        assert score(task, sample, sample.prompt) == 1
        assert score(task, sample, blinded(sample)) == 0


@pytest.mark.parametrize("task", TASKS)
def test_entries_are_as_many_as_asked_and_spread_over_the_haystack(task: str) -> None:
    for places, length in ((7, 6000), (256, 40_000)):
        sample = build(task, length=length, places=places)
        starts = sorted(needle["start"] / sample.metadata["haystack_tokens"] for needle in sample.metadata["needles"])
        assert len(starts) == places
        assert score(task, sample, sample.prompt) == 1
        assert max(b - a for a, b in zip([0, *starts], [*starts, 1], strict=True)) < 2.5 / places + 0.05


def test_the_count_is_that_of_the_entries_with_the_term_and_varies() -> None:
    samples = [build("aggregate_count", "support", seed=seed, places=12) for seed in range(5)]
    for sample in samples:
        term = sample.metadata["question"].split(" were traced to ")[1].split("?")[0]
        assert sum(term in needle["text"] for needle in sample.metadata["needles"]) == int(str(sample.target))
        assert 3 <= int(str(sample.target)) <= 9
    assert len({str(sample.target) for sample in samples}) > 1


def test_the_sum_goes_over_quarters_and_then_over_sites() -> None:
    sample = build("aggregate_sum", "contracts", places=10)
    values = [needle["value"].rsplit(": ", 1) for needle in sample.metadata["needles"]]
    total = sum(int(amount.replace(",", "")) for _, amount in values)
    assert sample.target == f"{total:,}"
    assert sorted(Counter(label.split(",")[0] for label, _ in values).values()) == [2, 8]
    assert len({label for label, _ in values}) == 10


@pytest.mark.parametrize("places", [7, 8, 9, 10, 11, 13, 60])
def test_the_three_most_frequent_are_so_by_at_least_one(places: int) -> None:
    sample = build("aggregate_top", "support", length=12_000, places=places, seed=places)
    terms = [needle["text"].split(" was traced to ")[1].split(". ")[0] for needle in sample.metadata["needles"]]
    ranked = Counter(terms).most_common()
    assert {term for term, _ in ranked[:3]} == set(sample.target)
    assert ranked[2][1] > ranked[3][1]


def test_partial_credit_is_that_of_a_set() -> None:
    sample = build("aggregate_top")
    first, second, _ = sample.target
    value, _ = SCORERS["set_f1"](sample.target, f"{first}; {second}; bad weather", sample.metadata)
    assert value == pytest.approx(2 / 3)


def test_entries_that_lack_the_clause_are_the_answer() -> None:
    for seed in range(4):
        sample = build("aggregate_missing", places=10, seed=seed)
        clause = sample.metadata["question"].split(" lack ")[1].split("?")[0]
        lacking = [n["value"] for n in sample.metadata["needles"] if clause not in n["text"]]
        assert sorted(lacking) == sorted(sample.target) and 1 <= len(lacking) <= 5


@pytest.mark.parametrize("task", TASKS)
def test_distractors_belong_to_other_registers(task: str) -> None:
    sample = build(task, "neutral-en", density=20.0)
    assert len(sample.metadata["distractors"]) == pytest.approx(20 * sample.metadata["haystack_tokens"] / 10_000, abs=1)
    key = next(part for part in _capitals(sample.metadata["question"]) if part in sample.metadata["needles"][0]["text"])
    assert all(key in needle["text"] for needle in sample.metadata["needles"])
    assert not any(key in span["text"] for span in sample.metadata["distractors"])


def _capitals(question: str) -> list[str]:
    """The name at the end of the question or of one of its clauses."""
    words = question.replace("?", " ?").split()
    runs = [" ".join(words[i:j]) for i in range(len(words)) for j in range(len(words), i + 1, -1)]
    return sorted((run for run in runs if all(word[0].isupper() for word in run.split())), key=len, reverse=True)


def test_the_same_entries_are_asked_about_at_every_length_and_density() -> None:
    made = [build("aggregate_sum", length=length, density=d) for length in (5000, 9000) for d in (0.0, 5.0)]
    assert len({tuple(sorted(n["text"] for n in sample.metadata["needles"])) for sample in made}) == 1


@pytest.mark.parametrize("task", TASKS)
def test_entries_in_code_are_valid_python(task: str) -> None:
    for needle in build(task, "code").metadata["needles"]:
        ast.parse(needle["text"])


@pytest.mark.parametrize("task, places", [("aggregate_count", 1), ("aggregate_top", 6), ("aggregate_sum", 257)])
def test_a_number_of_places_that_cannot_be_is_an_error(task: str, places: int) -> None:
    with pytest.raises(UsageError, match="possible are whole numbers from [27] to 256"):
        build(task, places=places)


def test_names_in_the_filler_are_found_however_many_are_looked_for() -> None:
    find_task("aggregate_count")
    [wording] = [module for name, module in sys.modules.items() if name.endswith("._wording")]
    own, others = "The desk of Vance Paper LP. 王小明的投诉。", [f"Osprey {number} Ltd" for number in range(100)]
    for name, more in (
        ("Vance Paper LP", "(VANCE paper LP)"),
        ("Vance Paper LP", "Vance, Paper LP"),
        ("王小明", "，王小明。"),
    ):
        for names in ([name], [name, *others]):
            assert wording._only_there(names, f"Elsewhere nothing. {own}", own)
            assert wording._only_there(names, f"Elsewhere {more} {own}", own) == ("," in more)
