"""Every task can be answered from its rendered text by an independent reader, and not without its needles."""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path

import pytest
import small_tokenizers

from longctx.backends.doubles import Oracle
from longctx.corpus import Corpora
from longctx.errors import ImpossibleSample
from longctx.scorers import score
from longctx.tasks import Task, find_tasks
from longctx.tokens import Tokenizer
from longctx.types import Cell, Response, Sample

TASKS = find_tasks()
ORACLE = Oracle(readers={name: task.reader for name, task in TASKS.items() if task.reader})
SHIPPED = ("contracts", "disclosures", "support", "policies", "code")
LENGTH = 6000


@cache
def corpora() -> Corpora:
    return Corpora(Tokenizer(small_tokenizers.byte_level(small_tokenizers.LLAMA3), "llama3-like"), repeat=True)


def build(task: Task, source: str, seed: int) -> Sample:
    corpus = corpora().get(source, LENGTH)
    cell = Cell(task.name, corpus.name, LENGTH, (0.0, 0.5, 1.0)[seed % 3], 4.0 * task.density, seed)
    try:
        return task.build(corpus, cell, corpora().tokenizer)
    except ImpossibleSample as error:
        pytest.skip(str(error))


def worth(sample: Sample, prompt: str) -> float:
    answer = ORACLE.answer(dataclasses.replace(sample, prompt=prompt))
    return score(sample, Response(sample.id, answer)).value


def check(task: Task, source: str, seed: int) -> None:
    sample = build(task, source, seed)
    assert worth(sample, sample.prompt) == 1, (sample.metadata["question"], sample.target)
    blind = sample.prompt
    for needle in sample.metadata["needles"]:
        blind = blind.replace(needle["text"], "")
    if sample.metadata["scorer"] == "absent":
        assert worth(sample, blind) == 1
    else:
        assert worth(sample, blind) < 1


@pytest.mark.parametrize("source", SHIPPED)
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name == "mined")) for name in sorted(TASKS)]
)
def test_the_reader_answers_over_shipped_corpora_and_is_lost_without_the_needle(name: str, source: str) -> None:
    check(TASKS[name], source, sorted(SHIPPED).index(source))


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["contracts", "disclosures", "policies", "support", "mixed"])
@pytest.mark.parametrize("name", sorted(TASKS))
def test_the_reader_answers_over_real_documents(name: str, folder: str, shared_corpora: Path) -> None:
    for seed in range(3):
        check(TASKS[name], str(shared_corpora / folder), seed)
