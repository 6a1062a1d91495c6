from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import lxml.html
import pytest
from click.testing import CliRunner
from factories import RIGHT, WRONG, make_run
from test_report import rows_of

from longctx import report, stats, table
from longctx.cli import group
from longctx.errors import UsageError
from longctx.report import assemble
from longctx.report.comparison import differing, flipped_cells, sentence

SHAPE: dict[str, Any] = {"lengths": [1024, 2048], "depths": [0.0, 1.0], "n": 10}


def two(folder: Path) -> list[Path]:
    """The second is better at 2K: 8 answers won; and loses two at 1K, at the start."""
    first = make_run(folder / "off", answer=lambda n, d, i: RIGHT if n == 1024 else WRONG, **SHAPE)
    second = make_run(
        folder / "on",
        answer=lambda n, d, i: RIGHT if (n == 1024 and (d or i > 1)) or (n == 2048 and i < 4) else WRONG,
        **SHAPE,
    )
    for run, factor in ((first, None), (second, 4.0)):
        manifest = json.loads((run / "manifest.json").read_text()) | {"yarn": {"factor": factor}}
        (run / "manifest.json").write_text(json.dumps(manifest))
    return [first, second]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[lxml.html.HtmlElement, Any]:
    page, pairs = report.write_comparison(two(tmp_path_factory.mktemp("two")))
    return lxml.html.fromstring(page.read_text(encoding="utf-8")), pairs


def test_the_sentence_says_who_is_better_and_by_how_much(compared: Any) -> None:
    page, [pair] = compared
    said = sentence(pair.first, pair.second)
    assert said.startswith("Over 40 samples that both answered, on is right in 65.0 % and off in 50.0 %: ")
    assert "(+15.0 points, 95 % interval " in said
    assert said.endswith("2 answers were lost and 8 won.")
    assert said in page.text_content()
    part = pair.first.assign(score=0.25)
    assert "on has a mean score of 65.0 % and off 25.0 %: " in sentence(part, pair.second)


def test_the_page_tests_strata_and_lists_flipped_cells(compared: Any) -> None:
    page, [pair] = compared
    cells = flipped_cells(pair)
    assert cells[["length", "depth", "lost", "won"]].to_numpy().tolist() == [
        [2048, 0, 0, 4], [2048, 1, 0, 4], [1024, 0, 2, 0],
    ]  # fmt: skip
    text = re.sub(r"\s+", " ", page.text_content())
    for heading in ("All samples", "By length", "By depth"):
        assert heading in text
    assert "the same samples, word for word" in text
    assert [path.name for path in pair.album.paths if path.suffix == ".png"] == [
        "compare-difference.png",
        "compare-strata.png",
    ]


def test_limits_of_points_are_points(compared: Any) -> None:
    _, [pair] = compared
    shown = assemble.table(stats.compare(pair.first, pair.second))
    row = dict(zip([head["name"] for head in shown["heads"]], shown["rows"][0], strict=True))
    assert (row["first"], row["second"], row["points"]) == ("50.0 %", "65.0 %", "+15.0")
    assert "%" not in row["low"] + row["high"]


def test_settings_that_differ_are_named(compared: Any) -> None:
    page, [pair] = compared
    frames = [pair.first, pair.second]
    found = differing(frames, [{"yarn": {"factor": None}, "model": "m"}, {"yarn": {"factor": 4.0}, "model": "m"}])
    assert found.to_numpy().tolist() == [["yarn: factor", "none", "4.0"]]
    assert "yarn: factor" in page.text_content()


def test_the_browser_has_both_answers_of_what_flipped(compared: Any) -> None:
    rows = rows_of(compared[0])
    assert sorted(rows["flip"]) == ["lost"] * 2 + ["won"] * 8
    assert {*zip(rows["flip"], rows["other_outcome"], rows["outcome"], strict=True)} == {
        ("lost", "right", "wrong"), ("won", "wrong", "right"),
    }  # fmt: skip
    assert all(
        said == WRONG["output_text"] for flip, said in zip(rows["flip"], rows["other"], strict=True) if flip == "won"
    )


@pytest.mark.slow
def test_two_equal_runs_have_a_page_too(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / name, [1024], [0.5], 2) for name in "ab"]
    page, [pair] = report.write_comparison(runs, tmp_path / "out.html")
    assert "no difference beyond chance is shown" in pair.sentence
    assert "None: both runs have the same answers right." in page.read_text()


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / "a", [1024], [0.5], 2), make_run(tmp_path / "b", [2048], [0.5], 2)]
    with pytest.raises(UsageError, match="a comparison needs two or more"):
        report.write_comparison(runs[:1])
    with pytest.raises(UsageError, match="no answered sample in common"):
        report.write_comparison(runs)


@pytest.mark.slow
def test_command(tmp_path: Path) -> None:
    runs = two(tmp_path)
    done = CliRunner().invoke(group, ["compare", *map(str, runs), "--json"], catch_exceptions=False)
    found = json.loads(done.stdout)
    assert found["report"] == str(tmp_path / "compare-off-on.html")
    [pair] = found["pairs"]
    assert (pair["n"], pair["only_first"], pair["only_second"], pair["points"]) == (40, 2, 8, 15.0)
    assert [row["length"] for row in pair["by_length"]] == [1024, 2048]
    assert len(table.load(*runs)) == 80
