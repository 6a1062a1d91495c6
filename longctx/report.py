"""One offline page of a run. Whatever models and documents wrote is text on it, and nothing else."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from longctx import __version__, exhibits, figures, findings, stats, table
from longctx.errors import RunError
from longctx.textmap import distractors, panels, share, source
from longctx.visible import clip, visible

if TYPE_CHECKING:
    import pandas as pd

TEMPLATES = Path(__file__).parent / "templates"
MOST_FIGURES = 12  # besides the one with all of them


def write(run: Path | str, frame: pd.DataFrame | None = None, drawn: Sequence[Path] | None = None) -> Path:
    """Draw a run's figures and write its report.html: one file that needs nothing else and no network.

    A run that is still going on or was interrupted works as well; the page says what is missing.

    Args:
        run: folder with ``records.jsonl``.
        frame: its records, where they were loaded already.
        drawn: its figures, where they were drawn already.

    Returns:
        Path of the page.

    Raises:
        RunError: no run there, no record in it yet, a damaged line, or nothing can be written there.
    """
    run = Path(run)
    frame = table.load(run) if frame is None else frame
    try:
        drawn = figures.write(frame, run / "figures") if drawn is None else drawn
        partial = run / ".report.html.part"  # a reader never meets half a page
        partial.write_text(render(run, frame, drawn), encoding="utf-8")
        os.replace(partial, run / "report.html")
    except OSError as error:
        raise RunError(f"Cannot write the report of {run}: {error.strerror} ({error.filename}).") from error
    return run / "report.html"


def render(run: Path, frame: pd.DataFrame, drawn: Sequence[Path]) -> str:
    """The page as text."""
    manifest, corpora = table.read_json(run, "manifest.json"), table.read_json(run, "corpora.json")
    css = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    failed = frame["outcome"] == "error"
    answers = frame[~failed]
    wrong = answers[(answers["outcome"] != "right") | (answers["score"] < 1)]
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            css=Markup(css),
            css_hash=base64.b64encode(hashlib.sha256(css.encode()).digest()).decode(),
            version=__version__,
            run=run.resolve().name,
            source=source(frame),
            double=bool(frame["double"].any()),
            headline=findings.headline(frame, manifest),
            cautions=findings.cautions(frame, manifest, corpora),
            figures=list(_figures(frame, drawn)),
            parts=exhibits.labelled(stats.cells(frame, ["task", "density"])),
            margins={axis: exhibits.margin(frame, axis) for axis in ("length", "depth")},
            cells=exhibits.labelled(stats.cells(frame, ["task", "density", "length", "depth"])),
            outcomes=exhibits.outcomes(frame),
            answered=len(answers),
            wrong=exhibits.answers(wrong),
            wrong_total=len(wrong),
            errors=exhibits.failures(frame[failed]),
            spent=findings.spent(frame, manifest),
            settings=exhibits.settings(manifest),
            corpora=exhibits.corpora(corpora),
        )
    )


def _environment() -> Environment:
    environment = Environment(
        autoescape=True,
        finalize=lambda value: value if isinstance(value, Markup) else visible(str(value)),
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["block"] = lambda text, most: escape(visible(clip(text, most), lines=True))
    environment.filters["short"] = clip
    environment.filters["percent"] = lambda value: "–" if value is None else f"{100 * value:.0f} %"
    environment.filters["number"] = lambda value: "–" if value is None else f"{value:,.4g}"
    return environment


def _figures(frame: pd.DataFrame, drawn: Sequence[Path]) -> Iterator[dict[str, str]]:
    """Each SVG as a data URI, with words for those who cannot see it."""
    words = [f"Heatmap of accuracy: {share(stats.summary(frame))}. Its numbers stand in the table of cells."]
    parts = panels(frame)
    if len(parts) > 1:
        words += [
            f"Heatmap of accuracy, {t}, {distractors([d])}: {share(stats.summary(part))}." for t, d, part in parts
        ]
    pictures = [path for path in drawn if path.suffix == ".svg"]
    for path, alt in list(zip(pictures, words, strict=False))[: MOST_FIGURES + 1]:
        data = base64.b64encode(path.read_bytes()).decode()
        yield {"name": path.stem, "alt": alt, "uri": f"data:image/svg+xml;base64,{data}"}
