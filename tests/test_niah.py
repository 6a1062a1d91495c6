from __future__ import annotations

import dataclasses
from functools import cache

import pytest
import small_tokenizers

from longctx.corpus import Corpora, Corpus
from longctx.errors import CorpusError, ImpossibleSample
from longctx.tasks import find_task
from longctx.tokens import Tokenizer
from longctx.types import Cell, Sample

DEPTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
DOMAINS = ("contracts", "disclosures", "support", "policies", "code")


@cache
def tokenizer() -> Tokenizer:
    return Tokenizer(small_tokenizers.byte_level(small_tokenizers.LLAMA3), "llama3-like")


@cache
def corpus(name: str) -> Corpus:
    return Corpora(tokenizer()).get(name, 4096)


def build(task: str, name: str = "contracts", **cell: object) -> Sample:
    wanted = Cell(task, name, 4096, 0.5)
    return find_task(task).build(corpus(name), dataclasses.replace(wanted, **cell), tokenizer())  # type: ignore[arg-type]


@pytest.mark.parametrize("name", DOMAINS)
def test_a_needle_stands_between_whole_sentences_of_its_corpus(name: str) -> None:
    for seed in range(4):
        sample = build("niah_single", name, seed=seed)
        [needle] = sample.metadata["needles"]
        before, after = sample.prompt.split(needle["text"])
        assert before.endswith("\n\n") and after.startswith("\n\n")
        assert not before.rstrip().endswith((",", ":", ";", "("))
        if before.rstrip().endswith("|"):  # a table at the end of a document, never inside one
            assert after.lstrip().startswith("# ")
        assert needle["file"] and needle["line"]
        if name == "code":  # before a definition, not inside one
            assert not after.strip("\n").startswith((" ", ")", "}", "]"))


def test_the_same_facts_are_asked_at_every_length_depth_and_density() -> None:
    asked = {
        build("niah_single", length=length, depth=depth, density=density, seed=7).metadata["question"]
        for length in (3000, 9000)
        for depth in (0.0, 0.5)
        for density in (0.0, 5.0)
    }
    assert len(asked) == 1
    assert build("niah_single", seed=8).metadata["question"] not in asked


def test_questions_of_one_haystack_are_about_facts_of_different_forms() -> None:
    samples = [build("niah_single", depths_together=DEPTHS, depth=depth) for depth in DEPTHS]
    assert len({sample.metadata["question"] for sample in samples}) == 5
    for index, sample in enumerate(samples):
        [needle] = sample.metadata["needles"]
        others = sample.metadata["co_needles"]
        assert [span["tier"] for span in others] == ["co-needle"] * 4
        assert needle["text"] not in [span["text"] for span in others]
        assert sorted([needle["start"], *(span["start"] for span in others)])[index] == needle["start"]
        assert needle["value"] == sample.target


def test_every_question_of_a_haystack_has_its_own_distractors() -> None:
    sample = build("niah_single", depths_together=DEPTHS, density=5.0, length=8000)
    asked, others = sample.metadata["distractors"], sample.metadata["co_needles"]
    assert len(asked) == 4 and {span["tier"] for span in asked} == {"template"}
    assert sum(span["tier"] == "co-distractor" for span in others) == 4 * 4
    [needle] = sample.metadata["needles"]
    opening = needle["text"][:12]
    assert all(span["text"][:12] == opening or needle["value"] not in span["text"] for span in asked)


def test_absent_keeps_filler_and_distractors_and_leaves_the_needle_out() -> None:
    there, gone = build("niah_single", density=10.0), build("niah_absent", density=10.0)
    assert gone.metadata["needles"] == [] and gone.metadata["depth"] is None
    assert gone.target == corpus("contracts").voice.absent_answer
    assert len(gone.metadata["distractors"]) == len(there.metadata["distractors"])
    assert corpus("contracts").voice.escape in gone.prompt and corpus("contracts").voice.escape not in there.prompt
    escaping = build("niah_single", variant=(("escape", True),))
    assert corpus("contracts").voice.escape in escaping.prompt


def test_absent_asks_something_else_at_each_depth() -> None:
    assert len({build("niah_absent", depth=depth).metadata["sha256"] for depth in DEPTHS}) == len(DEPTHS)
    together = {build("niah_absent", depth=depth, depths_together=DEPTHS).metadata["question"] for depth in DEPTHS}
    assert len(together) == len(DEPTHS)


def test_a_fact_can_be_named() -> None:
    name = corpus("contracts").voice.facts[3].name
    for seed in range(3):
        sample = build("niah_single", seed=seed, variant=(("fact", name),))
        stem = corpus("contracts").voice.facts[3].question.split("{key}")[0]
        assert sample.metadata["question"].startswith(stem)
    with pytest.raises(CorpusError, match="Unknown fact 'late-fee'"):
        build("niah_single", variant=(("fact", "late-fee"),))


def test_more_distractors_than_the_length_holds_are_refused() -> None:
    with pytest.raises(ImpossibleSample, match="needles and distractors take"):
        build("niah_single", density=5000.0)


def test_a_fact_that_the_filler_holds_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from longctx import samples

    first = build("niah_single", seed=11)
    real, refused = samples.is_unique, []

    def once(fact: object, text: str) -> bool:
        if not refused:
            refused.append(fact)
            return False
        return real(fact, text)  # type: ignore[arg-type]

    monkeypatch.setattr(samples, "is_unique", once)
    assert build("niah_single", seed=11).target != first.target
    monkeypatch.setattr(samples, "is_unique", lambda fact, text: False)
    with pytest.raises(ImpossibleSample, match="wider range"):
        build("niah_single", seed=11)
