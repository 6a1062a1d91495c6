from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import small_tokenizers

from longctx import controls, stats, table
from longctx.backends.doubles import Oracle
from longctx.builder import cells_of
from longctx.cli import group
from longctx.corpus import Corpora, Corpus
from longctx.errors import UsageError
from longctx.scorers import score
from longctx.sweep import Sweep
from longctx.tasks import find_tasks
from longctx.tokens import Tokenizer
from longctx.types import Cell, Sample

TASKS = find_tasks()
NAMES = sorted(name for name, task in TASKS.items() if controls.suits(task) and name != "mined")


@cache
def tokenizer() -> Tokenizer:
    return Tokenizer(small_tokenizers.byte_level(small_tokenizers.LLAMA3), "llama3-like")


@cache
def corpus() -> Corpus:
    return Corpora(tokenizer()).get("contracts", 8192)


def build(name: str, control: str, **fields: object) -> Sample:
    cell = Cell(name, "contracts", 6000, 0.5, 0.0, 1, (), (("control", control),))
    return controls.build(TASKS[name], corpus(), cell, tokenizer())


def asked(**fields: object) -> list[Cell]:
    sweep = Sweep(**({"corpora": ["contracts"], "lengths": [4096, 8192]} | fields))  # type: ignore[arg-type]
    return [cell for cell in cells_of(sweep, {n: TASKS[n] for n in sweep.tasks}) if controls.control_of(cell)]


@pytest.mark.parametrize("name", NAMES)
def test_a_control_asks_the_same_and_holds_only_what_it_should(name: str) -> None:
    base = TASKS[name].build(corpus(), Cell(name, "contracts", 6000, 0.5, 0.0, 1), tokenizer())
    for control in ("closed-book", "short"):
        sample = build(name, control)
        assert (sample.metadata["question"], sample.target) == (base.metadata["question"], base.target)
        assert sample.metadata["question"] in sample.prompt
        needles = [needle["text"] in sample.prompt for needle in base.metadata["needles"]]
        assert all(needles) if control == "short" else not any(needles)
        assert sample.metadata["length"] == len(sample.prompt_ids) < 1000
        assert np.array_equal(sample.prompt_ids, tokenizer().prompt_ids(sample.prompt))
        assert sample.id != base.id
        assert (sample.metadata["depth"], sample.metadata["haystack"]) == (None, "")


def test_a_reader_finds_the_needle_when_it_is_alone_and_nothing_closed_book() -> None:
    oracle = Oracle()
    for control, outcome in (("short", "right"), ("closed-book", "absent")):
        sample = build("niah_multikey", control)
        [response] = oracle.generate([sample])
        assert score(sample, response).outcome == outcome


def test_each_question_is_asked_once() -> None:
    assert len(asked(samples=3, densities=[0, 4], controls=["short", "closed-book"])) == 3 * 2
    assert len(asked(samples=3, controls=["short"], variant={"tier": ["template", "entity"]}, densities=[0, 4])) == 3
    assert len(asked(samples=3, controls=["short"], variant={"needle": ["domain", "uuid"]})) == 6
    assert len(asked(questions_per_haystack=5, controls=["short"])) == 5
    assert not asked(samples=3)


def test_tasks_about_the_whole_have_none() -> None:
    with pytest.raises(UsageError, match="None of aggregate_sum can be asked without a haystack"):
        asked(tasks=["aggregate_sum"], controls=["short"])
    assert {cell.task for cell in asked(tasks=["aggregate_sum", "niah_single"], controls=["short"])} == {"niah_single"}
    with pytest.raises(UsageError, match="Did you mean 'closed-book'"):
        Sweep(corpora=("contracts",), lengths=(4096,), controls=("closed_book",))


def test_a_run_with_controls(tmp_path: Path) -> None:
    from click.testing import CliRunner

    words = "run --corpus contracts --length 1K,2K --depth 0,1 -n 2 --controls closed-book,short --backend oracle --out"
    run = tmp_path / "run"
    result = CliRunner().invoke(group, [*words.split(), str(run), "--json"], catch_exceptions=False)
    assert '"samples": 12' in result.stdout
    assert '"accuracy": 1.0' in result.stdout
    frame = table.load(run, controls=True)
    assert frame["control"].value_counts().to_dict() == {"": 8, "closed-book": 2, "short": 2}
    assert len(table.load(run)) == 8
    assert stats.cells(frame, ["length"])["n"].tolist() == [4, 4]
    assert stats.controls(frame)["right"].tolist() == [0, 2]
    found = stats.attribution(frame)
    assert found[found["part"] == "right"]["count"].tolist() == [4, 4]
    assert "variant.control" not in frame
    printed = CliRunner().invoke(group, ["table", str(run), "--by", "control,task"], catch_exceptions=False).stdout
    assert "| short" in printed
    again = CliRunner().invoke(group, [*words.split(), str(run), "--json"], catch_exceptions=False)
    assert '"asked": 0' in again.stdout
