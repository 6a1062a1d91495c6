"""What a sweep needs to become samples: its tasks, its tokenizer, its corpora."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from longctx import controls
from longctx.corpus import Corpora, Corpus
from longctx.errors import UsageError, unknown
from longctx.sources import Progress
from longctx.sweep import Sweep
from longctx.tasks import Task, find_tasks
from longctx.tokens import load_tokenizer
from longctx.types import Cell, Sample


def pick_tasks(sweep: Sweep, generators: Iterable[Path] = ()) -> dict[str, Task]:
    """The sweep's tasks by name.

    Args:
        sweep: what to ask.
        generators: further folders to look in.

    Raises:
        UsageError: a task that is not there, or an axis that none or not all of them have.
    """
    found = find_tasks(generators)
    for name in sweep.tasks:
        if name not in found:
            raise UsageError(unknown("task", name, found))
        for axis in sweep.variant:
            if axis not in found[name].variants:
                raise UsageError(unknown(f"axis of {name}", axis, found[name].variants))
        if sweep.questions_per_haystack > 1 and not found[name].shares_haystack:
            raise UsageError(
                f"{name} asks one question per haystack; {sweep.questions_per_haystack} were asked for. "
                "Run it in a sweep of its own with --questions-per-haystack 1."
            )
    return {name: found[name] for name in sweep.tasks}


def cells_of(sweep: Sweep, tasks: dict[str, Task]) -> list[Cell]:
    """The sweep's cells, each once, and its controls.

    A task without distractors or without a depth is asked once for all of them; one whose questions can't share a
    haystack has no nested ones.
    """
    cells: dict[Cell, None] = {}
    for cell in sweep.cells():
        task = tasks[cell.task]
        density, depth = cell.density if task.density else 0.0, cell.depth if task.depth else None
        nested = cell.nested if task.shares_haystack else 0
        cells[replace(cell, density=density, depth=depth, nested=nested)] = None
    return [*cells, *controls.control_cells(cells, sweep.controls, tasks)]


def not_asked(sweep: Sweep, tasks: dict[str, Task]) -> list[str]:
    """What of the sweep's design makes no difference to some of its tasks, a sentence each."""
    said = []
    if any(sweep.densities) and (names := [task.name for task in tasks.values() if not task.density]):
        densities = ", ".join(f"{density:g}" for density in sweep.densities)
        said.append(f"{', '.join(names)}: no distractors at a density, asked once instead of at density {densities}")
    if len(sweep.depths) > 1 and (names := [task.name for task in tasks.values() if not task.depth]):
        said.append(f"{', '.join(names)}: no depth, asked once instead of at each of {len(sweep.depths)} depths")
    if sweep.nested and (names := [task.name for task in tasks.values() if not task.shares_haystack]):
        said.append(f"{', '.join(names)}: no nested haystacks")
    return said


class Builder:
    """Builds a sweep's samples, each a pure function of corpus, tokenizer and cell.

    Attributes:
        tokenizer: the one that counts.
    """

    def __init__(
        self,
        sweep: Sweep,
        tasks: dict[str, Task],
        corpora: Iterable[Path] = (),
        progress: Progress | None = None,
        *,
        least: int = 0,
    ) -> None:
        """Load the tokenizer; corpora are read and encoded when a sample first needs them.

        Args:
            sweep: what to ask.
            tasks: as `pick_tasks` gives them.
            corpora: further folders to look in.
            progress: is told how far reading and encoding are.
            least: tokens that a corpus that grows should be made for, however short a sample is.

        Raises:
            TokenizerError: there is no usable tokenizer.
        """
        self._least = least
        self.tokenizer = load_tokenizer(sweep.tokenizer or sweep.model)
        self._tasks = tasks
        self._sources = sweep.sources()
        self._corpora = Corpora(self.tokenizer, corpora, sweep.voice, sweep.repeat, progress)
        self._opened: dict[tuple[str, int], Corpus] = {}

    def corpus(self, cell: Cell) -> Corpus:
        """What the cell's haystack is cut from.

        Raises:
            CorpusError: it is unknown, damaged, or has nothing readable in it.
        """
        key = cell.corpus, self._size(cell)
        if key not in self._opened:
            self._opened[key] = self._corpora.get(self._sources[cell.corpus], self._size(cell))
        return self._opened[key]

    def _size(self, cell: Cell) -> int:
        return max(cell.length, cell.nested, self._least) * self._tasks[cell.task].corpus_factor

    def build(self, cell: Cell) -> Sample:
        """The cell's sample.

        Raises:
            ImpossibleSample: it cannot be built as asked; says what is possible.
            CorpusError: the corpus is too small for the length.
        """
        task, corpus = self._tasks[cell.task], self.corpus(cell)
        if controls.control_of(cell):
            return controls.build(task, corpus, cell, self.tokenizer)
        return task.build(corpus, cell, self.tokenizer)

    def describe_tokenizer(self) -> dict[str, Any]:
        """As in ``manifest.json``."""
        tokenizer = self.tokenizer
        return {"name": tokenizer.name, "hash": tokenizer.hash, "chat_template": tokenizer.has_template}

    def describe_corpora(self, cells: Iterable[Cell]) -> dict[str, Any]:
        """As in ``corpora.json``: each as it is for the longest of these cells, and its hash for every length."""
        described: dict[str, Any] = {}
        for cell in sorted(cells, key=self._size):
            corpus, size = self.corpus(cell), str(self._size(cell))
            hashes = described.get(corpus.name, {}).get("hashes", {})
            if size not in hashes:
                described[corpus.name] = {**corpus.describe(), "hashes": {**hashes, size: corpus.hash}}
        return described
