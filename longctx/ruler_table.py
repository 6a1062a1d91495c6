"""RULER's table of a run: averages over its thirteen tasks, effective length, weighted averages.

Follows RULER (arXiv 2404.06654, table 3; NVIDIA/RULER c3f5e3b): a task's score is the mean over its samples in percent,
rounded to two decimals; a length's is the mean over the thirteen tasks, each of which counts the same. The effective
length is the largest whose average is above 85.6, what Llama-2-7B reached at 4K. The weighted averages stand for
workloads of mostly long prompts (weights 1, 2, … n over the lengths, shortest first) and of mostly short ones (n, … 1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from longctx.errors import UsageError
from longctx.units import short_count

if TYPE_CHECKING:
    import pandas as pd

TASKS = (
    "ruler_niah_single_1",
    "ruler_niah_single_2",
    "ruler_niah_single_3",
    "ruler_niah_multikey_1",
    "ruler_niah_multikey_2",
    "ruler_niah_multikey_3",
    "ruler_niah_multivalue",
    "ruler_niah_multiquery",
    "ruler_vt",
    "ruler_cwe",
    "ruler_fwe",
    "ruler_qa_1",
    "ruler_qa_2",
)
THRESHOLD = 85.6  # percent


@dataclass(frozen=True, slots=True)
class RulerTable:
    """RULER's numbers of one run; scores in percent, missing ones are None.

    Attributes:
        run: its name.
        lengths: as asked, in tokens, ascending.
        scores: task → score for each length.
        averages: for each length, over all thirteen tasks; None where one is missing.
        lacking: length → tasks that have no answer there.
        effective: the largest length whose average is above `THRESHOLD`; None where there is none, or where tasks are
            missing.
        mean: of the averages; None where tasks are missing.
        inc: average with weights that rise with the length; None where tasks are missing.
        dec: average with weights that fall with the length; None where tasks are missing.
    """

    run: str
    lengths: tuple[int, ...]
    scores: Mapping[str, tuple[float | None, ...]]
    averages: tuple[float | None, ...]
    lacking: Mapping[int, tuple[str, ...]]
    effective: int | None
    mean: float | None
    inc: float | None
    dec: float | None

    @property
    def complete(self) -> bool:
        """True where all thirteen tasks have answers at every length."""
        return not self.lacking

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "threshold": THRESHOLD, "lacking": {str(k): list(v) for k, v in self.lacking.items()}}


def score_of(mean: float) -> float:
    """A task's score in percent from a mean score, 0-1, rounded as RULER does."""
    return round(100 * mean, 2)


def average_of(scores: Sequence[float]) -> float:
    """An average of scores in percent, rounded as RULER does."""
    return round(sum(scores) / len(scores), 2)


def has_ruler(frame: pd.DataFrame) -> bool:
    """True where a run asks all thirteen tasks."""
    return set(TASKS) <= set(frame["task"])


def tables(frame: pd.DataFrame) -> list[RulerTable]:
    """RULER's table of each run in a frame.

    Samples of all corpora and variants of a run count together; failed calls do not count.

    Args:
        frame: from `longctx.table.load`.

    Raises:
        UsageError: a run asks none of the thirteen tasks.
    """
    return [_table(str(run), part) for run, part in frame.groupby("run", observed=True, sort=False)]


def _table(run: str, frame: pd.DataFrame) -> RulerTable:
    asked = frame[frame["task"].isin(TASKS)]
    if asked.empty:
        there = ", ".join(sorted(map(str, frame["task"].unique())))
        raise UsageError(
            f"Run {run} asks none of RULER's tasks; it asks {there}. `longctx run ruler` asks all thirteen."
        )
    lengths = tuple(sorted(int(length) for length in asked["length_asked"].unique()))
    means = asked.groupby(["task", "length_asked"], observed=True)["score"].mean().dropna()
    cells = zip(means.index.get_level_values(0), means.index.get_level_values(1), means, strict=True)
    found = {(str(task), int(length)): score_of(float(mean)) for task, length, mean in cells}
    scores = {task: tuple(found.get((task, length)) for length in lengths) for task in TASKS}
    lacking = {
        length: tuple(task for task in TASKS if (task, length) not in found)
        for length in lengths
        if any((task, length) not in found for task in TASKS)
    }
    averages = tuple(
        None if length in lacking else average_of([found[task, length] for task in TASKS]) for length in lengths
    )
    whole = [average for average in averages if average is not None]
    mean = inc = dec = effective = None
    if not lacking:
        mean = average_of(whole)
        inc, dec = _weighted(whole), _weighted(whole[::-1])
        above = [length for length, average in zip(lengths, whole, strict=True) if average > THRESHOLD]
        effective = max(above, default=None)
    return RulerTable(run, lengths, scores, averages, lacking, effective, mean, inc, dec)


def _weighted(averages: Sequence[float]) -> float:
    """Σ i·s_i ÷ Σ i."""
    weights = range(1, len(averages) + 1)
    return round(sum(i * score for i, score in zip(weights, averages, strict=True)) / sum(weights), 2)


def as_frame(table: RulerTable) -> pd.DataFrame:
    """Rows of tasks and their average, a column for each length, in percent."""
    import pandas as pd

    rows = [*table.scores.items(), ("average of 13", table.averages)]
    columns: dict[str, Any] = {"task": [name for name, _ in rows]}
    for place, length in enumerate(table.lengths):
        columns[short_count(length)] = pd.Series([scores[place] for _, scores in rows], dtype=float)
    return pd.DataFrame(columns)


def sentences(table: RulerTable) -> list[str]:
    """What the table says, and what it cannot say."""
    if table.lacking:
        missing = [f"{short_count(length)}: {', '.join(names)}" for length, names in table.lacking.items()]
        return [
            "No effective length and no weighted average: RULER's are over all thirteen tasks, and some have no answer "
            f"({'; '.join(missing)})."
        ]
    if table.effective is None:
        said = f"Effective length: none of the lengths; no average is above {THRESHOLD} %."
    else:
        said = f"Effective length: {short_count(table.effective)}, the longest with an average above {THRESHOLD} %."
    weighted = f"weighted {table.inc:.2f} (inc: long prompts weigh more) and {table.dec:.2f} (dec)"
    return [said, f"Average over the lengths: {table.mean:.2f}; {weighted}."]
