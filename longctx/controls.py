"""Controls of a sweep: its questions without a haystack, to tell what is the context's fault and what is not.

``closed-book`` asks the question alone: who answers right knew or guessed it. ``short`` gives the needles and the
question: who answers wrong cannot do the task at any length. The third, a haystack without the needle, is a task:
``niah_absent``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace

from longctx.corpus import Corpus
from longctx.errors import ImpossibleSample, UsageError
from longctx.samples import AROUND, around, variant
from longctx.tasks import Task
from longctx.tokens import Tokenizer
from longctx.types import Cell, Sample

_AXIS = "control"
_UNSUITED = ("absent", "grounded", "mrcr_deepmind", "mrcr_openai")  # scorers of answers that need a haystack


def control_of(cell: Cell) -> str:
    """Name of the control that a cell is; empty where it has a haystack."""
    return str(variant(cell, _AXIS, ""))


def suits(task: Task) -> bool:
    """True where a task's question means something without a haystack: it is about a needle, not about the whole."""
    return task.depth and task.scorer not in _UNSUITED


def control_cells(cells: Iterable[Cell], controls: Sequence[str], tasks: Mapping[str, Task]) -> Iterator[Cell]:
    """A cell for each control of each question that a sweep asks.

    A question is the same at every length and density, and at every depth unless several share a haystack: its control
    is asked once. Tasks whose questions mean nothing without a haystack have none.

    Raises:
        UsageError: none of the tasks has any.
    """
    if not controls:
        return
    if not any(suits(task) for task in tasks.values()):
        raise UsageError(
            f"None of {', '.join(tasks)} can be asked without a haystack: leave controls out, or add one with needles."
        )
    seen = set()
    for cell in sorted(cells, key=lambda cell: (cell.length, cell.density)):
        axes = tuple(axis for axis in cell.variant if axis[0] not in AROUND)
        question = cell.task, cell.corpus, cell.seed, cell.depths_together, axes
        key = (*question, cell.depth if cell.depths_together else None)
        if suits(tasks[cell.task]) and key not in seen:
            seen.add(key)
            for control in controls:
                axis = _AXIS, control
                yield replace(cell, density=0.0, variant=tuple(sorted([*cell.variant, axis], key=lambda pair: pair[0])))


def build(task: Task, corpus: Corpus, cell: Cell, tokenizer: Tokenizer) -> Sample:
    """The sample of a control's cell: the question, target and scorer of the cell without it, and a short prompt.

    Its length, asked and measured, is that of the prompt. It has no depth, no density and no haystack.

    Raises:
        ImpossibleSample: the task's sample has no needle.
        CorpusError, TokenizerError: as for any sample.
    """
    control = control_of(cell)
    base = task.build(corpus, replace(cell, variant=tuple(a for a in cell.variant if a[0] != _AXIS)), tokenizer)
    needles = [str(needle["text"]) for needle in base.metadata["needles"]]
    if not needles:
        raise ImpossibleSample(f"{cell.task} put no needle into its haystack: there is nothing for a control to give.")
    voice, question = corpus.voice, str(base.metadata["question"])
    before, middle, after = "", question, ""
    if control == "short":
        before, after = around(voice, question, bool(variant(cell, "escape", False)))
        middle = "\n\n".join(needles)
    chat_input = tokenizer.as_input(before, tokenizer.defuse(middle)[0], after, voice.cue)
    prompt = tokenizer.render(chat_input)
    ids = tokenizer.prompt_ids(prompt)
    recipe = {**base.metadata["recipe"], "cell": asdict(cell)}
    metadata = {
        **base.metadata,
        **{"length_asked": len(ids), "length": len(ids), "depth_asked": None, "depth": None},
        **{"density_asked": 0.0, "density": 0.0, "variant": dict(cell.variant)},
        **{"haystack": "", "haystack_at": 0, "haystack_tokens": 0, "nested": 0, "repeated": False},
        **{"needles": [], "co_needles": [], "distractors": []},
        "sha256": hashlib.sha256(prompt.encode()).hexdigest(),
        "recipe": recipe,
    }
    sample_id = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]
    return Sample(sample_id, chat_input, base.target, metadata, prompt, ids)
