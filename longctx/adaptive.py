"""Asks a model what a frontier search wants to know, and keeps every answer in a run folder."""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from longctx.backends import Prepared
from longctx.backends.base import Backend
from longctx.builder import Builder, pick_tasks
from longctx.errors import RunError, UsageError
from longctx.loop import ask, cell_id, manifest
from longctx.run import Interrupted, Note, Steps, Summary, describe, prepare, scorer_for
from longctx.runfolder import RunFolder, write_whole
from longctx.search import Claim, Point, Search
from longctx.sweep import RANDOM, Sweep
from longctx.tasks import Task
from longctx.types import Cell
from longctx.units import counted, percent, short_count

STEP = 2**0.25
"""Factor from one length to the next where only the two ends are given."""
_EVERY_S = 10.0  # seconds between two lines on how far the search is
_GRAIN = 128  # lengths between are multiples of this many tokens


@dataclass(frozen=True, slots=True)
class Frontier:
    """How long a context can be trusted.

    Attributes:
        accuracy: that was asked for, 0-1.
        confidence: of all claims together, 0-1.
        claims: density, distractors per 10,000 haystack tokens → claim.
        lengths: that were searched, tokens.
    """

    accuracy: float
    confidence: float
    claims: dict[float, Claim]
    lengths: tuple[int, ...]

    def sentences(self) -> list[str]:
        """One for each density."""
        return [self._sentence(density, claim) for density, claim in self.claims.items()]

    def _sentence(self, density: float, claim: Claim) -> str:
        among = f", among {density:g} distractors per 10K tokens" if density else ""
        if claim.good is None and claim.bad == self.lengths[0]:
            found = f"not even the shortest, {self.lengths[0]:,} tokens"
        elif claim.bad is None and claim.good is None:
            found = "nothing is certain yet"
        elif claim.bad is None:
            top = " (the longest looked for)" if claim.good == self.lengths[-1] else ""
            found = f"at least {claim.good:,} tokens{top}"
        elif claim.good is None:
            found = f"below {claim.bad:,} tokens; no length is shown to be trusted"
        else:
            found = f"between {claim.good:,} and {claim.bad:,} tokens"
        worst = f"; at {claim.bad:,} it fails first at depth {claim.worst_depth:g}" if claim.bad else ""
        return (
            f"Accuracy of {percent(self.accuracy)}% or more wherever the fact stands{among}: {found}{worst} "
            f"({percent(self.confidence)}% confidence; {counted(claim.samples, 'sample')}, "
            f"{claim.spent:,} prompt tokens)."
        )

    def to_json(self) -> dict[str, Any]:
        """As ``frontier.json`` and ``longctx frontier --json`` have it."""
        claims = [{"density": density, **asdict(claim)} for density, claim in self.claims.items()]
        return {**asdict(self), "lengths": list(self.lengths), "claims": claims, "sentences": self.sentences()}


def lattice(lengths: Sequence[int], step: float = STEP) -> tuple[int, ...]:
    """Lengths to search: two are the ends of a row that grows by `step`, more are taken as they are.

    Raises:
        UsageError: a step that is none.
    """
    if len(lengths) != 2:
        return tuple(lengths)
    if not 1 < step <= 64:
        raise UsageError(f"step is {step}; possible are factors above 1 and up to 64.")
    low, high = lengths
    row, exact = [low], float(low)
    while (exact := exact * step) < high / step**0.5:
        grain = _GRAIN if exact >= 8 * _GRAIN else 1
        row.append(round(exact / grain) * grain)
    return tuple(dict.fromkeys([*row, high]))


def find_frontier(
    sweep: Sweep,
    out: Path | str,
    *,
    accuracy: float,
    confidence: float,
    budget: int,
    step: float = STEP,
    generators: Iterable[Path] = (),
    corpora: Iterable[Path] = (),
    note: Note = lambda stage: None,
    steps: Steps = nullcontext,
) -> Frontier:
    """Find the longest length at which accuracy is at least `accuracy` at the worst of the sweep's depths.

    Each sample has a haystack of its own and draws one of the sweep's tasks and corpora. The answers are kept under
    `out`: the same call again takes them from there and goes on, also with another accuracy, confidence or budget, for
    which they hold as well (see `longctx.evidence`).

    Args:
        sweep: tasks, corpora, depths, densities, and the ends of the lengths, or all of them.
        out: the run's folder.
        accuracy: asked for at every depth, between 0 and 1.
        confidence: of all that is claimed, together, between 0 and 1.
        budget: prompt tokens that may be spent, shared by the densities.
        step: factor from one length to the next; see `lattice`.
        generators: further folders with tasks.
        corpora: further folders with corpora.
        note: is told how far the search is.
        steps: shows how far reading and encoding are.

    Raises:
        UsageError: a sweep in which a search makes no sense, or a parameter that cannot be.
        RunError: the folder does not fit, or calls failed; the same call asks them again.
        CorpusError, ImpossibleSample, BackendError: as for `run.run`.
        Interrupted: the process was told to stop; everything answered is kept.
    """
    tasks = pick_tasks(sweep, generators)
    _check(sweep, tasks)
    row = lattice(sweep.lengths, step)
    densities, depths = sweep.densities, [float(depth) for depth in sweep.depths]
    each = 1 - (1 - confidence) / len(densities)  # what is claimed of all of them holds together
    Search(row, depths, accuracy=accuracy, confidence=each, budget=budget // len(densities))  # says what cannot be
    if sweep.samples > 1:
        note(f"a search asks as many samples as it takes: {sweep.samples} a point are not asked for")
    backend = prepare(sweep, _extremes(sweep, row), tasks)
    searches: dict[float, Search] = {}
    with RunFolder(out, sweep) as folder:
        answers = None
        try:
            note("loading tokenizer and corpora")
            with steps() as progress:
                builder = Builder(sweep, tasks, corpora, progress, least=row[-1])
                described = builder.describe_corpora(_extremes(sweep, row))
                for cell in _extremes(sweep, row):
                    builder.build(cell)  # what cannot be built is said before an engine starts
            about = describe(sweep, builder, backend, note)
            folder.check(about, described)
            answers = _Answers(sweep, folder, builder, backend, about, described, note)
            start = None
            for place, density in enumerate(densities):
                left = budget - sum(search.spent for search in searches.values())
                search = searches[density] = Search(
                    row,
                    depths,
                    accuracy=accuracy,
                    confidence=each,
                    budget=left // (len(densities) - place),
                    start=start,
                )
                while points := search.ask():
                    for point, value in answers.get(points, density):
                        search.tell(point, value)
                    answers.say(search, points[0].length)
                good = search.claim().good
                start = 0 if good is None else row.index(good)  # more distractors do not make it longer
        except KeyboardInterrupt:
            raise Interrupted(_summary(folder)) from None
        finally:
            if answers is not None:
                answers.close()
        claims = {density: search.claim() for density, search in searches.items()}
        found = Frontier(accuracy, confidence, claims, row)
        write_whole(folder.path / "frontier.json", json.dumps({**found.to_json(), "budget": budget}, indent=2) + "\n")
    return found


class _Answers:
    """Scores of points, from the run folder or from the backend, which starts when it is first needed."""

    def __init__(
        self,
        sweep: Sweep,
        folder: RunFolder,
        builder: Builder,
        backend: Prepared,
        about: dict[str, Any],
        described: dict[str, Any],
        note: Note,
    ) -> None:
        self._sweep, self._folder, self._builder, self._backend = sweep, folder, builder, backend
        self._about, self._described, self._note = about, described, note
        self._score = scorer_for(sweep.model)
        self._engine: Backend | None = None
        self._said = time.monotonic()

    def get(self, points: Sequence[Point], density: float) -> list[tuple[Point, float]]:
        """The score of each point.

        Raises:
            RunError: a call failed; what was answered is kept.
        """
        folder = self._folder
        cells = {cell_id(cell): cell for cell in (_cell(self._sweep, point, density) for point in points)}
        if todo := [cell for name, cell in cells.items() if name not in folder.scores]:
            for record in ask(todo, self._builder.build, self._started(), self._score, self._sweep.model):
                folder.append(record)
        for name in cells:
            if name not in folder.scores:
                raise RunError(
                    f"A call failed: {folder.errors[name]}. {len(folder.scores):,} answers are kept; the same command "
                    "goes on from there."
                )
        return [(point, folder.scores[name]) for point, name in zip(points, cells, strict=True)]

    def say(self, search: Search, length: int) -> None:
        """A line on how far the search is, now and then."""
        if time.monotonic() - self._said < _EVERY_S:
            return
        self._said = time.monotonic()
        claim = search.claim()
        good = "–" if claim.good is None else short_count(claim.good)
        bad = "–" if claim.bad is None else short_count(claim.bad)
        spent = f"{search.spent:,} of {search.budget:,} prompt tokens"
        self._note(
            f"{counted(search.samples, 'sample')} · {spent} · asking {short_count(length)} · "
            f"trusted to {good}, not at {bad}"
        )

    def close(self) -> None:
        """Release the engine."""
        if self._engine is not None:
            self._engine.close()

    def _started(self) -> Backend:
        if self._engine is None:
            self._note("starting the engine")
            self._engine = self._backend.start()
            self._folder.describe({**manifest(self._about, self._engine), "adaptive": True}, self._described)
        return self._engine


def _check(sweep: Sweep, tasks: Mapping[str, Task]) -> None:
    for name, task in tasks.items():
        if not task.depth:
            raise UsageError(f"{name} has no needle at a depth, and a frontier is about the worst depth.")
        if not task.density and any(sweep.densities):
            raise UsageError(f"{name} has no distractors; possible is --density 0 alone.")
    if sweep.source:
        raise UsageError("A frontier builds its samples; it can't ask those of a file.")
    if sweep.questions_per_haystack > 1:
        raise UsageError("A frontier asks one question per haystack: questions_per_haystack can be 1 alone.")
    if sweep.nested:
        raise UsageError("A frontier draws every haystack anew, so that its evidence is independent: nested can't be.")
    if sweep.controls:
        raise UsageError("A frontier asks haystacks alone: run the controls in a sweep of their own.")
    if RANDOM in sweep.depths:
        raise UsageError("A frontier looks for the worst depth: name depths, for example --depth 0,0.25,0.5,0.75,1.")
    for name, values in sweep.variant.items():
        if len(values) > 1:
            raise UsageError(f"A frontier is about one kind of sample; {name} has {len(values)} values, possible is 1.")


def _extremes(sweep: Sweep, row: Sequence[int]) -> list[Cell]:
    """A cell of each task and corpus at the shortest and the longest length, at the greatest density."""
    cell = _cell(sweep, Point(row[-1], float(sweep.depths[0]), 0), sweep.densities[-1])
    return [
        replace(cell, task=task, corpus=corpus, length=length)
        for task in sweep.tasks
        for corpus in sweep.sources()
        for length in (row[0], row[-1])
    ]


def _cell(sweep: Sweep, point: Point, density: float) -> Cell:
    """The cell of a point, with a seed of its own, which draws its task and corpus as well.

    No two samples share facts or passages: what is asked next depends on the answers so far, and an answer must not
    tell anything of the next one beyond the accuracy of its length and depth.
    """
    name = f"{sweep.seed}:{point.length}:{point.depth}:{density}:{point.number}"
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:6])
    rng = random.Random(seed)
    task, corpus = rng.choice(sweep.tasks), rng.choice(list(sweep.sources()))
    variant = tuple((name, values[0]) for name, values in sweep.variant.items())
    return Cell(task, corpus, point.length, point.depth, density, seed, (), variant)


def _summary(folder: RunFolder) -> Summary:
    scores = folder.scores.values()
    mean = sum(scores) / len(scores) if scores else None
    return Summary(folder.path, len(scores), len(scores), len(folder.errors), folder.written, mean)
