from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from factories import ERROR, RIGHT, WRONG, make_run, record

from longctx import table
from longctx.errors import RunError, UsageError


def lines(run: Path) -> list[str]:
    return (run / "records.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)


def test_a_row_a_sample_with_the_documented_columns_and_types(tmp_path: Path) -> None:
    run = make_run(tmp_path / "demo", lengths=[1024, 8000], depths=[0, 0.5], n=3, density_asked=5.0)
    frame = table.load(run)
    assert len(frame) == 12
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {n: d for n, (d, _) in table.COLUMNS.items()}
    row = frame[(frame["length_asked"] == 8000) & (frame["depth_asked"] == 0.5)].iloc[0]
    assert (row["run"], row["n_distractors"], row["n_co_needles"], row["needle_start"]) == ("demo", 4, 0, 3940)
    assert (row["needle_file"], row["needle_page"], row["needle_line"]) == ("lease.pdf", 3, pd.NA) or pd.isna(
        row["needle_line"]
    )
    assert row["started_at"] == pd.Timestamp("2025-01-01T10:00:00.25Z")
    assert pd.isna(row["thinking_tokens"])


def test_types_do_not_depend_on_what_is_missing(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", n=1, depth=None, ttft_s=None, prompt_tokens=None, needles=[], finish_reason=None)
    frame = table.load(run)
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {n: d for n, (d, _) in table.COLUMNS.items()}
    assert frame["needle_start"].isna().all()
    assert (frame["needle_file"] == "").all()


def test_the_last_record_of_a_sample_counts(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", lengths=[1024], depths=[0.5], n=2, answer=lambda *_: ERROR)
    again = json.loads(lines(run)[0]) | RIGHT | {"error": "", "attempts": 2}
    with (run / "records.jsonl").open("a") as file:
        file.write(json.dumps(again) + "\n")
    frame = table.load(run).set_index("id")
    assert len(frame) == 2
    assert frame.loc[again["id"], "outcome"] == "right"
    assert frame.loc[again["id"], "attempts"] == 2


def test_errors_have_no_score(tmp_path: Path) -> None:
    frame = table.load(make_run(tmp_path / "a", n=1, answer=lambda *_: ERROR))
    assert frame["score"].isna().all()


@pytest.mark.parametrize("cut", [1, 30, 400])
def test_a_torn_last_line_is_dropped(tmp_path: Path, cut: int) -> None:
    run = make_run(tmp_path / "a", lengths=[1024], n=1)
    text = (run / "records.jsonl").read_bytes()
    (run / "records.jsonl").write_bytes(text + text[:cut])
    assert len(table.load(run)) == 5


def test_a_last_line_is_whole_without_its_line_feed(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", lengths=[1024], n=1)
    (run / "records.jsonl").write_bytes((run / "records.jsonl").read_bytes().rstrip())
    assert len(table.load(run)) == 5


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("{half\n", "line 2 is not JSON"),
        ("[]\n", "line 2 is not a JSON object"),
        ('{"id": "x"}\n', "line 2, is damaged: it lacks 'task'"),
        (json.dumps(record(1024, 0.5, score=1.5)) + "\n", "the score is 1.5"),
        (json.dumps(record(1024, 0.5, score=float("nan"))) + "\n", "the score is nan"),
        (json.dumps(record(1024, 0.5, score=None)) + "\n", "the score is None"),
        (json.dumps(record(1024, 0.5, outcome="rihgt")) + "\n", "Did you mean 'right'"),
        (json.dumps(record(1024, 0.5, depth="deep")) + "\n", "column 'depth' does not hold float64"),
        (json.dumps(record(1024, 0.5, length=1.5)) + "\n", "column 'length' does not hold Int64"),
    ],
)
def test_damage_is_named(tmp_path: Path, bad: str, said: str) -> None:
    run = make_run(tmp_path / "a", lengths=[1024], n=1)
    first, *rest = lines(run)
    (run / "records.jsonl").write_text("".join([first, bad, *rest]))
    with pytest.raises(RunError, match="damaged") as error:
        table.load(run)
    assert said in str(error.value)


def test_no_run_says_what_is_there(tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "demo", n=1)
    with pytest.raises(RunError, match=r"No run at .*dmeo. Runs there: .*demo"):
        table.load(tmp_path / "runs" / "dmeo")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "x.txt").touch()
    with pytest.raises(RunError, match=r"no records.jsonl. There is: x.txt"):
        table.load(tmp_path / "notes")
    with pytest.raises(RunError, match=r"A run is a folder"):
        table.load(tmp_path / "notes" / "x.txt")
    with pytest.raises(UsageError, match="No run given"):
        table.load()


@pytest.mark.parametrize("content", ["", "\n\n", '{"id": "torn'])
def test_a_run_without_a_record_says_so(tmp_path: Path, content: str) -> None:
    (tmp_path / "records.jsonl").write_text(content)
    with pytest.raises(RunError, match="no complete record yet"):
        table.load(tmp_path)


def test_runs_are_stacked_and_told_apart(tmp_path: Path) -> None:
    a = make_run(tmp_path / "x" / "same", n=1, model="A")
    b = make_run(tmp_path / "y" / "same", n=1, model="B", variant={"tier": "entity"})
    frame = table.load(a, b)
    assert list(frame["run"].cat.categories) == [str(a), str(b)]
    assert frame["model"].dtype == "category"
    assert frame["outcome"].cat.categories[0] == "right"
    assert frame["variant.tier"].isna().sum() == len(frame) // 2
    with pytest.raises(UsageError, match="twice"):
        table.load(a, tmp_path / "x" / ".." / "x" / "same")


def test_nested_columns_only_on_request(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", n=1, target=["4,711", "4711"], variant={"k": [1, 2]})
    assert not set(table.NESTED) & set(table.load(run).columns)
    frame = table.load(run, nested=True)
    assert frame["targets"][0] == ["4,711", "4711"]
    assert frame["target"][0] == "4,711 | 4711"
    assert frame["needles"][0][0]["page"] == 3
    assert frame["variant.k"][0] == "[1, 2]"


def test_a_double_is_known_by_manifest_or_by_name(tmp_path: Path) -> None:
    assert not table.load(make_run(tmp_path / "a", n=1))["double"].any()
    assert table.load(make_run(tmp_path / "b", n=1, double=True))["double"].all()
    run = make_run(tmp_path / "c", n=1, backend="oracle", answer=lambda *_: WRONG)
    (run / "manifest.json").write_text("{torn")
    assert table.load(run)["double"].all()


def test_half_a_surrogate_pair_does_no_harm(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", lengths=[1024], depths=[0.5], n=1)
    text = json.dumps(record(1024, 0.5, output_text="\ud83d", question="ok \U0001f600"))
    (run / "records.jsonl").write_text(text + "\n")
    frame = table.load(run)
    assert frame["output_text"][0] == "?"
    assert frame["question"][0] == "ok \U0001f600"


def test_batches_join_seamlessly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path / "a", n=2, answer=lambda length, *_: {"finish_reason": f"f{length}"})
    whole = table.load(run, nested=True)
    monkeypatch.setattr(table, "_BATCH", 7)
    pd.testing.assert_frame_equal(table.load(run, nested=True), whole)


def test_analysis_imports_no_model_library() -> None:
    code = (
        "import sys, longctx.table; assert 'pandas' not in sys.modules;"
        "import longctx.report, longctx.cli.report, longctx.cli.table;"
        "heavy = {'torch', 'vllm', 'transformers', 'tokenizers', 'matplotlib.pyplot', 'seaborn'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(table.__file__).parents[1])
