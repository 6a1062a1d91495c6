"""A heatmap to turn in Jupyter: controls for task, density of distractors and threshold."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from longctx import figures
from longctx.errors import LongctxError, UsageError
from longctx.figures.canvas import on_screen
from longctx.textmap import distractors, panels

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

ALL = ""
"""The value of a control that leaves nothing out; not None, which ipywidgets shows as nothing chosen."""


class Turn:
    """A heatmap with controls above it; a notebook shows it where it is a cell's last line.

    Attributes:
        task: ipywidgets' control; its value is a task, or `ALL`.
        density: control; distractors per 10,000 haystack tokens, or `ALL`.
        threshold: control; accuracy, 0-1, that cells are hatched against.
        axes: what is shown; None where nothing was asked that fits.
        box: all of it, as one widget.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        import ipywidgets

        parts = panels(frame)
        tasks, densities = sorted({task for task, _, _ in parts}), sorted({density for _, density, _ in parts})
        every: list[tuple[str, Any]] = [("all together", ALL)]
        self.frame = frame
        self.axes: Axes | None = None
        self.task = _choice(ipywidgets, "task", every + [(task, task) for task in tasks])
        self.density = _choice(ipywidgets, "density", every + [(distractors([value]), value) for value in densities])
        self.threshold = ipywidgets.FloatSlider(
            value=figures.THRESHOLD, min=0, max=1, step=0.05, description="threshold", readout_format=".0%",
            continuous_update=False,
        )  # fmt: skip
        self._image = ipywidgets.Image(
            format="png", layout={"max_width": "100%", "height": "auto", "object_fit": "contain"}
        )
        self._words = ipywidgets.Label()
        controls = (self.task, self.density, self.threshold)
        row = ipywidgets.HBox(controls, layout={"flex_flow": "row wrap"})
        self.box = ipywidgets.VBox([row, self._words, self._image])
        for control in controls:
            control.observe(self._draw, "value")
        self._draw()

    def _draw(self, change: object = None) -> None:
        """Draw what the controls say."""
        frame, task, density = self.frame, self.task.value, self.density.value
        if task != ALL:
            frame = frame[frame["task"] == task]
        if density != ALL:
            frame = frame[frame["density_asked"].fillna(0) == density]
        try:
            self.axes = figures.heatmap(frame, threshold=self.threshold.value)
        except UsageError:
            self.axes = None
            self._words.value = f"{task} was not asked with {distractors([density])}."
        else:
            self._words.value = ""
            self._image.value, size = on_screen(self.axes)
            self._image.width = str(size["width"])
        self._image.layout.display = "none" if self.axes is None else None
        self._words.layout.display = None if self._words.value else "none"

    def _repr_mimebundle_(self, **about: Any) -> Any:
        return self.box._repr_mimebundle_(**about)


def turn(frame: pd.DataFrame) -> Turn:
    """Show accuracy over length and depth, with controls for task, density and threshold.

    Args:
        frame: from `longctx.table.load`.

    Raises:
        UsageError: no sample has a length and a depth.
        LongctxError: ipywidgets is not installed.
    """
    if importlib.util.find_spec("ipywidgets") is None:
        raise LongctxError(
            "Turning a heatmap needs the package ipywidgets, which is not installed. Type `pip install "
            "'longctx-stress[notebook]'`. `longctx.figures.grid(frame)` draws all tasks and densities without it."
        )
    if not panels(frame):
        raise UsageError(f"Nothing to turn: none of {len(frame):,} samples has both a length and a depth.")
    return Turn(frame)


def _choice(ipywidgets: Any, name: str, options: list[tuple[str, Any]]) -> Any:
    """A list to choose from; where there is but one thing, it is that."""
    only = len(options) == 2
    return ipywidgets.Dropdown(options=options[only:], value=options[only][1], description=name, disabled=only)
