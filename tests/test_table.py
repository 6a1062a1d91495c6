from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import pandas as pd
import pyarrow as pa
import pytest
from factories import ERROR, RIGHT, WRONG, make_run, record

from longctx import record_blocks, records, stats, table, table_parts, table_workers
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


def test_columns_of_objects_only_on_request(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", n=1, target=["4,711", "4711"], variant={"k": [1, 2]})
    assert not set(table.OBJECTS) & set(table.load(run).columns)
    frame = table.load(run, objects=True)
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
    whole = table.load(run, objects=True)
    monkeypatch.setattr(table, "_BATCH", 7)
    pd.testing.assert_frame_equal(table.load(run, objects=True), whole)


def test_analysis_imports_no_model_library() -> None:
    code = (
        "import sys, longctx.table; assert 'pandas' not in sys.modules;"
        "import longctx.report, longctx.cli.report, longctx.cli.table;"
        "heavy = {'torch', 'vllm', 'transformers', 'tokenizers', 'matplotlib.pyplot', 'seaborn'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(table.__file__).parents[1])


def test_blocks_and_lines_give_the_same(tmp_path: Path) -> None:
    """The fast way and the slow one, over every kind of record that a run writes."""
    run = make_run(tmp_path / "a", n=2, densities=(0.0, 20.0), variant={"tier": "entity", "escape": True})
    more = [
        record(1024, 0.5, 7, target=["4,711", "4711"]),
        record(1024, 0.5, 8, density_asked=40.0, outcome="distractor", score=0.0, picked=2, variant={}),
        record(1024, 0.5, 9, depth=None, depth_asked=None, needles=[], variant={"control": "short"}),
        record(1024, 0.5, 10, outcome="truncated", score=0.0, explanation=records.THINKING),
        record(1024, 0.5, 11, **(ERROR | {"score": 0.5}), host=None, picked=None),
    ]
    whole = lines(run) + [json.dumps(one, ensure_ascii=number % 2 == 0) + "\n" for number, one in enumerate(more)]
    for part in (whole, whole[:-5] + whole[-4:], whole[-5:]):  # with a list among the targets, without, mixed
        (run / "records.jsonl").write_text("".join(part), encoding="utf-8")
        fast = table.load(run, controls=True)
        slow = table.load(run, controls=True, objects=True).drop(columns=list(table.OBJECTS))
        pd.testing.assert_frame_equal(fast, slow)
    assert fast["outcome"].tolist()[-2:] == ["truncated_thinking", "error"]
    assert fast["picked_start"].tolist()[1] == 452
    assert record_blocks.read("".join(whole).encode(), len(whole)) is not None  # so that both ways were taken
    assert len(table.load(run)) == len(fast) - 1


def test_ranks_of_the_picked_distractor() -> None:
    spans = [{"start": start, "tier": "template"} for start in (10, 480, 520, 900)]
    found = records.picked_ranks(1, spans, 500)
    assert found["picked_lateness"] == 1.5 / 4
    assert found["picked_nearness"] == 3 / 4  # 480 and 520 are as near: ranks 3 and 4 share 3.5 - ½
    assert records.picked_ranks(None, spans, 500) == {}


def parts_of(run: Path, part: int, block: int = 700) -> pd.DataFrame:
    return pa.concat_tables(table_parts.read(run / "records.jsonl", None, part, block)).to_pandas()


def test_parsed_stretches_are_kept_until_the_records_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path / "a", n=3)
    direct = parts_of(run, 1 << 30)
    assert not (run / ".table").exists()
    pd.testing.assert_frame_equal(parts_of(run, 20_000), direct)
    kept = {path.name: path.stat().st_mtime_ns for path in (run / ".table").glob("*.arrow")}
    assert len(kept) > 1
    with (run / "records.jsonl").open("a") as file:
        file.write(json.dumps(record(512, 0.5)) + "\n" + '{"torn')
    with monkeypatch.context() as patch:
        patch.setattr(record_blocks, "read", lambda *_: None)  # only the rest is parsed, line by line
        grown = parts_of(run, 20_000)
    assert len(grown) == len(direct) + 1
    assert {path.name: path.stat().st_mtime_ns for path in (run / ".table").glob("*.arrow")}.items() >= kept.items()
    text = (run / "records.jsonl").read_text().replace("contracts", "documents")
    (run / "records.jsonl").write_text(text)
    assert set(parts_of(run, 20_000)["corpus"]) == {"documents"}


def test_damage_is_named_in_a_later_stretch_too(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", n=3)
    written = lines(run)
    written[40] = "{half\n"
    (run / "records.jsonl").write_text("".join(written))
    with pytest.raises(RunError, match="line 41 is not JSON"):
        parts_of(run, 20_000)


def test_workers_parse_stretches_and_damage_is_still_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path / "a", n=3)
    direct = parts_of(run, 1 << 30)
    here = table_parts.parse
    parsed: list[int] = []  # where stretches begin that this process parses

    def parse(file: IO[bytes], path: Path, begin: int, *rest: Any, **more: Any) -> Any:
        parsed.append(begin)
        return here(file, path, begin, *rest, **more)

    monkeypatch.setattr(table_parts, "parse", parse)
    pd.testing.assert_frame_equal(parts_of(run, 20_000), direct)
    assert len(parsed) == 1 and len(list((run / ".table").glob("*.arrow"))) > 2  # the rest at the end
    shutil.rmtree(run / ".table")
    monkeypatch.setattr(table_workers, "_COMMAND", (sys.executable, "-c", "raise SystemExit(1)"))
    pd.testing.assert_frame_equal(parts_of(run, 20_000), direct)  # workers that cannot be started


def test_what_workers_write_is_kept_or_taken_away(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", n=3)
    tables = table_parts.read(run / "records.jsonl", None, 8_000, 700)
    next(tables)
    tables.close()  # the rest was parsed ahead, or is about to be
    assert not list((run / ".table").glob(".*"))
    assert len(parts_of(run, 8_000)) == 60
    kept = {path.name for path in (run / ".table").iterdir()}
    index = json.loads((run / ".table" / "index.json").read_text())
    assert kept == {"index.json", *(f"{one['begin']:015}.arrow" for one in index["parts"])}


def test_a_table_that_cannot_be_written_is_handed_over(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", n=1)
    path = run / "records.jsonl"
    with path.open("rb", buffering=0) as file:
        _, tables = table_parts.parse(file, path, 0, path.stat().st_size)
    draft = tmp_path / "x.arrow"
    assert table_parts.packed(tables, draft) == b""
    data = table_parts.packed(tables, tmp_path / "no" / "x.arrow")
    assert data == draft.read_bytes()
    names = ["id", "score"]
    for source in (data, draft):
        assert pa.concat_tables(table_parts.unpacked(source, names)) == pa.concat_tables(tables).select(names)


def test_columns_that_are_alike_are_as_those_that_are_not(tmp_path: Path) -> None:
    def read(*rows: dict[str, Any]) -> pa.Table:
        found = record_blocks.read("".join(json.dumps(row) + "\n" for row in rows).encode(), len(rows))
        assert found is not None
        return found

    rows = [record(1024, 0.5, number, error=None, cached_tokens=None, repeated=None) for number in range(9)]
    other = record(512, 0.1, 9, error="x", cached_tokens=4, repeated=True, task="b", model="c", host="d", question="e")
    alike, mixed, single = read(*rows), read(*rows, other).slice(0, 9), pa.concat_tables(map(read, rows))
    assert alike["task"].unique().to_pylist() == ["niah_single"] and alike["error"][0].as_py() == ""
    for name in alike.column_names:
        assert alike[name].to_pylist() == mixed[name].to_pylist() == single[name].to_pylist(), name


def test_only_the_columns_that_are_asked_for(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", n=2, densities=(0.0, 20.0), variant={"tier": "entity"})
    every, some = table.load(run), table.load(run, columns=["score", "length_asked"])
    assert list(some) == ["run", "id", "backend", "double", "control", "length_asked", "score", "variant.tier"]
    pd.testing.assert_frame_equal(some, every[list(some)])
    for by in (["length", "depth"], ["task", "seed"], []):
        columns = stats.needed(by)
        assert columns is not None
        pd.testing.assert_frame_equal(stats.cells(table.load(run, columns=columns), by), stats.cells(every, by))
    assert stats.needed(["variant.tier"]) is None
    with pytest.raises(UsageError, match="Did you mean 'outcome'"):
        table.load(run, columns=["outcom"])


def test_a_folder_that_cannot_be_written_is_read_all_the_same(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", n=3)
    (run / ".table").write_text("in the way")
    (run / ".table").chmod(0o400)
    assert len(parts_of(run, 20_000)) == 60
    assert (run / ".table").read_text() == "in the way"
