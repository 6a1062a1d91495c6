"""A sweep from its first file to its last record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from longctx import __version__
from longctx.backends import Prepared, prepare_backend
from longctx.builder import Builder, cells_of, not_asked, pick_tasks
from longctx.content import digests
from longctx.controls import control_of
from longctx.cost import CostCurve, Prices, probes
from longctx.errors import BackendError
from longctx.imported import Imported
from longctx.loop import Watch, cell_id, complete, remaining
from longctx.plan import Cache, Plan, in_order, make_plan
from longctx.profiles import find_profile
from longctx.reuse import cache_of
from longctx.runfolder import RunFolder
from longctx.scorers import score
from longctx.sources import Progress
from longctx.sweep import Sweep
from longctx.tasks import Task, find_tasks
from longctx.tokens import load_tokenizer
from longctx.types import Cell, Response, Sample, Score
from longctx.units import counted

Note = Callable[[str], None]
Steps = Callable[[], AbstractContextManager[Progress | None]]


@dataclass(frozen=True, slots=True)
class Summary:
    """Where a run stands."""

    path: Path
    samples: int  # of the whole sweep
    answered: int
    failed: int  # calls that failed; the same run again asks them again
    asked: int  # answered or failed just now
    accuracy: float | None  # mean score of the answers that had a haystack
    first_error: str = ""


class Interrupted(KeyboardInterrupt):
    """A run was interrupted; `summary` says how far it is."""

    def __init__(self, summary: Summary) -> None:
        super().__init__(f"{summary.answered} of {summary.samples} samples answered")
        self.summary = summary


def run(
    sweep: Sweep,
    out: Path | str,
    *,
    generators: Iterable[Path] = (),
    corpora: Iterable[Path] = (),
    watch: Watch | None = None,
    note: Note = lambda stage: None,
    steps: Steps = nullcontext,
    verify_cache: int = 0,
) -> Summary:
    """Ask everything that a sweep asks, or what is left of it, and record every answer under `out`.

    Args:
        sweep: what to ask.
        out: the run's folder; made, or gone on with where it holds the same sweep.
        generators: further folders with tasks.
        corpora: further folders with corpora.
        watch: makes a progress display, for example `progress.Progress`.
        note: is told what begins, where that may take a while.
        steps: shows how far reading and encoding are, for example `steps.steps`.
        verify_cache: samples that are answered twice in the end, with an empty and a warm prefix cache, and compared.

    Returns:
        Where the run stands. Calls that failed do not raise.

    Raises:
        UsageError: a task, backend or parameter that cannot be.
        RunError: the folder does not fit.
        CorpusError, TokenizerError, ImpossibleSample: samples cannot be built; nothing was asked.
        BackendError: the backend cannot start, or does not do what it should.
        Interrupted: the process was told to stop; everything answered is kept.
    """
    given = _given(sweep, note, steps)
    tasks = _tasks(sweep, given, generators)
    cells = given.cells if given else cells_of(sweep, tasks)
    for said in not_asked(sweep, tasks):
        note(said)
    aside = {cell_id(cell) for cell in cells if control_of(cell)}
    backend = prepare(sweep, cells, tasks)
    with RunFolder(out, sweep) as folder:

        def summary() -> Summary:
            scores = folder.scores.values()
            with_haystack = [score for cell, score in folder.scores.items() if cell not in aside]
            return Summary(
                path=folder.path,
                samples=len(cells),
                answered=len(scores),
                failed=len(folder.errors),
                asked=folder.written,
                accuracy=sum(with_haystack) / len(with_haystack) if with_haystack else None,
                first_error=next(iter(folder.errors.values()), ""),
            )

        todo = remaining(cells, folder)
        if not todo and not verify_cache:
            return summary()
        try:
            note("loading tokenizer and corpora")
            with steps() as progress:
                builder = given or Builder(sweep, tasks, corpora, progress)
                described = builder.describe_corpora(todo.values() or cells)
            about = describe(sweep, builder, backend, note)
            complete(
                folder, cells, builder.build, backend.start, score=scorer_for(sweep.model), about=about,
                corpora=described, watch=watch, note=note, verify_cache=verify_cache,
            )  # fmt: skip
        except KeyboardInterrupt:
            raise Interrupted(summary()) from None
        return summary()


def describe(sweep: Sweep, builder: Builder | Imported, backend: Prepared, note: Note) -> dict[str, Any]:
    """What a manifest says before anything is asked; a model without a chat template is said aloud."""
    tokenizer = builder.describe_tokenizer()
    if not tokenizer["chat_template"]:
        cue = "as it is" if isinstance(builder, Imported) else "ending with a cue"
        note(f"{tokenizer['name']} has no chat template: it gets the plain prompt, {cue}")
    return {
        "longctx": __version__,
        "model": sweep.model,
        "tokenizer": tokenizer,
        "yarn": backend.yarn,
        "sampling": asdict(sweep.sampling),
        "files": {f"{name}={path}": digest for name, path, digest in _files(sweep)},
    }


def scorer_for(model: str) -> Callable[[Sample, Response], Score]:
    """Scores answers; the thoughts of a model that a profile knows are told apart by its own delimiters alone."""
    profile = find_profile(model)
    return partial(score, delimiters=profile.delimiters) if profile and profile.delimiters else score


def _files(sweep: Sweep) -> Iterator[tuple[str, str, str]]:
    """Files that the sweep's further axes name: (axis, path, SHA-256)."""
    for axis, values in sweep.variant.items():
        for value in values:
            for digest in digests([(axis, value)]).values():
                yield axis, value, digest


@dataclass(frozen=True, slots=True)
class Preview:
    """What a sweep would take."""

    plan: Plan
    cache: Cache | None  # of the engine; None where it does not say
    seconds: float  # an estimate
    timed: list[dict[str, Any]]  # what it was made from: length, prefill_s, decode_s
    money: float | None = None  # at most, by the list of prices: no cache finds anything
    money_cached: float | None = None  # where the cache finds what the plan expects
    currency: str = ""

    def to_json(self) -> dict[str, Any]:
        """As ``longctx run --dry-run --json`` prints it."""
        estimate = {"seconds": round(self.seconds, 3), "timed": self.timed}
        if self.money is not None:
            cached = None if self.money_cached is None else round(self.money_cached, 4)
            estimate |= {"money": round(self.money, 4), "money_cached": cached, "currency": self.currency}
        return {"plan": self.plan.to_json(self.cache), "estimate": estimate}


def preview(
    sweep: Sweep,
    *,
    generators: Iterable[Path] = (),
    corpora: Iterable[Path] = (),
    note: Note = lambda stage: None,
    steps: Steps = nullcontext,
    prices: Prices | None = None,
) -> Preview:
    """Build every sample, time one of the shortest and one of a middle length, and record nothing.

    Args and errors as for `run`; `prices` says what tokens cost, every output being as long as it may be.
    """
    given = _given(sweep, note, steps)
    tasks = _tasks(sweep, given, generators)
    cells = in_order(given.cells if given else cells_of(sweep, tasks))
    for said in not_asked(sweep, tasks):
        note(said)
    prepared = prepare(sweep, cells, tasks)
    note("loading tokenizer and corpora")
    with steps() as progress:
        builder = given or Builder(sweep, tasks, corpora, progress)
        note(f"building {counted(len(cells), 'sample')} to see what they share")
        plan = make_plan(cells, builder.build)
    note("starting the engine to time two samples")
    backend = prepared.start()
    try:
        cache = cache_of(backend.describe())
        curve, timed = CostCurve(), []
        for cell in probes(cells):
            sample = builder.build(cell)
            [response] = backend.generate([sample])
            if response.error or response.total_s is None:
                raise BackendError(f"A sample of {cell.length:,} tokens could not be timed: {response.error}")
            length = len(sample.prompt_ids)
            prefill = response.total_s if response.ttft_s is None else response.ttft_s
            decode = response.total_s - prefill
            curve.add(length, length, response.total_s)
            curve.add(length, 0, decode)  # what is left when the whole prompt is cached
            timed.append({"length": length, "prefill_s": round(prefill, 4), "decode_s": round(decode, 4)})
    finally:
        backend.close()
    computed = plan.computed(cache or Cache())
    seconds = curve.seconds(plan.lengths, computed)
    if prices is None:
        return Preview(plan, cache, seconds, timed)
    fresh, total = float(computed.sum()), float(plan.lengths.sum())
    output = len(cells) * sweep.sampling.max_tokens
    cached = prices.cost(fresh, total - fresh, output)
    return Preview(plan, cache, seconds, timed, prices.most(total, output), cached, prices.currency)


def _given(sweep: Sweep, note: Note, steps: Steps) -> Imported | None:
    """The samples of the sweep's file; None where it has none and samples are built."""
    if not sweep.source:
        return None
    note("loading the tokenizer and measuring samples")
    with steps() as progress:
        return Imported(sweep.source, load_tokenizer(sweep.tokenizer or sweep.model), progress)


def _tasks(sweep: Sweep, given: Imported | None, generators: Iterable[Path]) -> dict[str, Task]:
    """The sweep's tasks; for samples from a file those of its tasks that are known here, so that doubles can read."""
    if given is None:
        return pick_tasks(sweep, generators)
    named = {cell.task for cell in given.cells}
    return {name: task for name, task in find_tasks(generators).items() if name in named}


def prepare(sweep: Sweep, cells: Sequence[Cell], tasks: dict[str, Task]) -> Prepared:
    """The backend that a sweep asks for, able to hold the longest of these cells; not started."""
    return prepare_backend(
        sweep.backend,
        model=sweep.model,
        length=max(cell.length for cell in cells),  # of the whole sweep: what is left of it must meet the same window
        sampling=sweep.sampling,
        yarn=sweep.yarn,
        allow_rescale=sweep.allow_rescale,
        engine_args=sweep.engine,
        readers={name: task.reader for name, task in tasks.items() if task.reader},
    )
