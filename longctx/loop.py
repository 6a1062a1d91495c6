"""Samples in, records out: the loop between a backend and a run folder."""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from longctx.backends.base import Backend
from longctx.controls import control_of
from longctx.errors import BackendError, ContractError, UsageError
from longctx.machine import hardware, packages
from longctx.plan import Cache, in_order, make_plan
from longctx.progress import Progress
from longctx.reuse import Reuse, cache_of, verify
from longctx.runfolder import RunFolder, write_whole
from longctx.types import Cell, Response, Sample, Score
from longctx.units import counted

Watch = Callable[[Mapping[str, Cell], Sequence[int], Sequence[float]], Progress]
Record = dict[str, Any]
GROUPED = (
    "task", "corpus", "length_asked", "length", "depth_asked", "depth", "density_asked", "density", "seed", "variant",
    "haystack", "haystack_at", "haystack_tokens", "host", "host_format", "tokenizer", "question", "scorer", "needles",
    "co_needles", "distractors", "nested", "repeated", "sha256", "recipe",
)  # fmt: skip
"""What a record takes over from its sample's metadata."""
_KNOWN = {*GROUPED, "corpus_hash", "tokenizer_hash", "depths_together", "absent_forms"}


def cell_id(cell: Cell) -> str:
    """Name of a cell within a run: 16 hex digits, the same in every process."""
    return hashlib.sha256(json.dumps(asdict(cell)).encode()).hexdigest()[:16]


def ask(
    cells: Iterable[Cell],
    build: Callable[[Cell], Sample],
    backend: Backend,
    score: Callable[[Sample, Response], Score],
    model: str = "",
) -> Iterator[Record]:
    """Build each cell's sample when the backend takes it, and yield a record when its response is there.

    At any moment only the samples that the backend holds are in memory.

    Args:
        cells: in the order in which they are asked.
        build: cell → sample.
        backend: what answers.
        score: sample, response → score.
        model: name of the model, for the records.

    Raises:
        ContractError: the engine received another number of tokens than was built, or answered something else
            than it was asked. No record is yielded for that sample.
        BackendError: the backend ended without answering everything.
    """
    waiting: dict[str, tuple[Cell, Sample, str]] = {}
    finished: set[str] = set()

    def samples() -> Iterator[Sample]:
        for cell in cells:
            sample = build(cell)
            if sample.id in waiting or sample.id in finished:
                raise ContractError(f"Two cells gave the same sample {sample.id}; the second is {cell}.")
            waiting[sample.id] = cell, sample, _now()
            yield sample

    responses = backend.generate(samples())
    with contextlib.ExitStack() as stack:
        stack.callback(getattr(responses, "close", lambda: None))  # a generator's; lets the engine end cleanly
        for response in responses:
            if response.id not in waiting:
                raise ContractError(f"{backend.name} answered sample {response.id}, which was not asked or twice.")
            cell, sample, started = waiting.pop(response.id)
            finished.add(sample.id)
            built = len(sample.prompt_ids)
            counted = response.prompt_tokens
            if counted not in (None, built) and not response.error and getattr(backend, "exact", True):
                raise ContractError(
                    f"Sample {sample.id} was built with {built:,} prompt tokens and {backend.name} counted "
                    f"{counted:,}: it received something else. This is a defect; the run stops."
                )
            yield {
                "id": sample.id,
                "cell": cell_id(cell),
                **{name: sample.metadata.get(name) for name in GROUPED},
                "extra": {name: value for name, value in sample.metadata.items() if name not in _KNOWN},
                "target": sample.target,
                **_answer(response, score(sample, response)),
                "model": model,
                "backend": backend.name,
                "started_at": started,
            }
    if waiting:
        raise BackendError(f"{backend.name} ended without answering {len(waiting)} of the samples that it took.")


def _answer(response: Response, score: Score) -> Record:
    said = asdict(response)
    del said["id"]
    text = said.pop("text")
    failed = score.outcome == "error"
    return {
        "output_text": text,
        **said,
        "score": None if failed else score.value,
        "outcome": score.outcome,
        "explanation": score.explanation,
        "answer_text": score.answer,
        "picked": score.picked,
    }


def complete(
    folder: RunFolder,
    cells: Iterable[Cell],
    build: Callable[[Cell], Sample],
    open_engine: Callable[[], Backend],
    *,
    score: Callable[[Sample, Response], Score],
    about: Mapping[str, Any],
    corpora: Mapping[str, Any],
    watch: Watch | None = None,
    note: Callable[[str], None] = lambda stage: None,
    verify_cache: int = 0,
) -> None:
    """Ask whatever a run still lacks and record every answer.

    Every sample is built once before the engine starts, so that one that cannot be built stops nothing half-way.

    Args:
        folder: where records go.
        cells: all of the run, done or not, in any order.
        build: cell → sample.
        open_engine: starts the backend; not called where nothing is left to ask.
        score: sample, response → score.
        about: the manifest, but for what is known only here: ``backend``, ``plan``, ``sessions``, ``created_at``.
        corpora: contents of ``corpora.json``.
        watch: makes a progress display; none by default.
        note: is told what begins now, where that may take a while, and what a person should know of the prefix cache.
        verify_cache: samples that are answered twice in the end, with an empty and a warm cache, and compared.

    Raises:
        UsageError: the backend's cache cannot be emptied.
        RunError: the folder does not fit or cannot be written.
        ImpossibleSample: a sample cannot be built as asked.
        BackendError: the backend cannot start, or does not do what it should.
    """
    todo = list(remaining(cells, folder).values())
    if not todo and not verify_cache:
        return
    folder.check(about, corpora)
    note(f"building {counted(len(todo), 'sample')} to see what they share")
    plan = make_plan(todo, build)
    asked = {cell_id(cell): cell for cell in plan.cells}
    note("starting the engine")
    backend = open_engine()
    try:
        if verify_cache:
            forget = getattr(backend, "forget", None)
            if forget is None:
                raise UsageError(f"--verify-cache needs a backend whose cache can be emptied; {backend.name} has none.")
            forget()  # one that can't says so before anything is asked
        about = manifest(about, backend)
        cache = cache_of(about["backend"])
        folder.describe(about | {"plan": plan.to_json(cache)}, corpora)
        reuse = Reuse(plan, list(asked), cache, note if not backend.double else lambda said: None)
        fresh = plan.computed(cache or Cache()).tolist()
        aside = {cell_id(cell) for cell in cells if control_of(cell)}
        earlier = [score for name, score in folder.scores.items() if name not in aside]
        with watch(asked, fresh, earlier) if watch else contextlib.nullcontext() as display:
            for group in reuse.groups():
                some = [plan.cells[index] for index in group]
                for record in ask(some, build, backend, score, str(about.get("model", ""))):
                    folder.append(record)
                    reuse.update(record)
                    if display is not None:
                        display.update(record)
        reuse.close()
        if verify_cache:
            _verify_cache(folder, cells, build, backend, verify_cache, note)
    finally:
        backend.close()


def _verify_cache(
    folder: RunFolder,
    cells: Iterable[Cell],
    build: Callable[[Cell], Sample],
    backend: Backend,
    count: int,
    note: Callable[[str], None],
) -> None:
    note("comparing answers with an empty and with a warm cache")
    every = sorted(cells, key=cell_id)
    chosen = random.Random(len(every)).sample(every, min(count, len(every)))
    found = verify(backend, map(build, chosen))
    write_whole(folder.path / "cache.json", json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    if found["differing"]:
        note(
            f"WARNING: {len(found['differing'])} of {found['checked']} samples got another answer with a warm cache "
            "than with an empty one: a defect of the server, or rounding that tips a close decision. "
            f"{folder.path / 'cache.json'} has both answers, and the report says so."
        )
    elif not found["reused"]:
        note(f"{found['checked']} samples were answered twice, and nothing was found in the cache: it verifies nothing")
    else:
        note(f"{found['checked']} samples got the same answer with an empty and with a warm cache")


def manifest(about: Mapping[str, Any], backend: Backend) -> dict[str, Any]:
    """What is written about a run beside its records: what it is made of, what answers, and where."""
    described = {"name": backend.name, "double": backend.double, **backend.describe()}
    session = {"started_at": _now(), "hardware": hardware()}
    if "servers" in described:  # a run may go on with others
        session["servers"] = described["servers"]
    return {
        **about,
        "created_at": session["started_at"],
        "backend": described,
        "hardware": session["hardware"],
        "packages": packages(),
        "sessions": [session],
    }


def remaining(cells: Iterable[Cell], folder: RunFolder) -> dict[str, Cell]:
    """Cell id → cell, in the order in which they are asked, of those without an answer."""
    todo = {cell_id(cell): cell for cell in in_order(cells)}
    return {name: cell for name, cell in todo.items() if name not in folder.scores}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
