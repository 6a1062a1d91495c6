"""What a run found, in sentences: the headline, what to be careful about, what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from longctx import stats
from longctx.claim import claim
from longctx.textmap import depth_labels, length_labels, names, share, source
from longctx.units import percent

if TYPE_CHECKING:
    import pandas as pd

SMALL = 10  # answers a cell below which its interval is wider than 0.5 in the middle

_LOST = {
    "truncated_thinking": "the output budget ended while the model was thinking",
    "truncated": "the output budget ended before a right answer",
    "empty": "there was no output",
}
"""Outcomes that may be the settings' fault rather than the model's."""


def planned(manifest: Mapping[str, Any]) -> int | None:
    """Samples with a haystack that the run set out to ask; None where it does not say."""
    plan = manifest.get("plan")
    samples = plan.get("samples") if isinstance(plan, dict) else None
    controls = plan.get("controls", 0) if isinstance(plan, dict) else 0
    return samples - controls if isinstance(samples, int) else None


def headline(frame: pd.DataFrame, manifest: Mapping[str, Any]) -> list[str]:
    """What was measured, in a few sentences with their intervals; the first stands by itself."""
    found, total = stats.summary(frame), planned(manifest)
    who = source(frame)
    if not frame["double"].any():
        who += f" via {names(frame['backend'])}"
    if not found["n"]:
        return [f"{who}: nothing was answered; {found['errors']:,} calls failed."]
    said = f"{who}: {_share(found)}"
    if total is not None and len(frame) < total:
        said = f"So far, with {len(frame):,} of {total:,} planned samples asked: {said}"
    sentences = [f"{said} over {_axis('length', found['lengths'])} and {_axis('depth', found['depths'])}."]
    tasks = stats.cells(frame, ["task"])
    if len(tasks) > 1:
        each = [f"{row['task']} {share(row)}" for row in stats.rows(tasks)]
        sentences.append(f"By task: {'; '.join(each)}.")
    for axis in ("length", "depth"):
        if axis in found["best"]:
            best, worst = (found[word][axis] for word in ("best", "worst"))
            if best["accuracy"] > worst["accuracy"]:
                sentences.append(f"Best {axis}: {_at(axis, best)}; worst: {_at(axis, worst)}.")
            else:
                sentences.append(f"The same at every {axis}.")
    return sentences


def sentence(
    frame: pd.DataFrame,
    manifest: Mapping[str, Any],
    accuracy: float = 0.9,
    density: float | None = None,
    level: float = 0.95,
) -> str:
    """The sentence that a run is for, or honestly less; see `claim.claim`."""
    return claim(frame, manifest, accuracy, density, level).text


def cautions(frame: pd.DataFrame, manifest: Mapping[str, Any], corpora: Mapping[str, Any]) -> list[str]:
    """What a reader must know before trusting the numbers, gravest first."""
    said, total = [], planned(manifest)
    if frame["double"].any():
        said.append(f"{source(frame)}: these answers say nothing about any model.")
    if total is not None and len(frame) < total:
        said.append(f"The run is not complete: {total - len(frame):,} of {total:,} planned samples are missing.")
    elif manifest.get("adaptive"):
        said.append(
            "A search for the frontier asked most where answers left most open, and stopped when it knew enough: the "
            "intervals and bounds of the figures and tables hold for a number of answers that was fixed beforehand, "
            "and may claim too much here. The first sentence of the page allows for that."
        )
    elif total is None:
        said.append("manifest.json is missing or damaged: neither the plan nor the settings are known.")
    if not corpora:
        said.append("corpora.json is missing or damaged: it is not known which documents were read.")
    found = stats.summary(frame)
    if found["errors"]:
        said.append(f"{found['errors']:,} calls failed. They are no answers, enter no accuracy, and are listed below.")
    for outcome, why in _LOST.items():
        if lost := int((frame["outcome"] == outcome).sum()):
            said.append(f"{lost:,} answers count as not right because {why} ({outcome}).")
    counts = stats.cells(frame, ["task", "density", "length", "depth"])["n"]
    fewest = counts[counts > 0].min() if found["n"] else SMALL
    if fewest < SMALL:
        low, high = stats.wilson([fewest], [fewest])
        n = f"{counts.min()}" if counts.min() == counts.max() else f"{counts.min()} to {counts.max()}"
        said.append(
            f"Few answers a cell (n = {n}): of {fewest} answer{'s' if fewest > 1 else ''}, all right still means "
            f"anything from {percent(low[0])} to {percent(high[0])} %. Read rows and columns, not cells."
        )
    said += _served(frame) + _shared(frame) + _placed(frame)
    if frame["repeated"].any():
        said.append(
            f"{frame['repeated'].sum():,} haystacks repeat passages, because the corpus is shorter than they are."
        )
    return said


def spent(frame: pd.DataFrame, manifest: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What was planned and what it came to: label, plan, outcome."""
    import pandas as pd

    plan = manifest.get("plan")
    plan = plan if isinstance(plan, dict) else {}
    answered = frame[frame["outcome"] != "error"]
    known = answered.dropna(subset=["cached_tokens"])
    computed = known["prompt_tokens"].sum() - known["cached_tokens"].sum()
    share_known = "" if len(known) == len(answered) else f" (of {len(known):,} answers that say so)"
    ends = frame["started_at"] + pd.to_timedelta(frame["total_s"].fillna(0), unit="s")
    rows = [
        ("samples", _count(plan.get("samples")), f"{len(answered):,} answered, {len(frame) - len(answered):,} failed"),
        ("haystacks", _count(plan.get("haystacks")), f"{frame['haystack'].nunique():,}"),
        ("longest prompt, tokens", _count(plan.get("longest")), _count(frame["length"].max())),
        ("prompt tokens", _count(plan.get("prompt_tokens")), _count(answered["prompt_tokens"].sum())),
        (
            "of these computed, the rest reused",
            f"{_count(plan['computed_at_best'])} at best" if "computed_at_best" in plan else "–",
            f"{_count(computed)}{share_known}" if len(known) else "not known",
        ),
        ("output tokens", "–", _count(answered["output_tokens"].sum())),
        ("of these thinking", "–", _count(answered["thinking_tokens"].sum(min_count=1))),
        ("time in calls", "–", duration(frame["total_s"].sum())),
        (
            "from the first call to the end of the last",
            "–",
            duration((ends.max() - frame["started_at"].min()).total_seconds()),
        ),
    ]
    return [row for row in rows if row[1:] != ("–", "–")]


def duration(seconds: float) -> str:
    """Seconds in words: 0.4 s, 3 min 20 s, 2 h 5 min."""
    if seconds != seconds:  # NaN: not known
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60} min"


def _count(value: Any) -> str:
    import pandas as pd

    return "–" if value is None or pd.isna(value) else f"{int(value):,}"


def _share(found: Mapping[str, Any]) -> str:
    interval = f"95 % interval {percent(found['low'])}–{percent(found['high'])} %"
    if found["partial"]:
        return f"a mean score of {percent(found['accuracy'], 1)} % ({interval}) for {found['n']:,} questions"
    of = f"{found['right']:,.0f} of {found['n']:,}"
    return f"{percent(found['accuracy'], 1)} % ({of}, {interval}) of questions answered right"


def _axis(name: str, values: list[Any]) -> str:
    labels = length_labels(values) if name == "length" else depth_labels(values)
    unit = " tokens" if name == "length" else ""
    if len(values) < 2:
        return f"{name} {labels[0]}{unit}" if values else f"no {name}"
    return f"{len(values)} {name}s from {labels[0]} to {labels[-1]}{unit}"


def _at(axis: str, row: Mapping[str, Any]) -> str:
    label = length_labels([row[axis]])[0] + " tokens" if axis == "length" else depth_labels([row[axis]])[0]
    return f"{label}, {share(dict(row))}"


def _served(frame: pd.DataFrame) -> list[str]:
    """What a server made of the prompts: an end that it may have cut off, a count of tokens of its own."""
    said = []
    lost = frame[frame["canaries"].isin(("start lost", "end lost", "both lost"))]
    if len(lost):
        lengths = ", ".join(length_labels(sorted(lost["length_asked"].unique())))
        said.append(
            f"At {lengths} tokens the check words at the ends of the prompt did not come back "
            f"({', '.join(sorted(lost['canaries'].unique()))}): the server may have cut the prompts, or the model "
            "overlooks what stands there."
        )
    answered = frame[frame["outcome"] != "error"]
    counted = answered.dropna(subset=["prompt_tokens"])
    silent = answered[(answered["backend"] == "openai") & answered["prompt_tokens"].isna()]
    if len(silent):
        ends = "" if (silent["canaries"] != "").any() else "; --canaries looks whether both ends arrive"
        said.append(
            f"For {len(silent):,} of {len(answered):,} answers the server counted no prompt tokens: whether it read "
            f"them whole is not known. Some servers count only with --engine-arg stream=false{ends}."
        )
    more = counted["prompt_tokens"] - counted["length"]
    if (more != 0).any():
        low, high = (f"{number:+,}" for number in (more.min(), more.max()))
        by = low if low == high else f"{low} to {high}"
        said.append(f"The server counted {by} prompt tokens beside those built: it renders messages in its own way.")
    return said


def _shared(frame: pd.DataFrame) -> list[str]:
    """Where one haystack is asked about more than once, its answers may stand and fall together."""
    answered = frame[(frame["outcome"] != "error") & (frame["haystack"] != "")]
    haystacks, said = answered["haystack"].nunique(), []
    total = stats.cells(frame, []).iloc[0]
    if haystacks < len(answered):
        said.append(
            f"{len(answered):,} questions share {haystacks:,} haystacks. The intervals allow for answers about one "
            f"haystack that succeed or fail together: over all samples, design effect {total['deff']:.2f}."
        )
    said += _recurring(total)
    prompts = answered[answered["sha256"] != ""]
    again = prompts.duplicated(["run", "model", "sha256"]).sum()
    if again:
        said.append(f"{again:,} of {len(prompts):,} answers are to a prompt that was asked before, word for word.")
    return said


def _recurring(total: Any) -> list[str]:
    """Where the same facts recur at several lengths or densities, rows over these have fewer independent answers."""
    seeds = int(total["clusters"])
    if seeds >= total["haystacks"]:
        return []
    said = (
        f"Each seed asks about the same facts at every length and density: rows over several of these count {seeds:,} "
        f"pairs of a corpus and a seed as independent, not {int(total['haystacks']):,} haystacks."
    )
    return [said + (" So few say little about others: ask more samples." if seeds < stats.FEW else "")]


def _placed(frame: pd.DataFrame) -> list[str]:
    off = (frame["depth"] - frame["depth_asked"]).abs().max()
    if not off > 0.02:
        return []
    return [f"Needles stand at the nearest natural boundary: up to {percent(off, 1)} points of depth from where asked."]
