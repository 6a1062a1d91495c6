"""The page of one run."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from longctx import figures, findings, stats, table
from longctx.errors import RunError
from longctx.report import assemble, browser, exhibits, surroundings
from longctx.textmap import source
from longctx.units import percent
from longctx.visible import clip, visible

if TYPE_CHECKING:
    import pandas as pd


def write(
    run: Path | str,
    frame: pd.DataFrame | None = None,
    album: figures.Album | None = None,
    *,
    accuracy: float = figures.THRESHOLD,
    context: int = surroundings.MOST,
    generators: Iterable[Path] = (),
    corpora: Iterable[Path] = (),
) -> Path:
    """Draw a run's figures and write its report.html: one file that needs nothing else and no network.

    A run that is still going on or was interrupted works as well; the page says what is missing.

    Args:
        run: folder with ``records.jsonl``.
        frame: its records with controls, where they were loaded already.
        album: its figures, where they were drawn already.
        accuracy: that is asked for, 0-1.
        context: samples whose text around the needle is rebuilt, where corpus and tokenizer are at hand.
        generators: further folders with tasks, to rebuild from.
        corpora: further folders with corpora, likewise.

    Returns:
        Path of the page.

    Raises:
        RunError: no run there, no record in it yet, a damaged line, or nothing can be written there.
    """
    run = Path(run)
    frame = table.load(run, controls=True) if frame is None else frame
    with writing(run):
        album = figures.draw(frame, run / "figures", accuracy) if album is None else album
        around, why = surroundings.rebuild(run, stats.asked(frame), context, generators, corpora)
        put(run / "report.html", render(run, frame, album, around, why, accuracy))
    return run / "report.html"


@contextlib.contextmanager
def writing(run: Path) -> Iterator[None]:
    """Say in words that the figures or the page of a run cannot be written."""
    try:
        yield
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""  # a full disk names no file
        raise RunError(f"Cannot write the report of {run}: {error.strerror or error}{place}.") from error


def headline(run: Path, frame: pd.DataFrame, accuracy: float) -> list[str]:
    """The sentence that the run is for, and after it what was measured.

    A search for the frontier looked at its answers to know when to stop. What it claims allows for that; the bounds of
    a grid do not, so none is stated in its place.
    """
    manifest = table.read_json(run, "manifest.json")
    measured = findings.headline(frame, manifest)
    if (frame["outcome"] == "error").all():
        return measured
    if manifest.get("adaptive"):
        found = table.read_json(run, "frontier.json").get("sentences") or [
            "The search for the frontier has not ended, and claims nothing yet."
        ]
        return [f"{source(frame)}: {' '.join(map(str, found))}", *measured]
    return [findings.sentence(frame, manifest, accuracy), *measured]


def put(path: Path, text: str) -> None:
    """Write a page so that a reader never meets half of it."""
    partial = path.with_name(f".{path.name}.part")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def render(
    run: Path, everything: pd.DataFrame, album: figures.Album, around: dict[str, Any], why: str, accuracy: float
) -> str:
    """The page as text."""
    frame = stats.asked(everything)
    manifest, corpora = table.read_json(run, "manifest.json"), table.read_json(run, "corpora.json")
    failed = frame[frame["outcome"] == "error"]
    pictures = assemble.pictures(album.pictures)
    if pictures:
        pictures[0]["note"] = _WHAT
    cells = exhibits.labelled(stats.cells(frame, ["task", "density", "length", "depth"]))
    for row in cells:
        names = ("task", "density", "length", "depth")
        row["link"] = "#samples?" + "&".join(f"{name}={quote(visible(clip(str(row[name]), 200)))}" for name in names)
    sections = [(one["anchor"], one["heading"]) for one in pictures]
    tests = [
        (heading, found if isinstance(found, str) else assemble.table(found))
        for heading, found in (exhibits.tests(frame, accuracy) if len(failed) < len(frame) else ())
    ]
    sections += [
        ("cells", "Cells"),
        *([("tests", "Effects and tests")] if tests else []),
        *([("errors", "Failed calls")] if len(failed) else []),
        ("settings", "Settings"),
    ]
    sections += [("corpora", "Documents"), ("spent", "Plan and cost"), ("warnings", "Warnings"), ("samples", "Samples")]
    return assemble.page(
        "report.html.j2",
        title=f"{source(frame)}: {run.resolve().name}",
        footer=f"Run {run.resolve().name}",
        source=source(frame),
        double=bool(frame["double"].any()),
        headline=headline(run, frame, accuracy),
        cautions=[
            *verified(table.read_json(run, "cache.json")),
            *findings.cautions(frame, manifest, corpora),
            *cache_cautions(frame, manifest),
        ],
        sections=sections,
        pictures=pictures,
        left_out=album.left_out,
        parts=exhibits.labelled(stats.cells(frame, ["task", "density"])),
        margins={axis: exhibits.margin(frame, axis) for axis in ("length", "depth")},
        cells=cells,
        outcomes=exhibits.outcomes(frame),
        tests=tests,
        rows=browser.pack(frame, around),
        context=context_words(around, why),
        errors=exhibits.failures(failed),
        spent=findings.spent(frame, manifest),
        settings=exhibits.settings(manifest),
        corpora=exhibits.corpora(corpora),
    )


def cache_cautions(frame: pd.DataFrame, manifest: dict[str, Any]) -> list[str]:
    """What the prefix cache did to the times: a prompt found in it answers sooner than one that is not."""
    answered = frame[frame["outcome"] != "error"]
    known = answered.dropna(subset=["cached_tokens", "prompt_tokens"])
    cached, total = int(known["cached_tokens"].sum()), int(known["prompt_tokens"].sum())
    if not total:
        return [
            "The engine does not say how much of the prompts it found in its prefix cache: times cannot be compared."
        ]
    said = []
    if cached:
        share = f"{percent(cached / total)} % of the prompt tokens were found in the prefix cache"
        said.append(f"{share}: times are those of a warm cache, not of a prompt that comes alone.")
    plan = manifest.get("plan")
    plan = plan if isinstance(plan, dict) else {}
    planned = plan.get("computed_expected", plan.get("computed_at_best"))
    whole = len(known) == len(answered) == plan.get("samples") and not frame["double"].any()  # these have no cache
    if isinstance(planned, int) and whole and total - cached > 1.2 * planned:
        said.append(
            f"{total - cached:,} prompt tokens were computed where {planned:,} were planned: the prefix cache was too "
            "small, or finds nothing."
        )
    return said


def verified(found: dict[str, Any]) -> list[str]:
    """What ``--verify-cache`` found, where answers depended on the cache."""
    differing = found.get("differing")
    if not isinstance(differing, list) or not differing:
        return []
    return [
        f"{len(differing)} of {found.get('checked')} samples that were answered with an empty and with a warm prefix "
        "cache got two different answers: a defect of the server, or rounding that tips a close decision. Both answers "
        "are in cache.json."
    ]


_WHAT = (
    "Length: tokens that the model receives, template and question included. Depth: where the needle begins, from 0 %, "
    "the first token of the haystack, to 100 %, the last place it fits. Intervals are Wilson intervals; where scores "
    "are fractions, bootstrap intervals; where haystacks are shared, they are wider by the design effect."
)


def context_words(around: dict[str, Any], why: str) -> str:
    """Of how many samples the text around the needle is there, and why not of more."""
    side = f"{surroundings.TOKENS} tokens on each side"
    said = f"The text around the needle, {side}, was rebuilt for {len(around):,} samples. {why}"
    return said.strip() if around else f"The text around the needles is not shown. {why}".strip()
