"""Controls are driven as a reader would drive them, and the figure answers."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path

import matplotlib.image
import pandas as pd
import pytest
from factories import fading, make_run
from matplotlib.axes import Axes

from longctx import figures, table, widget
from longctx.errors import LongctxError, UsageError


@pytest.fixture(scope="module")
def frame(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Two tasks, of which one was asked at two densities and one at one."""
    folder = tmp_path_factory.mktemp("runs")
    both = make_run(folder / "both", answer=fading, densities=(0.0, 8.0), lengths=(1024, 8000))
    one = make_run(folder / "one", answer=fading, tasks=("ruler_vt",), lengths=(2048, 4096, 8000))
    return table.load(both, one)


def words(ax: Axes) -> str:
    return "\n".join([ax.get_title(loc="left"), *(text.get_text() for text in ax.texts)])


def shown(turned: widget.Turn) -> str:
    assert turned.axes is not None
    return words(turned.axes)


def test_controls_change_the_figure(frame: pd.DataFrame) -> None:
    turned = widget.turn(frame)
    assert "niah_single, ruler_vt" in shown(turned) and "n=9" in shown(turned)
    first = turned._image.value

    turned.task.value = "ruler_vt"
    assert turned._image.value != first
    assert "niah_single" not in shown(turned) and "no distractors" in shown(turned) and "n=3" in shown(turned)
    assert turned.axes is not None
    assert [label.get_text() for label in turned.axes.get_xticklabels()] == ["2K", "4K", "8,000"]

    turned.task.value, turned.density.value = "niah_single", 8.0
    assert "8 distractors per 10K tokens" in shown(turned) and "ruler_vt" not in shown(turned)
    part = frame[(frame["task"] == "niah_single") & (frame["density_asked"] == 8)]
    assert shown(turned) == words(figures.heatmap(part))


@pytest.mark.slow
def test_the_threshold_moves_the_hatch(frame: pd.DataFrame) -> None:
    turned = widget.turn(frame)
    hatches = {}
    for level in (0.5, 0.95):
        turned.threshold.value = level
        assert turned.axes is not None
        legend = [text.get_text() for text in turned.axes.get_legend().get_texts()]
        assert f"95 % interval holds {100 * level:g} %" in legend
        hatches[level] = turned._image.value
    assert hatches[0.5] != hatches[0.95]


def test_what_was_not_asked_is_said(frame: pd.DataFrame) -> None:
    turned = widget.turn(frame)
    turned.task.value, turned.density.value = "ruler_vt", 8.0
    assert turned.axes is None
    assert turned._words.value == "ruler_vt was not asked with 8 distractors per 10K tokens."
    assert turned._image.layout.display == "none" and turned._words.layout.display is None
    turned.density.value = widget.ALL
    assert turned.axes is not None and turned._words.value == "" and turned._image.layout.display is None
    assert turned._words.layout.display == "none"


@pytest.mark.slow
def test_what_is_chosen_is_always_shown(frame: pd.DataFrame) -> None:
    turned = widget.turn(frame)
    for control in (turned.task, turned.density):
        assert control.index == 0 and control.label == "all together", "a list without an index looks empty"
        control.index = 1
        control.index = 0
        assert control.label == "all together" and turned.axes is not None


def test_what_a_notebook_gets(frame: pd.DataFrame, tmp_path: Path) -> None:
    turned = widget.turn(frame[frame["task"] == "ruler_vt"])
    assert turned.task.disabled and turned.density.disabled and not turned.threshold.disabled
    assert turned.task.value == "ruler_vt"
    assert "application/vnd.jupyter.widget-view+json" in turned._repr_mimebundle_()
    (tmp_path / "shown.png").write_bytes(turned._image.value)
    assert min(matplotlib.image.imread(tmp_path / "shown.png").shape[:2]) > 400
    for shown in (figures.heatmap(frame), figures.grid(frame)):  # one and a sheet of several
        image, size = shown._repr_png_()  # type: ignore[attr-defined]
        assert image[1:4] == b"PNG"
        assert size["width"] == round(image_width(image) * 0.6), "as large as its text is, not as its pixels are"
    assert turned._image.width == str(round(image_width(turned._image.value) * 0.6))


def image_width(image: bytes) -> int:
    return int(matplotlib.image.imread(io.BytesIO(image)).shape[1])


def test_nothing_to_turn(frame: pd.DataFrame) -> None:
    with pytest.raises(UsageError, match=r"none of \d+ samples has both a length and a depth"):
        widget.turn(frame.assign(depth_asked=float("nan")))


def test_without_ipywidgets_the_remedy_is_named(frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ipywidgets" else found(name))
    with pytest.raises(LongctxError, match=r"pip install 'longctx-stress\[notebook\]'.*figures.grid"):
        widget.turn(frame)
