from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from factories import ERROR, RIGHT, WRONG, all_right, fading, make_run
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from longctx import figures, stats, table
from longctx.errors import UsageError
from longctx.figures import panel
from longctx.figures.fonts import drawable
from longctx.textmap import ASCII, depth_labels, length_labels, shades_for, text_heatmap

Load = Callable[..., pd.DataFrame]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    return lambda **about: table.load(make_run(tmp_path / "run", **about))


def words(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def in_cells(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts if text.get_zorder() == 4]


def test_axes_say_lengths_depths_and_scale(load: Load) -> None:
    ax = figures.heatmap(load(answer=fading))
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1K", "2K", "4K", "8,000"]
    depths = [label.get_text() for label in ax.get_yticklabels()]
    assert depths == ["0 % (start)", "25 %", "50 %", "75 %", "100 % (end)"]
    assert ax.get_xlim() == (0, 4)
    assert ax.get_ylim() == (5, 0), "the start of the haystack is on top"
    assert ax.collections[0].get_clim() == (0, 1), "the scale does not follow the data"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("context length (tokens)", "depth of the needle")


def test_cells_show_accuracy_and_n_where_they_stand(load: Load) -> None:
    frame = load(
        lengths=[1024, 2048], depths=[0, 1], n=4, answer=lambda n, d, i: RIGHT if i < (n > 1024) + 2 * d else WRONG
    )
    ax = figures.heatmap(frame)
    found = {
        (math.floor(t.get_position()[0]), math.floor(t.get_position()[1]), t.get_text())
        for t in ax.texts
        if t.get_zorder() == 4
    }
    assert found >= {(0, 0, "0 %"), (1, 0, "25 %"), (0, 1, "50 %"), (1, 1, "75 %")}
    assert sum(text == "n=4" for _, _, text in found) == 4
    np.testing.assert_allclose(np.ma.getdata(ax.collections[0].get_array()), [[0, 0.25], [0.5, 0.75]])


def test_margins_are_the_pooled_accuracies_with_their_intervals(load: Load) -> None:
    frame = load(answer=fading)
    ax = figures.heatmap(frame)
    top, side = (child for child in ax.child_axes if child.get_label() != "scale")
    for inset, axis, size in ((top, "length", "get_height"), (side, "depth", "get_width")):
        expected = stats.cells(frame, [axis])
        assert [getattr(bar, size)() for bar in inset.patches] == pytest.approx(expected["accuracy"].tolist())
        ends = [path.vertices[:, 1 if axis == "length" else 0] for path in inset.collections[0].get_paths()]
        np.testing.assert_allclose(np.sort(ends), expected[["low", "high"]])
    assert side.get_ylim() == ax.get_ylim()
    assert top.get_ylim() == side.get_xlim() == (0, 1)


def test_untested_cells_are_masked_and_explained(load: Load) -> None:
    frame = load(answer=lambda n, d, i: ERROR if (n, d) == (2048, 0.5) else all_right(n, d, i))
    frame = frame[~((frame["length_asked"] == 1024) & (frame["depth_asked"] == 0))]
    ax = figures.heatmap(frame, threshold=None)
    mask = np.ma.getmaskarray(ax.collections[0].get_array())
    assert mask.sum() == 2
    assert mask[0, 0]
    assert mask[2, 1]
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["not asked", "every call failed"]
    assert "3 failed calls (!) left out" in " ".join(words(ax))
    assert figures.heatmap(frame[frame["length_asked"] > 2048], threshold=None).get_legend() is None


def test_failed_calls_are_marked_in_their_cell(load: Load) -> None:
    ax = figures.heatmap(load(answer=lambda n, d, i: ERROR if (n, d, i) == (1024, 0, 0) else RIGHT))
    assert words(ax).count("n=2 !1") == 1


def test_title_says_model_and_numbers(load: Load) -> None:
    ax = figures.heatmap(load(n=3, density_asked=2.0))
    assert ax.get_title(loc="left") == "SmolLM2-135M-Instruct: 100\xa0% right"
    said = " ".join(words(ax)[-1].split("\n"))
    for part in (
        "niah_single",
        "contracts",
        "2 distractors per 10K tokens",
        "100.0 % (60 of 60 right, 95 % interval 44–100 %)",  # three seeds
        "n = 3 a cell",
    ):
        assert part in said
    partly = figures.heatmap(load(answer=lambda *_: {"outcome": "partial", "score": 0.5}))
    assert partly.get_title(loc="left") == "SmolLM2-135M-Instruct: 50\xa0% mean score"
    assert figures.heatmap(load(), title="Mine\nsub").get_title(loc="left") == "Mine"


def test_a_local_model_is_named_by_its_folder_alone(load: Load) -> None:
    for model, name in (("/home/someone/models/Tiny-1B/", "Tiny-1B"), ("org/Tiny-1B", "org/Tiny-1B")):
        title = figures.heatmap(load(lengths=[1024], depths=[0.5], model=model)).get_title(loc="left")
        assert title.startswith(f"{name}: ")


@pytest.mark.parametrize("about", [{"double": True}, {"backend": "lossy"}])
def test_a_double_is_watermarked_everywhere(load: Load, about: dict[str, Any]) -> None:
    frame = load(lengths=[1024], depths=[0.5], tasks=["a", "b"], **about)
    words_of_it = f"{frame['backend'].iloc[0].upper()} — a test double, no model"
    ax = figures.heatmap(frame)
    assert ax.get_title(loc="left").replace("\n", " ").startswith(f"{words_of_it}: ")
    assert words_of_it in words(ax)
    grid = figures.grid(frame)
    assert grid.texts[0].get_text().startswith(f"{words_of_it}: ")
    assert all(words_of_it in words(panel_axes) for panel_axes in grid.axes)
    assert words_of_it in text_heatmap(frame)


def test_a_model_is_not_watermarked(load: Load) -> None:
    frame = load(lengths=[1024])
    assert not any("double" in text for text in words(figures.heatmap(frame)))
    assert "double" not in text_heatmap(frame)


def luminance(colour: Any) -> float:
    parts = np.asarray(mpl.colors.to_rgb(colour))
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_every_number_stands_out_from_its_cell() -> None:
    colours = mpl.colormaps[panel.COLOURS](np.linspace(0, 1, 101))
    for colour in colours:
        light, dark = sorted((luminance(colour), luminance(panel.ink(colour))), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_the_scale_rises_in_grey() -> None:
    grey = [luminance(colour) for colour in mpl.colormaps[panel.COLOURS](np.linspace(0, 1, 101))]
    assert (np.diff(grey) > 0).all()


def overlaps(texts: list[Text], figure: Figure) -> list[tuple[str, str]]:
    """Pairs of texts that cover a common pixel."""
    FigureCanvasAgg(figure).draw()
    texts = [text for text in texts if text.get_text().strip()]
    x0, y0, x1, y1 = np.array([text.get_window_extent().extents for text in texts]).T
    across = np.minimum(x1[:, None], x1) - np.maximum(x0[:, None], x0)
    down = np.minimum(y1[:, None], y1) - np.maximum(y0[:, None], y0)
    pairs = np.argwhere(np.triu((across > 0.5) & (down > 0.5), 1))
    return [(texts[first].get_text(), texts[second].get_text()) for first, second in pairs]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("across", "down"),
    [(1, 1), (4, 5), (12, 11), pytest.param(30, 40, marks=pytest.mark.slow), (40, 1), (1, 40), (120, 3)],
)
def test_no_label_overlaps_another(load: Load, across: int, down: int) -> None:
    lengths = [1024 * 2**i for i in range(across)] if across <= 11 else [1_000 + 26_000 * i for i in range(across)]
    depths = [i / (down - 1) for i in range(down)] if down > 1 else [0.5]
    frame = load(
        lengths=lengths,
        depths=depths,
        n=1,
        model="an-organisation/a-model-with-a-rather-long-name-" * 3,
        corpus="a corpus " * 9,
    )
    ax = figures.heatmap(frame)
    figure = ax.get_figure(root=True)
    assert isinstance(figure, Figure)
    assert max(figure.get_size_inches()) < 20
    if across <= 30:
        assert figure.get_size_inches()[0] < 12.5, "labels of 8 points are 7 pixels high where it is 800 wide"
    texts = [*ax.texts, *ax.get_xticklabels(), *ax.get_yticklabels(), ax.xaxis.label, ax.yaxis.label]
    texts += [text for text in ax.findobj(Text) if text.get_text() == ax.get_title(loc="left")]
    for inset in ax.child_axes:
        texts += [
            *inset.texts,
            inset.xaxis.label,
            inset.yaxis.label,
            *inset.get_xticklabels(),
            *inset.get_yticklabels(),
        ]
    assert overlaps(texts, figure) == []
    if across * down <= 144:
        assert len(in_cells(ax)) == across * down * (1 if max(across, down) == 40 else 2)


def test_numbers_go_before_they_get_too_small(load: Load) -> None:
    assert len(in_cells(figures.heatmap(load(lengths=range(1000, 1030), depths=[0.0, 1.0], n=1)))) == 60, (
        "accuracy alone"
    )
    assert in_cells(figures.heatmap(load(lengths=range(1000, 1150), depths=[0.0], n=1))) == []


def test_a_frame_on_given_axes_and_no_leak(load: Load) -> None:
    before = dict(mpl.rcParams)
    own = Figure().add_subplot()
    assert figures.heatmap(load(lengths=[1024]), ax=own, margins=False, scale=False) is own
    assert own.child_axes == []
    assert dict(mpl.rcParams) == before
    assert "matplotlib.pyplot" not in sys.modules or not mpl.pyplot.get_fignums()


def test_shows_itself_in_a_notebook(load: Load) -> None:
    ax = figures.heatmap(load(lengths=[1024]))
    assert ax._repr_png_()[0].startswith(b"\x89PNG")  # type: ignore[attr-defined]


def test_nothing_to_draw_is_said(load: Load) -> None:
    frame = load(lengths=[1024], depth_asked=None)
    for draw in (figures.heatmap, figures.grid):
        with pytest.raises(UsageError, match="none of 15 samples has both"):
            draw(frame)
    assert "no heatmap" in text_heatmap(frame)


@pytest.mark.slow
def test_files_are_the_same_bytes_each_time(load: Load, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    frame = load(lengths=[1024, 2048], depths=[0.0, 1.0], answer=fading)
    ax = figures.heatmap(frame)
    first, second = (figures.save(ax, tmp_path / name / "heatmap") for name in ("a", "b"))
    assert [path.name for path in first] == ["heatmap.png", "heatmap.svg", "heatmap.pdf"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    svg = first[1].read_text()
    assert "<dc:date>" not in svg
    assert not re.search(r"""(href|src)="(?!#|data:)""", svg), "an SVG that loads something"
    assert not list(tmp_path.glob("*/.*")), "no half-written files are left"


def test_png_has_at_least_150_dots_an_inch(load: Load, tmp_path: Path) -> None:
    from PIL import Image

    [png] = figures.save(figures.heatmap(load(lengths=[1024], depths=[0.5])), tmp_path / "heatmap", ["png"])
    with Image.open(png) as image:
        assert min(image.info["dpi"]) >= 150


def test_files_for_each_task_and_density(load: Load, tmp_path: Path) -> None:
    frame = load(lengths=[1024], depths=[0.5], n=1, tasks=["niah/a", "niah:a"], densities=[2.5])
    names = [path.name for path in figures.draw(frame, tmp_path / "figures", kinds=["png"]).paths]
    assert names[:2] == ["heatmap.png", "heatmap-niah-a-density-2.5.png"]
    assert len(set(names)) == len(names) == 3, "names that differ in signs only do not overwrite each other"


def test_a_grid_has_a_row_a_task_and_a_column_a_density(load: Load) -> None:
    grid = figures.grid(load(lengths=[1024], depths=[0.5], tasks=["a", "b"], densities=[0, 2, 8]))
    places = [(round(ax.get_position().y0, 3), round(ax.get_position().x0, 3)) for ax in grid.axes]
    assert len(places) == 6
    assert len({y for y, _ in places}) == 2
    titles = [ax.get_title(loc="left") for ax in grid.axes]
    assert titles[0] == "a · no distractors"
    assert titles[-1] == "b · 8 distractors per 10K tokens"


def test_names_that_no_font_has_or_that_would_act_are_written_out(load: Load, tmp_path: Path) -> None:
    frame = load(lengths=[1024], depths=[0.5], corpus="\U00010908 $x^2$ \x1b[31m\u202e", model="a_{b}$\\frac{1}")
    ax = figures.heatmap(frame)
    assert r"\u10908 $x^2$ ␛[31m" in words(ax)[-1] or r"\u10908 $x^2$ \u241b[31m" in words(ax)[-1]
    assert ax.get_title(loc="left").startswith("a_{b}$\\frac{1}: ")
    figures.save(ax, tmp_path / "heatmap")  # a glyph that is not there would be a warning, and so an error
    assert drawable("plain · 62 % — Ü") == "plain · 62 % — Ü"


def test_labels() -> None:
    assert length_labels([1024, 8000, 131072, 2**20, 200_000]) == ["1K", "8,000", "128K", "1M", "200,000"]
    assert depth_labels([0.0, 1 / 3, 2 / 3, 1.0]) == ["0 % (start)", "33.3 %", "66.7 %", "100 % (end)"]
    assert depth_labels([0.125, 0.5]) == ["12.5 %", "50.0 %"]
    assert depth_labels([0.501, 0.5014]) == ["50.10 %", "50.14 %"]


def test_text_heatmap_by_eye(load: Load) -> None:
    def answer(length: int, depth: float, i: int) -> dict[str, Any]:
        if (length, depth) == (2048, 1.0):
            return ERROR
        return (
            ERROR if (length, depth, i) == (1024, 0, 0) else RIGHT if i > 2 * (length > 1024) * (1 - depth) else WRONG
        )

    frame = load(lengths=[1024, 2048, 8000], depths=[0.0, 0.5, 1.0], answer=answer)
    frame = frame[~((frame["length_asked"] == 8000) & (frame["depth_asked"] == 1))]
    assert text_heatmap(frame).split("\n")[2:7] == [
        "depth          1K     2K  8,000    all",
        "0 % (start)  █100!     0      0   ░ 25!",
        "       50 %  ▓ 67   ░ 33   ░ 33   ▒ 44",
        "100 % (end)  ▓ 67       !     ·   ▓ 67!",
        " all depths  ▓ 75!  ░ 17!  ░ 17",
    ]


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_text_heatmap_fits_the_terminal(load: Load, width: int) -> None:
    text = text_heatmap(load(lengths=range(100_000, 100_012), depths=[0.0, 0.5]), width=width)
    longest = max(map(len, text.split("\n")))
    assert longest <= max(width, 30)
    assert all(length in text for length in length_labels(range(100_000, 100_012)))


def test_text_heatmap_is_plain_ascii_where_it_must_be(load: Load) -> None:
    text = text_heatmap(load(lengths=[1024], corpus="合同"), shades=ASCII)
    assert text.isascii()
    assert "#100" in text
    assert shades_for("utf-8") != ASCII
    assert shades_for("latin-1") == shades_for("ascii") == shades_for(None) == ASCII


def test_nothing_in_a_name_steers_the_terminal(load: Load) -> None:
    text = text_heatmap(load(lengths=[1024], corpus="\x1b]0;owned\x07", task="\x1b[2J", model="a\rb\u202e"))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
    assert "␛]0;owned␇" in text


def test_a_figure_says_where_there_is_no_needle(load: Load) -> None:
    frame = load(lengths=[1024], depths=[0.0, 1.0], depth=None, needles=[])
    assert "there is no needle" in figures.heatmap(frame).get_ylabel()


def test_runs_that_are_drawn_together_are_counted_and_a_long_title_stays_on_the_figure(tmp_path: Path) -> None:
    frame = table.load(
        *(
            make_run(tmp_path / name, lengths=[1024, 2048], answer=fading, model=f"a-model-of-a-length-{name}")
            for name in "ab"
        )
    )
    ax = figures.heatmap(frame)
    assert any("2 runs" in text for text in words(ax))
    assert not any(" runs" in text for text in words(figures.heatmap(frame[frame["run"] == "a"])))
    figure = ax.get_figure(root=True)
    FigureCanvasAgg(figure).draw()
    title = ax._left_title  # type: ignore[attr-defined]  # matplotlib has no public way to it
    assert "\n" in title.get_text() and title.get_window_extent().y1 <= figure.bbox.y1
