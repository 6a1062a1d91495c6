"""The page of several runs over the same samples: each against the first, sample by sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longctx import figures, stats, table
from longctx.errors import RunError, UsageError
from longctx.figures.gallery import strata
from longctx.report import assemble, browser, exhibits, surroundings
from longctx.report.page import context_words, put
from longctx.textmap import names, short_name, source
from longctx.units import percent, points

if TYPE_CHECKING:
    import pandas as pd

MOST_SETTINGS = 200


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """The first run and one of the others."""

    title: str
    sentence: str
    first: pd.DataFrame
    second: pd.DataFrame
    album: figures.Album


def write(
    runs: Sequence[Path | str],
    out: Path | str | None = None,
    *,
    context: int = surroundings.MOST,
    generators: Sequence[Path] = (),
    corpora: Sequence[Path] = (),
) -> tuple[Path, list[Pair]]:
    """Compare runs with the first of them and write one page, with its figures in a folder beside it.

    Args:
        runs: run folders, at least two.
        out: the page; ``compare-FIRST-OTHERS.html`` beside the first run unless given.
        context: samples whose text around the needle is rebuilt, those that flipped first.
        generators: further folders with tasks, to rebuild from.
        corpora: further folders with corpora, likewise.

    Returns:
        Path of the page, and what was compared.

    Raises:
        UsageError: fewer than two runs, or two that have no answered sample in common.
        RunError: no run there, a damaged one, or the page cannot be written.
    """
    folders = [Path(run) for run in runs]
    if len(folders) < 2:
        raise UsageError(f"{len(folders)} run was given; a comparison needs two or more.")
    together = table.load(*folders)
    frames = [part for _, part in together.groupby("run", observed=True, sort=False)]
    name = "-".join(["compare", *(folder.resolve().name for folder in folders)])[:120]
    page = Path(out) if out else folders[0].resolve().parent / f"{name}.html"
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        pairs = [_pair(frames[0], other, page.with_suffix(""), len(frames) > 2) for other in frames[1:]]
        around, why = surroundings.rebuild(folders[0], _flipped(pairs), context, generators, corpora)
        put(page, render(folders, frames, pairs, around, why))
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""  # a full disk names no file
        raise RunError(f"Cannot write {page}: {error.strerror or error}{place}.") from error
    return page, pairs


def _pair(first: pd.DataFrame, second: pd.DataFrame, folder: Path, several: bool) -> Pair:
    stem = names(second["run"]).replace("/", "-") if several else "compare"
    album = figures.draw_pair(first, second, folder, stem)
    return Pair(f"{names(first['run'])} → {names(second['run'])}", sentence(first, second), first, second, album)


def sentence(first: pd.DataFrame, second: pd.DataFrame) -> str:
    """What the second run changed, with its interval and test."""
    import pandas as pd

    found = stats.compare(first, second).iloc[0]
    one, two = names(first["run"]), names(second["run"])
    if found["p"] >= 0.05:
        verdict = "no difference beyond chance is shown"
    else:
        verdict = f"{two} is {'better' if found['points'] > 0 else 'worse'}"
    p = "p < 0.001" if found["p"] < 0.001 else f"p = {found['p']:.3f}"
    change, low, high = (points(found[name]) for name in ("points", "low", "high"))
    partly = not pd.concat([stats.answered(frame)["score"] for frame in (first, second)]).isin((0, 1)).all()
    what, then = ("has a mean score of", "") if partly else ("is right in", "in ")
    return (
        f"Over {found['n']:,} samples that both answered, {two} {what} {percent(found['second'], 1)} % and {one} "
        f"{then}{percent(found['first'], 1)} %: {verdict} ({change} points, 95 % interval {low} to {high}; {p}, "
        f"{found['test']}). {found['only_first']:,} {'answer was' if found['only_first'] == 1 else 'answers were'} "
        f"lost and {found['only_second']:,} won."
    )


def render(
    folders: Sequence[Path], frames: Sequence[pd.DataFrame], pairs: Sequence[Pair], around: dict[str, Any], why: str
) -> str:
    """The page as text."""
    shown, sections = [], [("runs", "The runs")]
    for number, pair in enumerate(pairs, 1):
        pictures = assemble.pictures(pair.album.pictures, f"pair-{number}-figure")
        anchor = f"pair-{number}"
        sections += [(one["anchor"], one["heading"]) for one in pictures] if len(pairs) == 1 else [(anchor, pair.title)]
        sections += [(f"{anchor}-strata", "Paired tests"), (f"{anchor}-flips", "Cells that flipped")]
        shown.append(
            {
                "title": pair.title,
                "anchor": anchor,
                "sentence": pair.sentence,
                "pictures": pictures,
                "left_out": pair.album.left_out,
                "tables": list(_tables(pair)),
                "flips": assemble.table(flipped_cells(pair)),
            }
        )
    sections += [("settings", "Settings that differ"), ("warnings", "Warnings"), ("samples", "Samples")]
    manifests = [table.read_json(folder, "manifest.json") for folder in folders]
    return assemble.page(
        "comparison.html.j2",
        title=" against ".join(dict.fromkeys(f"{source(frame)} ({names(frame['run'])})" for frame in frames)),
        footer=f"Runs {', '.join(folder.resolve().name for folder in folders)}",
        double=any(bool(frame["double"].any()) for frame in frames),
        headline=[pair.sentence for pair in pairs],
        runs=assemble.table(_runs(frames)),
        how=_how(pairs),
        pairs=shown,
        settings=assemble.table(differing(frames, manifests)),
        cautions=list(_cautions(frames, pairs)),
        sections=sections,
        rows=browser.pack(_flipped(pairs), around),
        context="Only samples that flipped are here; the others stand in the runs' own pages. "
        + context_words(around, why),
    )


def _tables(pair: Pair) -> Any:
    yield "All samples", assemble.table(stats.compare(pair.first, pair.second))
    for by in (["length"], ["depth"], ["density"], ["task"], strata(pair.first)):
        part = pair.first
        if all(part[stats.ASKED.get(name, name)].nunique() > 1 for name in by):
            yield f"By {' and '.join(by)}", assemble.table(stats.compare(pair.first, pair.second, by))


def flipped_cells(pair: Pair) -> pd.DataFrame:
    """Cells with the number of answers that were lost and won, the most first."""
    by = ["task", "density", "length", "depth"]
    found = stats.pairs(pair.first, pair.second)
    lost = (found["score_first"] >= 0.5) & (found["score_second"] < 0.5)
    won = (found["score_first"] < 0.5) & (found["score_second"] >= 0.5)
    work = found[[stats.ASKED.get(name, name) for name in by]].set_axis(by, axis=1).assign(n=1, lost=lost, won=won)
    cells = work.groupby(by, observed=True, dropna=False)[["n", "lost", "won"]].sum().reset_index()
    moved = cells[(cells["lost"] > 0) | (cells["won"] > 0)]
    return (
        moved.assign(_all=moved["lost"] + moved["won"])
        .sort_values("_all", ascending=False, kind="stable")
        .drop(columns="_all")
    )


def _flipped(pairs: Sequence[Pair]) -> pd.DataFrame:
    """Samples that one run of a pair has right and the other has not, for the browser."""
    import pandas as pd

    parts = []
    for pair in pairs:
        moved = stats.flips(pair.first, pair.second)
        back = {f"{name}_second": name for name in ("score", "outcome", "output_text")}
        moved = moved.rename(columns=back | {"outcome_first": "other_outcome", "output_text_first": "other_text"})
        moved["run"] = names(pair.second["run"])
        moved = moved.assign(explanation="", finish_reason="", picked_tier="")  # the first run's: not about both
        moved[["picked_start", "output_tokens", "thinking_tokens"]] = pd.NA
        parts.append(moved)
    return pd.concat(parts, ignore_index=True)


def _runs(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for frame in frames:
        found = stats.summary(frame)
        tokens = frame.loc[frame["outcome"] != "error", "output_tokens"].sum()
        row: dict[str, Any] = {
            "run": names(frame["run"]),
            "model": names(frame["model"].map(short_name)),
            "backend": names(frame["backend"]),
        }
        row |= {name: found[name] for name in ("n", "accuracy", "low", "high", "errors")}
        row["tokens a right answer"] = tokens / found["right"] if found["right"] else None
        rows.append(row)
    return pd.DataFrame(rows)


def _how(pairs: Sequence[Pair]) -> str:
    said = []
    for pair in pairs:
        found = stats.pairs(pair.first, pair.second)
        same = "the same samples, word for word" if found["matched"].iloc[0] == "sample" else (
            "the same questions of the same cells; haystacks differ, because the tokenizers do"
        )  # fmt: skip
        answered = [int((frame["outcome"] != "error").sum()) for frame in (pair.first, pair.second)]
        said.append(f"{pair.title}: {len(found):,} pairs of {answered[0]:,} and {answered[1]:,} answers; {same}.")
    return " ".join(said)


def differing(frames: Sequence[pd.DataFrame], manifests: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Facts of the manifests that are not the same in all runs: a row a fact, a column a run."""
    import pandas as pd

    flat = []
    for manifest in manifests:
        kept = {name: value for name, value in manifest.items() if name not in ("sessions", "created_at", "plan")}
        flat.append({
            f"{part['name']}: {name}": value for part in exhibits.settings(kept) for name, value in part["facts"]
        })  # fmt: skip
    facts = list(dict.fromkeys(name for one in flat for name in one))
    unlike = [fact for fact in facts if len({one.get(fact) for one in flat}) > 1]
    rows = [[fact, *(one.get(fact, "–") for one in flat)] for fact in unlike]
    return pd.DataFrame(rows[:MOST_SETTINGS], columns=["setting", *(names(frame["run"]) for frame in frames)])


def _cautions(frames: Sequence[pd.DataFrame], pairs: Sequence[Pair]) -> Any:
    for frame in frames:
        name = names(frame["run"])
        if frame["double"].any():
            yield f"{name}: {source(frame)}: these answers say nothing about any model."
        if errors := int((frame["outcome"] == "error").sum()):
            yield f"{name}: {errors:,} calls failed; they are in no pair."
        cut = int(frame["outcome"].isin(["truncated", "truncated_thinking"]).sum())
        if cut:
            yield f"{name}: {cut:,} answers were cut off by the output budget and count as not right."
    for pair in pairs:
        both = len(stats.pairs(pair.first, pair.second))
        more = max(int((frame["outcome"] != "error").sum()) for frame in (pair.first, pair.second))
        if both < more:
            yield f"{pair.title}: {more - both:,} answers have no partner in the other run and are left out."
        if both < 30:
            yield f"{pair.title}: {both} pairs are few; only a great difference could be shown."
