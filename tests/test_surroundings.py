from __future__ import annotations

import json
from pathlib import Path

import pytest
from factories import make_run

from longctx import Sweep, run_sweep, table
from longctx.report.surroundings import TOKENS, rebuild


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, smollm2: Path) -> Path:
    """A run of a double over a folder of its own, with look-alikes."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "docs").mkdir()
    months = ("January", "March", "May", "July", "September", "November")
    for number, month in enumerate(months):
        lines = [
            f"In {month} the mill of row {i} ground {i * 7 + number} sacks of rye and stood still on day {i % 28}."
            for i in range(60)
        ]
        (folder / "docs" / f"{month}.txt").write_text("\n\n".join(lines))
    sweep = Sweep(
        corpora=(str(folder / "docs"),), lengths=(1024,), depths=(0.0, 0.5), densities=(40.0,), samples=2,
        tokenizer=str(smollm2), backend="lossy", engine={"ceiling": 0.0},
    )  # fmt: skip
    run_sweep(sweep, folder / "run")
    return folder / "run"


def test_text_around_the_needle_is_what_the_model_read(run: Path) -> None:
    frame = table.load(run)
    found, why = rebuild(run, frame)
    assert (len(found), why) == (4, "")
    for row in frame.to_dict("records"):
        name, before, inside, behind = found[row["id"]]["passages"][0]
        assert name == "the needle"
        assert inside.strip() == row["needle_text"]
        assert "the mill of row" in before + behind
        assert (row["depth_asked"] == 0) == (before == "")
        assert len(behind) < 12 * TOKENS


def test_the_picked_distractor_is_shown_too(run: Path) -> None:
    frame = table.load(run)
    rows = [json.loads(line) for line in (run / "records.jsonl").read_text().splitlines()]
    span = rows[0]["distractors"][-1]
    frame.loc[frame["id"] == rows[0]["id"], "picked_start"] = span["start"]
    found, _ = rebuild(run, frame)
    name, _, inside, _ = found[rows[0]["id"]]["passages"][1]
    assert name == "the distractor that was given"
    assert inside.strip() == span["text"]


def test_what_cannot_be_rebuilt_is_said(run: Path, tmp_path: Path) -> None:
    frame = table.load(run)
    changed = frame.assign(sha256="0" * 64)
    assert "4 of 4 samples could not be rebuilt: documents, tokenizer or version" in rebuild(run, changed)[1]
    assert rebuild(run, frame, 0) == ({}, "It was not asked for.")
    assert len(rebuild(run, frame, 1)[0]) == 1
    made_up = make_run(tmp_path / "made-up", [1024], [0.5], 1)
    assert rebuild(made_up, table.load(made_up))[1] == "The samples cannot be rebuilt here: the run has no sweep.toml."
    (made_up / "sweep.toml").write_text('corpora = ["gone"]\nlengths = [1024]\ntokenizer = "/nowhere"\n')
    found, why = rebuild(made_up, table.load(made_up))
    assert found == {} and "/nowhere" in why
