from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from longctx.backends.doubles import Oracle
from longctx.builder import Builder, cells_of, not_asked, pick_tasks
from longctx.errors import RunError, UsageError
from longctx.plan import make_plan
from longctx.run import run
from longctx.scorers import score
from longctx.sweep import Sweep

VOICE = """
title = "Ledgers"
licence = "CC0-1.0"
language = "en"

[voice]
boundary = "sentence"
instruction = "Read the ledgers."
ask = "Answer from the ledgers. Question: {question}"
escape = "If they do not say it, answer: Not stated."
cue = "Answer:"
absent_answer = "Not stated."
absent_forms = ["not stated"]

[[voice.facts]]
name = "fee"
needle = "The yearly fee of {key} is {value} crowns."
question = "What is the yearly fee of {key}?"
key = {kind = "company"}
value = {kind = "integer", low = 1000000, high = 9999999}
"""
TASK = '''
from longctx.tasks import task

@task("lonely", scorer="includes")
def lonely(corpus, cell, tokenizer):
    """One of its own."""
'''


@pytest.fixture
def world(tmp_path: Path) -> dict[str, Any]:
    """A corpus and a small tokenizer on disk, and a sweep over them."""
    from small_tokenizers import gpt2_like

    folder = tmp_path / "corpora" / "ledgers"
    folder.mkdir(parents=True)
    (folder / "corpus.toml").write_text(VOICE)
    for number in range(4):
        lines = [f"Entry {number}-{line} was made{' and checked' * (line % 40)} by a clerk." for line in range(150)]
        (folder / f"{number}.txt").write_text("\n\n".join(lines))
    gpt2_like().save_pretrained(tmp_path / "tokenizer")
    return {
        "sweep": Sweep(
            corpora=("ledgers",),
            lengths=(1024, 2048),
            tasks=("niah_single", "niah_absent"),
            densities=(0, 8),
            tokenizer=str(tmp_path / "tokenizer"),
            questions_per_haystack=5,
            backend="oracle",
        ),
        "corpora": [tmp_path / "corpora"],
        "out": tmp_path / "run",
    }


def test_a_sweep_over_real_files_is_answered_by_the_oracle_and_described(world: dict[str, Any]) -> None:
    notes: list[str] = []
    summary = run(**world, note=notes.append)
    assert (summary.samples, summary.answered, summary.failed, summary.accuracy) == (40, 40, 0, 1.0)
    assert any("no chat template" in note for note in notes)
    described = json.loads((summary.path / "corpora.json").read_text())["ledgers"]
    assert described["documents"] == 4 and described["licence"] == "CC0-1.0"
    assert described["hashes"] == {"1024": described["hash"], "2048": described["hash"]}
    assert {file["status"] for file in described["files"]} == {"read"}
    manifest = json.loads((summary.path / "manifest.json").read_text())
    assert manifest["tokenizer"]["chat_template"] is False and manifest["backend"]["double"] is True
    plan = manifest["plan"]
    assert plan["prompt_tokens"] == 20 * 1024 + 20 * 2048 and plan["haystacks"] == 4
    # five questions share a prefix, and so do haystacks with and without needles up to the first needle
    assert plan["computed_at_best"] < 0.4 * plan["prompt_tokens"]


def test_a_document_changed_under_a_half_done_run_is_noticed(
    world: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Oracle.answer

    def stopped(self: Oracle, sample: Any) -> str:
        if sample.metadata["length"] == 2048:
            raise KeyboardInterrupt
        return whole(self, sample)

    with monkeypatch.context() as patch:
        patch.setattr(Oracle, "answer", stopped)
        with pytest.raises(KeyboardInterrupt, match="20 of 40 samples answered"):
            run(**world)
    document = world["corpora"][0] / "ledgers" / "0.txt"
    before = document.read_text()
    document.write_text(before + "\n\nOne more entry.")
    with pytest.raises(RunError, match=r"corpus 'ledgers' hash: [0-9a-f]{64} → [0-9a-f]{64}"):
        run(**world)
    document.write_text(before)
    assert run(**world).asked == 20


def test_samples_are_the_same_in_any_order_and_as_long_as_asked(world: dict[str, Any]) -> None:
    sweep = world["sweep"]
    builder = Builder(sweep, pick_tasks(sweep), world["corpora"])
    once = {cell: builder.build(cell) for cell in sweep.cells()}
    again = Builder(sweep, pick_tasks(sweep), world["corpora"])
    for cell in reversed(sweep.cells()):
        sample = again.build(cell)
        assert sample.metadata == once[cell].metadata and sample.id == once[cell].id
        assert len(sample.prompt_ids) == cell.length
        [response] = Oracle().generate([sample])
        assert score(sample, response).outcome == "right"
    one, other = (make_plan(sweep.cells(), each.build) for each in (builder, again))
    assert one.cells == other.cells and one.to_json() == other.to_json()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"tasks": ["niha_single"]}, "Unknown task 'niha_single'. Did you mean 'niah_single'"),
        ({"variant": {"facts": ["fee"]}}, "Unknown axis of niah_single 'facts'. Did you mean 'fact'"),
        ({"tasks": ["lonely"], "questions_per_haystack": 2}, "lonely asks one question per haystack; 2 were asked for"),
    ],
)
def test_tasks_that_cannot_be_asked_so_are_refused(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    (tmp_path / "mine.py").write_text(TASK)
    sweep = Sweep.from_fields({"corpora": "docs", "lengths": 1024}, fields)
    with pytest.raises(UsageError, match=message):
        pick_tasks(sweep, [tmp_path])


def test_what_does_not_apply_to_a_task_is_asked_once() -> None:
    sweep = Sweep(
        corpora=["contracts"], lengths=[4000], depths=[0, 0.5, 1], densities=[0, 4],
        tasks=["niah_single", "mined", "graph_bfs"],
    )  # fmt: skip
    asked = Counter(cell.task for cell in cells_of(sweep, pick_tasks(sweep)))
    assert asked == {"niah_single": 6, "mined": 3, "graph_bfs": 1}


def test_a_task_that_makes_its_own_haystack_shares_none_with_other_tasks(tmp_path: Path) -> None:
    from small_tokenizers import gpt2_like

    gpt2_like().save_pretrained(tmp_path)
    tasks = ("niah_single", "niah_absent", "graph_bfs", "ruler_fwe", "mrcr")
    sweep = Sweep(corpora=["contracts"], lengths=[4096], depths=[0, 1], tasks=tasks, tokenizer=str(tmp_path))
    plan = make_plan(cells_of(sweep, pick_tasks(sweep)), Builder(sweep, pick_tasks(sweep)).build)
    assert (len(plan.cells), plan.haystacks) == (8, 4)


def test_densities_and_depths_that_make_no_difference_are_said() -> None:
    def said(*tasks: str, **axes: Any) -> list[str]:
        sweep = Sweep(corpora=("contracts",), lengths=(4096,), tasks=tasks, **axes)
        return not_asked(sweep, pick_tasks(sweep))

    assert said("niah_single", densities=(0, 5), depths=(0, 1)) == said("ruler_vt", depths=("random",)) == []
    [density, depth] = said("niah_single", "ruler_vt", "mrcr", densities=(0, 5), depths=(0, 0.5, 1))
    assert density.startswith("ruler_vt, mrcr: no distractors") and density.endswith("density 0, 5")
    assert depth.startswith("ruler_vt: no depth") and depth.endswith("3 depths")
