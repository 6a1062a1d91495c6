from __future__ import annotations

import dataclasses
import json
import random
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_tokenizers
from factories import make_run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from longctx import ruler_table, table
from longctx.cli.table import ruler_text
from longctx.corpus import Corpora, Corpus
from longctx.errors import CorpusError, ImpossibleSample, UsageError
from longctx.scorers import find_scorer
from longctx.sweep import Sweep, read_sweep
from longctx.tasks import find_tasks
from longctx.tokens import Tokenizer
from longctx.types import Cell, Sample

TASKS = {name: task for name, task in find_tasks().items() if name.startswith("ruler_")}
BUDGETS = {"niah": 128, "vt": 30, "cwe": 120, "fwe": 50, "qa": 32}  # scripts/data/synthetic/constants.py at c3f5e3b
QUICK = settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])


@cache
def tokenizer() -> Tokenizer:
    return Tokenizer(small_tokenizers.byte_level(small_tokenizers.LLAMA3), "llama3-like")


@cache
def corpus(name: str = "contracts", repeat: bool = False) -> Corpus:
    return Corpora(tokenizer(), repeat=repeat).get(name, 4096)


def build(task: str, *, repeat: bool = False, **cell: Any) -> Sample:
    variant = tuple(sorted(cell.pop("variant", {}).items()))
    wanted = Cell(f"ruler_{task}", "contracts", 4096, 0.5 if TASKS[f"ruler_{task}"].depth else None, variant=variant)
    return TASKS[f"ruler_{task}"].build(corpus(repeat=repeat), dataclasses.replace(wanted, **cell), tokenizer())


def haystack(sample: Sample) -> str:
    encoding = tokenizer().encode(sample.prompt)
    first = sample.metadata["haystack_at"]
    last = first + sample.metadata["haystack_tokens"]
    return sample.prompt.encode()[encoding.starts[first] : encoding.ends[last - 1]].decode()


def answered(sample: Sample, prompt: str) -> float:
    reader = TASKS[sample.metadata["task"]].reader
    assert reader is not None
    scorer = find_scorer(sample.metadata["scorer"])
    return scorer(sample.target, reader(prompt, sample.metadata["question"]), sample.metadata)[0]


def test_the_thirteen_are_there_with_the_published_scores() -> None:
    assert set(TASKS) == set(ruler_table.TASKS)
    assert {task.scorer for name, task in TASKS.items() if "_qa_" in name} == {"ruler_part"}
    assert {task.scorer for name, task in TASKS.items() if "_qa_" not in name} == {"ruler_all"}
    preset = Sweep.from_fields(read_sweep("ruler"))
    assert preset.tasks == ruler_table.TASKS and preset.sampling.max_tokens == 128
    assert preset.lengths == tuple(4096 * 2**k for k in range(6))
    assert Sweep.from_fields(read_sweep("ruler-small")).tasks == ruler_table.TASKS


@QUICK
@given(task=st.sampled_from(sorted(TASKS)), seed=st.integers(0, 10_000), length=st.integers(1500, 9000))
def test_the_reader_answers_from_the_needles_and_from_nothing_else(task: str, seed: int, length: int) -> None:
    sample = build(task.removeprefix("ruler_"), seed=seed, length=length)
    assert len(sample.prompt_ids) == length
    np.testing.assert_array_equal(sample.prompt_ids, tokenizer().prompt_ids(sample.prompt))
    assert answered(sample, sample.prompt) == 1
    blind = sample.prompt
    for span in sample.metadata["needles"]:
        blind = blind.replace(span["text"], "")
    assert answered(sample, blind) == 0
    assert sample.metadata["generation_budget"] == BUDGETS[task.split("_")[1]]
    assert sample.metadata["length_rule"] == "exact"


@pytest.mark.parametrize("voice", ["neutral-de", "neutral-zh"])
def test_facts_in_two_documents_are_answered_in_other_languages(voice: str) -> None:
    corpus = Corpora(tokenizer(), voice=voice, repeat=True).get("support", 2500)
    for seed in range(8):
        cell = Cell("ruler_qa_2", corpus.name, 2500, 0.5, seed=seed)
        sample = TASKS["ruler_qa_2"].build(corpus, cell, tokenizer())
        assert answered(sample, sample.prompt) == 1, sample.metadata["question"]


@pytest.mark.parametrize("task", sorted(TASKS))
def test_the_shortest_length_that_an_error_names_is_possible_and_one_less_is_not(task: str) -> None:
    name = task.removeprefix("ruler_")
    with pytest.raises(ImpossibleSample, match="shortest possible length with these is") as caught:
        build(name, length=20)
    shortest = int(str(caught.value).rsplit(" ", 1)[1].rstrip(".").replace(",", ""))
    for length in (shortest, shortest + 1, shortest + 17):
        assert len(build(name, length=length).prompt_ids) == length
    with pytest.raises(ImpossibleSample):
        build(name, length=shortest - 1)


@pytest.mark.parametrize("task", sorted(TASKS))
def test_compat_leaves_room_for_the_answer(task: str) -> None:
    name = task.removeprefix("ruler_")
    sample = build(name, length=6000, variant={"mode": "compat"})
    budget = BUDGETS[name.split("_")[0]]
    assert 6000 - budget - 300 < len(sample.prompt_ids) == sample.metadata["length"] <= 6000 - budget
    assert sample.metadata["length_rule"] == "ruler" and sample.metadata["length_asked"] == 6000
    assert answered(sample, sample.prompt) == 1
    with pytest.raises(ImpossibleSample, match="mode=compat"):
        build(name, length=budget, variant={"mode": "compat"})
    with pytest.raises(ImpossibleSample, match=f"needs {budget} more"):
        build(name, length=budget + 60, variant={"mode": "compat"})


@pytest.mark.parametrize("depth", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("haystack", ["noise", "needle", "essay"])
def test_the_asked_needle_stands_at_its_depth(haystack: str, depth: float) -> None:
    sample = build("niah_multikey_1", depth=depth, length=8000, variant={"haystack": haystack})
    assert abs(sample.metadata["depth"] - depth) < (0.08 if 0 < depth < 1 else 1e-9)
    assert len(sample.metadata["distractors"]) == 3
    assert {span["tier"] for span in sample.metadata["distractors"]} == {"template"}


def test_keys_values_and_queries_are_open() -> None:
    sample = build("niah_multivalue", variant={"keys": 5, "queries": 2, "values": 3, "value_kind": "words"})
    assert len(sample.target) == 6 == len(sample.metadata["needles"]) and len(sample.metadata["distractors"]) == 9
    assert sample.metadata["question"].startswith("Which special code words are recorded for")
    assert re.fullmatch("[a-z]+-[a-z]+", sample.target[0])
    for wrong in ({"keys": 0}, {"values": True}, {"queries": 2.0}, {"haystack": "paper"}, {"key_kind": "word"}):
        with pytest.raises(UsageError):
            build("niah_single_1", variant=wrong)


def test_among_needles_alone_no_other_has_an_asked_key() -> None:
    sample = build("niah_multikey_2", length=20_000)
    keys = re.findall(r'recorded for "([^"]+)" is', haystack(sample))
    assert len(keys) > 300 and len(set(keys)) == len(keys)


def test_variables_are_followed_over_any_number_of_hops() -> None:
    sample = build("vt", length=6000, variant={"chains": 3, "hops": 7, "shots": 2})
    assert len(sample.target) == 8 and len(sample.metadata["needles"]) == 8
    starts = [span["start"] for span in sample.metadata["needles"]]
    assert starts == sorted(starts)
    assert len(sample.metadata["distractors"]) == 16
    values = re.findall(r"LET [A-Z]{5} = (\d{5})$", haystack(sample), re.MULTILINE)
    assert len(values) == len(set(values)) == 3
    assert sample.prompt.count("First a solved example.") == 2
    assert "solved" not in build("vt", variant={"shots": 0}).prompt


@pytest.mark.parametrize("mode", ["fixed", "compat"])
def test_variables_are_followed_through_documents(mode: str) -> None:
    for seed in range(3):
        sample = build("vt", length=5000, seed=seed, variant={"haystack": "essay", "chains": 2, "mode": mode})
        assert len(sample.prompt_ids) == (5000 if mode == "fixed" else 4970)
        assert answered(sample, sample.prompt) == 1 and len(sample.metadata["distractors"]) == 5
        starts = [span["start"] for span in sample.metadata["needles"]]
        assert starts == sorted(starts) and sample.metadata["host"] == "contracts"
        assert "The lake is calm" not in haystack(sample) and "lake" in sample.prompt  # the solved example's noise
    with pytest.raises(UsageError, match="essay"):
        build("vt", variant={"haystack": "essays"})


@pytest.mark.parametrize(("length", "often", "seldom"), [(4095, 6, 1), (8000, 30, 3)])
def test_common_words_occur_as_often_as_published(length: int, often: int, seldom: int) -> None:
    sample = build("cwe", length=length)
    listed = re.findall(r"(\d+)\. ([a-z-]+)", haystack(sample))
    assert [int(number) for number, _ in listed] == list(range(1, len(listed) + 1))
    counted = Counter(word for _, word in listed)
    assert {counted.pop(word) for word in sample.target} == {often} and len(sample.target) == 10
    assert set(counted.values()) == {seldom}
    assert sample.metadata["counts"] == dict.fromkeys(sample.target, often)
    with pytest.raises(UsageError, match="more often"):
        build("cwe", variant={"freq_cw": 3, "freq_ucw": 3})


def test_long_lists_are_filled_up_with_pairs_and_no_word_is_part_of_another() -> None:
    sample = build("cwe", length=120_000, variant={"freq_ucw": 1})
    words = sorted({word for _, word in re.findall(r"(\d+)\. ([a-z-]+)", haystack(sample))})
    assert sum("-" in word for word in words) > 500
    assert len(words) == sample.metadata["words"]
    joined = " ".join(words)
    assert all(joined.count(word) == 1 for word in sample.target)


def test_coded_words_follow_zipf() -> None:
    sample = build("fwe", length=8000)
    words = haystack(sample).split("\n")[0].split()
    counted = Counter(words)
    total = sample.metadata["words"]
    zeta = np.pi**2 / 6
    assert [counted[word] for word in sample.target] == [int(total / k**2 / zeta) for k in (2, 3, 4)]
    assert counted["..."] == int(total / zeta) and len(sample.target) == 3
    flat = build("fwe", length=8000, variant={"alpha": 1.2})
    assert flat.metadata["counts"][flat.target[0]] < counted[sample.target[0]]
    long = build("fwe", length=80_000)  # the end of a long text is added to what is there
    assert long.metadata["counts"] == {word: haystack(long).split().count(word) for word in long.target}
    open_ = build("fwe", length=8000, variant={"coded_wordlen": 9, "vocab_size": 12})
    kinds = set(haystack(open_).split("\n")[0].split()) - {"..."}
    assert {len(word) for word in kinds} == {9} and len(kinds) == 11 and answered(open_, open_.prompt) == 1
    for wrong in ({"coded_wordlen": 3}, {"vocab_size": 4}):
        with pytest.raises(UsageError, match="possible are"):
            build("fwe", variant=wrong)
    with pytest.raises(UsageError, match="alpha"):
        build("fwe", variant={"alpha": 1})


@pytest.mark.parametrize("task", ["cwe", "fwe"])
def test_every_sample_has_an_order_of_its_own_but_in_compat(task: str) -> None:
    def orders(mode: str) -> set[tuple[bool, ...]]:
        samples = [build(task, seed=seed, length=6000, variant={"mode": mode}) for seed in range(8)]
        words = [re.findall(r"(?:[a-z-]+|\.\.\.)(?=\s|$)", haystack(sample)) for sample in samples]
        counts.update(sample.metadata["words"] for sample in samples)
        return {tuple(word in s.target for word in listed[:200]) for s, listed in zip(samples, words, strict=True)}

    counts: set[int] = set()
    assert len(orders("fixed")) == 8
    counts.clear()
    assert len(orders("compat")) == len(counts) < 8  # one order for each number of words


def documents(sample: Sample) -> list[str]:
    return re.split(r"Document \d+:\n", haystack(sample))[1:]


def test_the_golden_document_stands_at_its_depth_and_in_compat_always_in_one_place() -> None:
    def place(seed: int, **cell: Any) -> tuple[int, int]:
        sample = build("qa_1", seed=seed, **cell)
        texts = documents(sample)
        assert [f"Document {n}:" in sample.prompt for n in range(1, len(texts) + 1)] == [True] * len(texts)
        [at] = [n for n, text in enumerate(texts) if sample.metadata["needles"][0]["text"] in text]
        return at, len(texts)

    assert place(1, depth=0.0)[0] == 0
    at, count = place(1, depth=1.0)
    assert at == count - 1
    compat = {place(seed, variant={"mode": "compat"}) for seed in range(12)}
    assert len({count for _, count in compat}) == len(compat)  # one place for each number of documents


def test_two_hops_stand_in_two_documents() -> None:
    sample = build("qa_2")
    one, two = sample.metadata["needles"]
    texts = documents(sample)
    assert not any(one["text"] in text and two["text"] in text for text in texts)
    assert sample.target[0] not in one["text"] and sample.target[0] in two["text"]
    assert one["file"] and sample.metadata["host"] == "contracts"


def test_a_voice_without_split_facts_asks_over_two_cards() -> None:
    plain = Corpora(tokenizer()).get("contracts", 4096)
    facts = tuple(dataclasses.replace(fact, halves=None) for fact in plain.voice.facts)
    plain.voice = dataclasses.replace(plain.voice, facts=facts)
    sample = TASKS["ruler_qa_2"].build(plain, Cell("ruler_qa_2", "contracts", 4096, 0.5), tokenizer())
    assert sample.metadata["questions"] == "generic" and answered(sample, sample.prompt) == 1


@pytest.fixture
def squad(tmp_path: Path) -> str:
    rng = random.Random(1)
    names = ["Arvid", "Berit", "Carsten", "Dorte", "Egil", "Frida", "Gorm", "Hilde"]

    def paragraph(index: int) -> dict[str, Any]:
        keeper, year = names[index % 8] + f" {chr(65 + index % 26)}.", rng.randint(1600, 1999)
        text = f"The lighthouse of Cape {index} was built in {year} for the harbour below. {keeper} kept it. " * 2
        asked = {"question": f"Who kept the lighthouse of Cape {index}?", "answers": [{"text": keeper}] * 2}
        never = {"question": f"Who burnt down Cape {index}?", "answers": [], "is_impossible": True}
        return {"context": f"{text}It is {index} feet tall.", "qas": [asked | {"is_impossible": False}, never]}

    data = {"data": [{"paragraphs": [paragraph(10 * a + n) for n in range(10)]} for a in range(8)]}
    path = tmp_path / "squad.json"
    path.write_text(json.dumps(data), "utf-8")
    return str(path)


def test_questions_of_squads_form(squad: str) -> None:
    samples = [build("qa_1", length=2000, seed=seed, variant={"questions": squad}) for seed in range(6)]
    assert len({sample.metadata["question"] for sample in samples}) == 6
    for sample in samples:
        golden = [text for text in documents(sample) if sample.metadata["needles"][0]["text"] in text]
        assert len(golden) == 1 and sample.target[0] in golden[0] and len(sample.prompt_ids) == 2000
        others = [text for text in documents(sample) if text not in golden]
        assert not any(re.search(rf"\b{re.escape(sample.target[0])}", text) for text in others)
        assert "burnt" not in sample.metadata["question"] and sample.metadata["questions"] == "SQuAD"
        assert len(set(documents(sample))) == len(documents(sample))


def test_more_documents_than_a_file_has_recur_only_where_that_is_allowed(squad: str) -> None:
    with pytest.raises(CorpusError, match="--repeat"):
        build("qa_1", length=9000, variant={"questions": squad})
    sample = build("qa_1", length=9000, repeat=True, variant={"questions": squad})
    needle = sample.metadata["needles"][0]["text"]
    assert sample.metadata["repeated"] and haystack(sample).count(needle) == 1
    compat = build("qa_1", length=16_000, variant={"questions": squad, "mode": "compat"})
    assert haystack(compat).count(compat.metadata["needles"][0]["text"]) > 1 and compat.metadata["repeated"]


def test_questions_of_hotpots_form(tmp_path: Path) -> None:
    def entry(index: int) -> dict[str, Any]:
        context = [[f"Title {index}-{n}", [f"Fact {n} of {index}. ", f"More of {index}-{n}."] * 4] for n in range(10)]
        context[3][1][0] = f"The ferry of {index} is called Swan {index}. "  # type: ignore[index]
        facts = [[f"Title {index}-3", 0], [f"Title {index}-7", 1]]
        return {
            "question": f"What is ferry {index} called?", "answer": f"Swan {index}",
            "context": context, "supporting_facts": facts,
        }  # fmt: skip

    path = tmp_path / "hotpot.json"
    path.write_text(json.dumps([entry(index) for index in range(12)]), "utf-8")
    sample = build("qa_2", length=2500, variant={"questions": str(path)})
    assert sample.metadata["questions"] == "HotpotQA" and len(sample.metadata["needles"]) == 2
    assert "Swan" in sample.target[0] and sample.target[0] in haystack(sample)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not valid JSON"),
        ('{"rows": []}', "neither form"),
        ('{"data": [{"paragraphs": [{"qas": []}]}]}', r"field data\[0\].paragraphs\[0\].context is missing"),
        ('{"data": [{"paragraphs": 3}]}', r"field data\[0\].paragraphs is int; expected a list"),
        ('[{"question": "q", "answer": "a", "context": [["t"]]}]', r"\[0\].context\[0\] is no pair"),
        ('[{"question": "q", "context": [["t", ["s"]]]}]', r"field \[0\].answer is missing"),
        ('{"data": [{"paragraphs": [{"context": "c", "qas": []}]}]}', "no question that has an answer"),
    ],
)
def test_a_question_file_that_cannot_be_names_file_and_field(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "questions.json"
    path.write_text(text, "utf-8")
    with pytest.raises(UsageError, match=said) as caught:
        build("qa_1", variant={"questions": str(path)})
    assert str(path) in str(caught.value)
    with pytest.raises(UsageError, match="cannot be read"):
        build("qa_1", variant={"questions": str(tmp_path / "none.json")})


def run_of(folder: Path, scores: dict[int, float], tasks: tuple[str, ...] = ruler_table.TASKS) -> Any:
    def answer(length: int, depth: float, number: int) -> dict[str, Any]:
        return {"outcome": "partial", "score": scores[length]}

    return table.load(make_run(folder, lengths=list(scores), depths=(0.5,), n=2, tasks=tasks, answer=answer))


def test_rulers_table_by_hand(tmp_path: Path) -> None:
    [found] = ruler_table.tables(run_of(tmp_path / "a", {4096: 0.96, 8192: 0.9, 16384: 0.6}))
    assert found.averages == (96.0, 90.0, 60.0) and found.complete and found.effective == 8192
    assert found.inc == round((1 * 96 + 2 * 90 + 3 * 60) / 6, 2)
    assert found.dec == round((3 * 96 + 2 * 90 + 1 * 60) / 6, 2)
    [none] = ruler_table.tables(run_of(tmp_path / "b", {4096: 0.856}))
    assert none.effective is None and "none of the lengths" in " ".join(ruler_table.sentences(none))
    text = ruler_text(run_of(tmp_path / "c", {4096: 0.96, 8192: 0.9}))
    assert "| average of 13        |    96 | 90" in re.sub(r"\| +", "| ", text) or "average of 13" in text
    assert "Effective length: 8K" in text and "Average over the lengths: 93.00; weighted 92.00 (inc" in text
    assert json.loads(ruler_text(run_of(tmp_path / "d", {4096: 1.0}), "json"))["runs"][0]["effective"] == 4096
    assert ruler_text(run_of(tmp_path / "e", {4096: 1.0}), "csv").startswith("run,task,4K\n")


# The table in README.md of NVIDIA/RULER c3f5e3b: averages at 4K … 128K, then their mean, inc and dec, each rounded
# there to one decimal.
PUBLISHED = [
    ([96.7, 96.6, 96.4, 96.0, 95.4, 95.1], 96.0, 95.7, 96.3, 131_072),  # Jamba-1.5-large
    ([96.6, 96.3, 95.2, 93.2, 87.0, 81.2], 91.6, 89.0, 94.1, 65_536),  # GPT-4-1106-preview
    ([96.5, 95.8, 95.4, 94.8, 88.4, 66.6], 89.6, 85.5, 93.7, 65_536),  # Llama3.1 70B
    ([95.5, 93.8, 91.6, 87.4, 84.7, 77.0], 88.3, 85.4, 91.3, 32_768),  # Llama3.1 8B
    ([95.1, 94.4, 90.8, 85.4, 80.9, 72.1], 86.5, 82.6, 90.3, 16_384),  # GradientAI/Llama3 70B
]


@pytest.mark.parametrize(("averages", "mean", "inc", "dec", "effective"), PUBLISHED)
def test_rulers_table_as_published(
    tmp_path: Path, averages: list[float], mean: float, inc: float, dec: float, effective: int
) -> None:
    lengths = [4096 * 2**k for k in range(6)]
    scores = {length: average / 100 for length, average in zip(lengths, averages, strict=True)}
    [found] = ruler_table.tables(run_of(tmp_path / "a", scores))
    assert found.averages == tuple(averages) and found.effective == effective
    assert (found.mean, found.inc, found.dec) == pytest.approx((mean, inc, dec), abs=0.11)


@pytest.mark.slow
def test_a_run_of_the_thirteen_ends_with_their_table(tmp_path: Path) -> None:
    from longctx.cli.run import _text
    from longctx.run import Summary

    run_of(tmp_path / "a", {4096: 1.0, 8192: 0.5})
    assert "Effective length: 4K" in _text(Summary(tmp_path / "a", 52, 52, 0, 0, 0.75))
    run_of(tmp_path / "b", {4096: 1.0}, ruler_table.TASKS[:12])
    assert "Effective length" not in _text(Summary(tmp_path / "b", 24, 24, 0, 0, 1.0))


def test_a_run_that_lacks_tasks_says_which_and_has_no_effective_length(tmp_path: Path) -> None:
    frame = run_of(tmp_path / "a", {4096: 1.0}, ruler_table.TASKS[2:])
    [found] = ruler_table.tables(frame)
    assert not ruler_table.has_ruler(frame) and found.effective is found.inc is found.dec is None
    [said] = ruler_table.sentences(found)
    assert "4K: ruler_niah_single_1, ruler_niah_single_2" in said and "No effective length" in said
    with pytest.raises(UsageError, match="none of RULER's tasks; it asks niah_single"):
        ruler_table.tables(run_of(tmp_path / "b", {4096: 1.0}, ("niah_single",)))
