from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

import numpy as np
import pytest
import small_tokenizers

from longctx.content import cache_folder
from longctx.corpus import Corpora, Corpus
from longctx.errors import ImpossibleSample, UsageError
from longctx.scorers import SCORERS
from longctx.tasks import find_task
from longctx.tokens import Tokenizer
from longctx.types import Cell, Sample

TASKS = ("graph_bfs", "graph_parents")


@cache
def tokenizer(kind: str) -> Tokenizer:
    return Tokenizer(small_tokenizers.KINDS[kind](), kind)


@cache
def corpus(kind: str) -> Corpus:
    """One page that no haystack holds."""
    folder = cache_folder("test-page")
    (folder / "page.txt").write_text("This page stands in no graph. " * 20, "utf-8")
    return Corpora(tokenizer(kind), voice="neutral-en").get(str(folder), 1)


def build(task: str, length: int = 4000, seed: int = 0, kind: str = "llama3-like", **variant: Any) -> Sample:
    cell = Cell(task, "page", length, None, 0.0, seed, variant=tuple(sorted(variant.items())))
    return find_task(task).build(corpus(kind), cell, tokenizer(kind))


def score(task: str, sample: Sample, prompt: str) -> float:
    reader = find_task(task).reader
    assert reader is not None
    answer = reader(prompt, sample.metadata["question"])
    return SCORERS[sample.metadata["scorer"]](sample.target, answer, sample.metadata)[0]


def edges(sample: Sample) -> list[list[str]]:
    return [line.split(" -> ") for line in sample.prompt.splitlines() if line.count(" ") == 2 and " -> " in line]


@pytest.mark.parametrize("kind", sorted(small_tokenizers.KINDS))
@pytest.mark.parametrize("task", TASKS)
def test_a_search_of_the_text_finds_the_answer_and_none_without_the_needles(task: str, kind: str) -> None:
    for seed, length in enumerate((2000, 5001)):
        sample = build(task, length, seed, kind)
        assert len(sample.prompt_ids) == length
        np.testing.assert_array_equal(sample.prompt_ids, tokenizer(kind).prompt_ids(sample.prompt))
        assert score(task, sample, sample.prompt) == 1
        blind = sample.prompt
        for needle in sample.metadata["needles"]:
            assert blind.count(needle["text"]) == 1
            blind = blind.replace(needle["text"], "")
        assert score(task, sample, blind) == 0
        assert 2 <= len(sample.target) <= 12 and len(set(sample.target)) == len(sample.target)


@pytest.mark.parametrize("steps", [1, 2, 5, 8])
def test_the_frontier_is_at_the_exact_distance(steps: int) -> None:
    for seed in range(3):
        sample = build("graph_bfs", seed=seed, steps=steps)
        distance = {sample.metadata["question"].split()[3]: 0}
        for _ in range(2 * steps):  # an obviously right way: shorten until nothing changes any more
            for source, target in edges(sample) * 2:
                if source in distance:
                    distance[target] = min(distance.get(target, 99), distance[source] + 1)
        assert {node for node, far in distance.items() if far == steps} == set(sample.target)


def test_every_edge_is_there_once_and_none_leads_to_itself() -> None:
    for task in TASKS:
        found = edges(build(task, 20_000))
        assert len(found) > 500 and len({tuple(edge) for edge in found}) == len(found)
        assert all(source != target for source, target in found)


def test_a_long_graph_is_ended_without_encoding_it_again() -> None:
    sample = build("graph_bfs", 70_001)
    np.testing.assert_array_equal(sample.prompt_ids, tokenizer("llama3-like").prompt_ids(sample.prompt))
    assert len(sample.prompt_ids) == 70_001 and score("graph_bfs", sample, sample.prompt) == 1
    found = edges(sample)
    assert len({tuple(edge) for edge in found}) == len(found)


def test_what_the_answer_depends_on_does_not_show_by_its_degree() -> None:
    sample = build("graph_bfs", 20_000)
    found = edges(sample)
    into = Counter(target for _, target in found)
    own = {node for needle in sample.metadata["needles"] for node in needle["text"].split(" -> ")}
    rest = [into[node] for node in into if node not in own]
    assert np.mean([into[node] for node in own]) < 2.5 * np.mean(rest)
    assert max(into[node] for node in own) <= 1.5 * max(rest)


def test_the_same_question_is_asked_at_every_length_with_other_places_for_other_seeds() -> None:
    short, long, other = build("graph_bfs", 3000), build("graph_bfs", 9000), build("graph_bfs", 3000, seed=1)
    assert short.metadata["question"] == long.metadata["question"] != other.metadata["question"]
    assert short.target == long.target
    starts = [needle["start"] / long.metadata["haystack_tokens"] for needle in long.metadata["needles"]]
    assert min(starts) < 0.2 and max(starts) > 0.8


@pytest.mark.parametrize("convention, right", [("lm-eval", 0.0), ("card", 0.0), ("empty", 1.0)])
@pytest.mark.parametrize("task", TASKS)
def test_an_empty_answer_is_asked_for_by_name_and_scored_by_convention(
    task: str, convention: str, right: float
) -> None:
    for steps in ({"steps": 1}, {"steps": 3}) if task == "graph_bfs" else ({},):
        sample = build(task, empty=True, convention=convention, **steps)
        assert sample.target == [] and score(task, sample, sample.prompt) == right


def test_the_cards_parser_loses_one_node() -> None:
    sample = build("graph_parents", convention="card")
    assert sample.metadata["scorer"] == "graph_f1_card"
    assert score("graph_parents", sample, sample.prompt) == pytest.approx(1 - 1 / len(sample.target))


@pytest.mark.parametrize("kind", ["unigram", "wordpiece"])
@pytest.mark.parametrize("task", TASKS)
def test_the_shortest_length_is_named_and_every_one_above_it_is_possible(task: str, kind: str) -> None:
    with pytest.raises(ImpossibleSample, match="shortest possible length with these is") as caught:
        build(task, 20, kind=kind)
    shortest = int(str(caught.value).rsplit(" ", 1)[1].rstrip(".").replace(",", ""))
    for length in range(shortest, shortest + 24, 6):
        assert len(build(task, length, kind=kind).prompt_ids) == length


@pytest.mark.parametrize("variant", [{"steps": 0}, {"steps": 9}, {"convention": "strict"}, {"empty": "yes"}])
def test_what_a_variant_cannot_be_is_an_error_that_says_what_is_possible(variant: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="possible are"):
        build("graph_bfs", **variant)
