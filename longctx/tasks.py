"""The door through which tasks and document makers come: every ``.py`` file of a generators folder."""

from __future__ import annotations

import gc
import importlib
import inspect
import random
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from longctx.content import folders
from longctx.errors import CorpusError, UsageError, unknown

if TYPE_CHECKING:
    from longctx.corpus import Corpus
    from longctx.tokens import Tokenizer
    from longctx.types import Cell, Document, Sample

    Build = Callable[[Corpus, Cell, Tokenizer], Sample]

Reader = Callable[[str, str], str]

_MARK = "__longctx_task__"
Function = TypeVar("Function", bound="Callable[..., Any]")


@dataclass(frozen=True, slots=True)
class Task:
    """Something that can be asked over a haystack.

    Attributes:
        name: what a sweep calls it.
        summary: one line.
        example: one small sample, from the function's docstring.
        scorer: name of the scorer for its answers.
        shares_haystack: True where several questions can go to one haystack (``--questions-per-haystack``).
        variants: further axes of a sweep that it understands, with what each means.
        density: True where it has distractors.
        depth: True where its needle stands at a depth.
        corpus_factor: how many times a sample's length a corpus that grows should hold at least.
        reader: (prompt, question) → answer, by an independent reading of the prompt's text; None where the passage
            that the question names is the answer.
        build: (corpus, cell, tokenizer) → sample; a pure function of the three.
        file: where it is defined.
    """

    name: str
    summary: str
    example: str
    scorer: str
    shares_haystack: bool
    variants: dict[str, str]
    density: bool
    depth: bool
    corpus_factor: int
    reader: Reader | None
    build: Build
    file: Path


def task(
    name: str,
    *,
    scorer: str,
    shares_haystack: bool = False,
    variants: dict[str, str] | None = None,
    density: bool = True,
    depth: bool = True,
    corpus_factor: int = 1,
    reader: Reader | None = None,
) -> Callable[[Function], Function]:
    """Mark a function ``(corpus, cell, tokenizer) -> Sample`` as a task.

    Its docstring's first line is the task's summary; what stands under ``Example:`` is shown by ``longctx tasks``.
    Where a sweep leaves the depth to the seed, the function gets a cell whose depth is drawn already.
    """

    def mark(function: Function) -> Function:
        summary, _, rest = inspect.cleandoc(function.__doc__ or "").partition("\n")
        _, _, example = rest.partition("Example:\n")
        # Cut first: what follows in the docstring stands further left, and would keep the example indented.
        lines = [line for line in textwrap.dedent(example.split("\n\n")[0]).splitlines() if line.strip()]

        def build(corpus: Corpus, cell: Cell, tokenizer: Tokenizer) -> Sample:
            with _uncollected():
                made: Sample = function(corpus, _at_depth(cell, depth), tokenizer)
            return made

        made = Task(
            name=name,
            summary=summary.strip(),
            example="\n".join(lines),
            scorer=scorer,
            shares_haystack=shares_haystack,
            variants=variants or {},
            density=density,
            depth=depth,
            corpus_factor=corpus_factor,
            reader=reader,
            build=build,
            file=Path(inspect.getfile(function)),
        )
        setattr(function, _MARK, made)
        return function

    return mark


@contextmanager
def _uncollected() -> Iterator[None]:
    """No search for cycles meanwhile: thousands of new pieces would set off several through all of a corpus."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _at_depth(cell: Cell, meaningful: bool) -> Cell:
    """The cell with a depth drawn from 0, 1/39, … 1 where it has none, as RULER draws it (arXiv 2404.06654)."""
    if not meaningful:
        return replace(cell, depth=None)
    if cell.depth is not None:
        return cell
    rng = random.Random(f"{cell.corpus}:{cell.seed}:{cell.task}:{cell.variant}:depth")
    return replace(cell, depth=round(rng.randrange(40) / 39, 4))


def find_tasks(extra: Iterable[Path] = ()) -> dict[str, Task]:
    """All tasks by name: shipped ones, those of ``./generators``, those of `extra` folders.

    Raises:
        UsageError: two tasks of one name, or a file that cannot be imported.
    """
    found: dict[str, Task] = {}
    for root in folders("generators", extra):
        for path in sorted(root.glob("*.py")):
            if path.name.startswith("_"):
                continue
            module = _load(root, path.stem)
            for value in vars(module).values():
                made = getattr(value, _MARK, None)
                if not isinstance(made, Task) or made.file.resolve() != path:
                    continue
                if made.name in found:
                    raise UsageError(f"Two tasks are called {made.name!r}: in {found[made.name].file} and {path}.")
                found[made.name] = made
    return found


def find_task(name: str, extra: Iterable[Path] = ()) -> Task:
    """One task by name.

    Raises:
        UsageError: no task of that name; says the nearest and all that are.
    """
    tasks = find_tasks(extra)
    if name not in tasks:
        raise UsageError(unknown("task", name, tasks))
    return tasks[name]


def load_maker(name: str, extra: Iterable[Path] = ()) -> Callable[[int, int], Document]:
    """The synthetic document maker of that name: (index, seed) → document.

    Raises:
        CorpusError: none of that name.
    """
    roots = folders("generators", extra)
    makers = {path.stem: root for root in roots for path in root.glob("synthetic/*.py") if path.name[0] != "_"}
    if name not in makers:
        raise CorpusError(unknown("maker", name, makers))
    make: Callable[[int, int], Document] = _load(makers[name], f"synthetic.{name}").make
    return make


def _load(root: Path, dotted: str) -> ModuleType:
    """Import a module of a generators folder as part of a package of its own, so that relative imports work there.

    The package's name holds the folder: two folders may both have a ``niah.py``, and neither can collide with an
    installed package called ``generators``.
    """
    package = "longctx_generators_" + "".join(c if c.isalnum() else "_" for c in str(root))
    parts = dotted.split(".")
    for depth in range(len(parts)):
        name = ".".join([package, *parts[:depth]])
        if name not in sys.modules:
            folder = ModuleType(name)
            folder.__path__ = [str(root.joinpath(*parts[:depth]))]
            sys.modules[name] = folder
    try:
        return importlib.import_module(f"{package}.{dotted}")
    except Exception as error:  # whatever a team's own file raises while it is imported
        where = root.joinpath(*parts).with_suffix(".py")
        raise UsageError(f"{where} cannot be imported: {type(error).__name__}: {error}") from error
