"""All figures but the heatmap: what they say is read off the Axes, and no label covers another at any size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from factories import ERROR, RIGHT, WRONG, fading, make_run, record, write_records
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.text import Text
from test_figures import overlaps, words

from longctx import figures, stats, table
from longctx.errors import UsageError
from longctx.figures import lines, outcomes
from longctx.units import percent

LENGTHS = [4000 * (i + 1) for i in range(30)]
DEPTHS = [i / 39 for i in range(40)]


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """30 lengths, 3 depths, 5 tasks with long names, 4 densities."""
    tasks = [f"a_task_with_quite_a_long_name_{i}" for i in range(5)]
    run = make_run(tmp_path_factory.mktemp("wide"), LENGTHS, [0.0, 0.5, 1.0], 1, spending, [0.0, 1.0, 2.0, 64.0], tasks)
    return table.load(run)


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """12 lengths, 40 depths."""
    return table.load(make_run(tmp_path_factory.mktemp("deep"), LENGTHS[:12], DEPTHS, 1, spending))


def spending(length: int, depth: float, number: int) -> dict[str, Any]:
    odd = int(1000 * depth + length) % 7
    missed = WRONG | {"outcome": ("wrong", "distractor", "absent", "truncated", "empty", "refused", "invented")[odd]}
    return (RIGHT if fading(length, depth, number) is RIGHT else missed) | {"output_tokens": 5 + 31 * odd}


def texts_of(ax: Axes) -> list[Text]:
    found = [*ax.texts, *ax.get_xticklabels(), *ax.get_yticklabels(), ax.xaxis.label, ax.yaxis.label]
    found += [*ax.get_xticklabels(minor=True), *ax.get_yticklabels(minor=True)]
    found += [text for text in ax.findobj(Text) if text.get_text() == ax.get_title(loc="left")]
    return [text for text in found if text.get_visible()]


@pytest.mark.slow
@pytest.mark.parametrize(
    "draw",
    [figures.length_curves, figures.density_lines, figures.outcome_areas, figures.density_map, figures.spending_curve,
     figures.trust_frontier],
    ids=lambda draw: draw.__name__,
)  # fmt: skip
def test_no_label_covers_another_at_30_lengths(wide: pd.DataFrame, draw: Callable[..., Axes]) -> None:
    ax = draw(wide)
    assert overlaps(texts_of(ax), ax.get_figure(root=True)) == []  # type: ignore[arg-type]
    assert ax.get_title(loc="left").startswith("SmolLM2-135M-Instruct: ")
    assert any("a_task_with" in text for text in words(ax)), "the tasks are named"


@pytest.mark.parametrize("draw", [figures.depth_curves, figures.trust_frontier], ids=lambda draw: draw.__name__)
def test_no_label_covers_another_at_40_depths(deep: pd.DataFrame, draw: Callable[..., Axes]) -> None:
    ax = draw(deep)
    assert overlaps(texts_of(ax), ax.get_figure(root=True)) == []  # type: ignore[arg-type]


def test_small_multiples_have_a_panel_a_task_on_one_scale(wide: pd.DataFrame) -> None:
    figure = figures.small_multiples(wide)
    assert len(figure.axes) == 5
    assert {ax.get_ylim() for ax in figure.axes} == {(0, 1)}
    assert len({ax.get_xlim() for ax in figure.axes}) == 1
    assert overlaps([text for ax in figure.axes for text in texts_of(ax)] + list(figure.texts), figure) == []


def test_a_line_is_the_accuracy_with_its_interval(tmp_path: Path) -> None:
    frame = table.load(make_run(tmp_path, answer=fading))
    ax = figures.length_curves(frame, thresholds=(0.856,))
    cells = stats.cells(frame, ["length"])
    curve = next(line for line in ax.lines if line.get_marker() == "o")
    np.testing.assert_allclose(curve.get_xydata(), cells[["length", "accuracy"]].astype(float))
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert band.min() == pytest.approx(cells["low"].min())
    assert band.max() == pytest.approx(cells["high"].max())
    assert (ax.get_ylim(), ax.get_xscale()) == ((0, 1), "log")
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1K", "2K", "4K", "8,000"]
    assert "85.6 %" in words(ax)
    ends = [f"{100 * cells['accuracy'].iloc[end]:.0f}\xa0% at {label}" for end, label in ((0, "1K"), (-1, "8,000"))]
    assert ax.get_title(loc="left") == f"SmolLM2-135M-Instruct: {', '.join(ends)}"


def test_runs_that_are_compared_have_no_number_in_common(tmp_path: Path) -> None:
    one = make_run(tmp_path / "one", n=2, answer=fading)
    two = make_run(tmp_path / "two", lengths=[2048, 8000, 16384], n=1, depths=[0.0, 0.5])
    frame = table.load(one, two)
    ax = figures.length_curves(frame, "run")
    cells = stats.cells(frame, ["run", "length"]).set_index(["run", "length"])["accuracy"]
    title = f"SmolLM2-135M-Instruct: two 100\xa0%, one {percent(cells['one', 8000])}\xa0% at 8,000"
    assert ax.get_title(loc="left") == title
    assert "2 runs, 6–40 answers a run" in " ".join(words(ax))
    far = make_run(tmp_path / "far", lengths=[16384, 32768], n=1)
    title = f"SmolLM2-135M-Instruct: far 100\xa0% at 32K, one {percent(cells['one', 8000])}\xa0% at 8,000"
    assert figures.length_curves(table.load(one, far), "run").get_title(loc="left") == title


def test_lines_differ_in_more_than_colour() -> None:
    looks = [lines.look(number, lines.MOST, False) for number in range(lines.MOST)]
    assert len({(look["marker"]) for look in looks}) == lines.MOST
    assert len({str(look["linestyle"]) for look in looks}) > 1


def test_more_lines_than_can_be_told_apart_are_refused(tmp_path: Path) -> None:
    frame = table.load(make_run(tmp_path, n=1, tasks=[f"t{i}" for i in range(9)]))
    with pytest.raises(UsageError, match="9 lines cannot be told apart in one figure; possible are 8"):
        figures.length_curves(frame)


@given(st.lists(st.floats(-50, 400), min_size=1, max_size=20), st.floats(1, 20))
def test_names_are_moved_apart_and_stay_in_order(places: list[float], gap: float) -> None:
    top = max(300.0, gap * len(places))
    found = lines.spread(sorted(places), gap, top)
    assert all(after - before >= gap - 1e-6 for before, after in zip(found, found[1:], strict=False))
    assert found[0] >= -1e-6 and found[-1] <= top + 1e-6
    assert lines.spread(found, gap, top) == pytest.approx(found), "what fits is left alone"


def test_depths_and_lengths_are_pooled_and_it_says_so(deep: pd.DataFrame) -> None:
    ax = figures.depth_curves(deep)
    said = " ".join(words(ax)).replace("\n", " ")
    assert "12 lengths pooled to 6" in said
    assert "40 depths pooled to 11" in said
    curves = [line for line in ax.lines if line.get_label().endswith("tokens")]
    assert [curve.get_label() for curve in curves][:2] == ["4,000–8,000 tokens", "12,000–16,000 tokens"]
    assert all(len(curve.get_xdata()) == 11 for curve in curves)


def test_shares_of_outcomes_add_up_and_errors_are_left_out(wide: pd.DataFrame) -> None:
    found = outcomes.shares(wide)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert found.columns[0] == "right"
    assert tuple(outcomes.LOOKS) == tuple(name for name in stats.OUTCOMES if name != "error")
    assert len(set(outcomes.LOOKS.values())) == len(outcomes.LOOKS)


def test_a_frontier_says_what_is_shown(tmp_path: Path) -> None:
    frame = table.load(
        make_run(tmp_path, [1024, 2048, 4096], [0.0, 1.0], 40, lambda n, d, i: RIGHT if n < 4096 else WRONG)
    )
    ax = figures.trust_frontier(frame)
    assert ax.get_title(loc="left") == "SmolLM2-135M-Instruct: 90\xa0% at every depth is shown up to 2K tokens"
    assert "n = 40 at the worst depth" in " ".join(words(ax))


def test_a_forest_and_a_difference_show_the_second_run_less_the_first(tmp_path: Path) -> None:
    def better(length: int, depth: float, number: int) -> dict[str, Any]:
        return RIGHT if length == 1024 or number % 2 else WRONG

    run = {"lengths": [1024, 2048], "depths": [0.0, 1.0], "n": 20}
    first = table.load(make_run(tmp_path / "first", answer=lambda n, d, i: RIGHT if n == 1024 else WRONG, **run))
    second = table.load(make_run(tmp_path / "second", answer=better, **run))
    ax = figures.difference(first, second)
    np.testing.assert_allclose(np.ma.getdata(ax.collections[0].get_array()), [[0, 0.5], [0, 0.5]])
    assert ax.collections[0].get_clim() == (-0.5, 0.5)
    assert [text for text in words(ax) if text[:1] in "+−0"] == ["0", "0", "+50", "+50"], "a column a length"
    assert "+25.0 points" in ax.get_title(loc="left")
    assert figures.difference(second, first).get_legend() is not None, "losses are hatched and explained"
    ax = figures.forest(first, second)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["niah_single, 1K", "niah_single, 2K", "all"]
    assert sum(text.startswith("+50.0 (") for text in words(ax)) == 1
    low, high = ax.get_xlim()
    assert low == -high
    assert overlaps(texts_of(ax), ax.get_figure(root=True)) == []  # type: ignore[arg-type]


def test_mrcr_has_a_line_and_a_floor_for_each_number_of_needles(tmp_path: Path) -> None:
    rows = [
        record(length, 0.5, i, task="mrcr", score=0.4, outcome="partial", extra={"n_needles": k, "noise_floor": 1 / k})
        for k in (2, 4, 8)
        for length in (4096, 8192)
        for i in range(4)
    ]
    ax = figures.mrcr_curves(table.load(write_records(tmp_path, rows)))
    floors = [line.get_ydata()[0] for line in ax.lines if line.get_linestyle() == ":" or line.get_linewidth() == 0.9]
    assert sorted(float(floor) for floor in floors) == [0.125, 0.25, 0.5]
    assert "8 alike (floor 13 %)" in words(ax)


@pytest.mark.parametrize("count", [3, 30])
def test_attribution_stacks_up_to_all_answers(tmp_path: Path, count: int) -> None:
    rows = [
        record(length, 0.5, i, question=f"q{i}", **(RIGHT if (i + length // 1000) % 3 else WRONG))
        for length in LENGTHS[:count]
        for i in range(6)
    ]
    for name, known in (("closed-book", 0), ("short", 5)):
        rows += [
            record(99, 0.5, i, question=f"q{i}", variant={"control": name}, **(RIGHT if i < known else WRONG))
            for i in range(6)
        ]
    frame = table.load(write_records(tmp_path, rows), controls=True)
    ax = figures.attribution_bars(frame)
    tops = {round(bar.get_x(), 3): bar.get_y() + bar.get_height() for bar in ax.patches if bar.get_width() > 0.5}
    assert len(tops) == count
    assert list(tops.values()) == pytest.approx([1] * count)
    assert overlaps(texts_of(ax), ax.get_figure(root=True)) == []  # type: ignore[arg-type]


def test_a_run_of_failed_calls_alone_has_a_masked_heatmap_and_reasons(tmp_path: Path) -> None:
    frame = table.load(make_run(tmp_path / "run", answer=lambda n, d, i: ERROR))
    album = figures.draw(frame, tmp_path / "figures", kinds=["png"])
    assert [path.name for path in album.paths] == ["heatmap.png"]
    assert "0 depths were answered" in dict(album.left_out)["Accuracy over depth"]


def test_where_nothing_is_shown_the_frontier_says_of_how_many(tmp_path: Path) -> None:
    run = make_run(tmp_path, [1024, 2048], [0.0, 1.0], 4, lambda n, d, i: WRONG, densities=[0, 2, 4, 8])
    ax = figures.trust_frontier(table.load(run))
    said = ax.get_title(loc="left").replace("\xa0", " ").replace("\n", " ")
    assert said.endswith("90 % at every depth is shown at no length: at 1K the worst had 0 of 4 right, at least 0 %")
    assert "no bound reaches 90 %" in words(ax)


def test_a_bound_in_a_frontiers_title_is_never_above_what_is_shown(tmp_path: Path) -> None:
    run = make_run(tmp_path, [1024, 2048], [0.5], 24, lambda n, d, i: RIGHT if i < 7 else WRONG)
    frame = table.load(run)
    bound = float(stats.frontier(frame).worst["bound"].iloc[0])
    assert 0.145 < bound < 0.15, "it would be rounded up"
    assert "at least 14 %" in figures.trust_frontier(frame).get_title(loc="left").replace("\xa0", " ").replace(
        "\n", " "
    )


def test_controls_alone_are_no_attribution(tmp_path: Path) -> None:
    rows = [record(99, 0.5, 0, question="q", variant={"control": name}) for name in ("closed-book", "short")]
    with pytest.raises(UsageError, match="controls alone say nothing"):
        stats.attribution(table.load(write_records(tmp_path, rows), controls=True))


def test_what_cannot_be_drawn_is_left_out_with_its_reason(tmp_path: Path) -> None:
    album = figures.draw(table.load(make_run(tmp_path / "run", [1024], [0.5], 2)), tmp_path / "figures", kinds=["png"])
    assert [path.name for path in album.paths] == ["heatmap.png"]
    reasons = dict(album.left_out)
    assert "length was not varied" in reasons["Accuracy over context length"]
    assert "a curve needs three" in reasons["Accuracy over depth"]
    assert "no closed-book control" in reasons["Whose fault it is"]
    assert len(reasons) == 10, "every kind is drawn or has a reason"
