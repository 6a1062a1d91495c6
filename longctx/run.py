"""Samples in, records out: the loop between a backend and a run folder."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from longctx.backends.base import Backend
from longctx.errors import BackendError, ContractError
from longctx.types import Cell, Response, Sample, Score

Record = dict[str, Any]
GROUPED = (
    "task", "corpus", "length_asked", "length", "depth_asked", "depth", "density_asked", "density", "seed", "variant",
    "haystack", "haystack_tokens", "tokenizer", "question", "scorer", "needles", "co_needles", "distractors",
    "repeated", "sha256", "recipe",
)  # fmt: skip
"""What a record takes over from its sample's metadata."""


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
            waiting[sample.id] = cell, sample, datetime.now(UTC).isoformat(timespec="milliseconds")
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
            if response.prompt_tokens is not None and response.prompt_tokens != built:
                raise ContractError(
                    f"Sample {sample.id} was built with {built:,} prompt tokens and {backend.name} counted "
                    f"{response.prompt_tokens:,}: it received something else. This is a defect; the run stops."
                )
            yield {
                "id": sample.id,
                "cell": cell_id(cell),
                **{name: sample.metadata.get(name) for name in GROUPED},
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
    }
