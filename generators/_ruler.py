"""What RULER's thirteen tasks have in common: modes, prompts, and the way from a haystack to a sample.

Follows RULER (arXiv 2404.06654; NVIDIA/RULER c3f5e3b, scripts/data/synthetic and scripts/synthetic.yaml) in parameters,
not in words. Other than there, a model with a chat template begins its answer itself; one without goes on from a cue.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from longctx.closing import Texts
from longctx.corpus import Corpus
from longctx.errors import ImpossibleSample, UsageError, unknown
from longctx.exact import Insert
from longctx.haystack import Wanted, assemble
from longctx.samples import (
    as_input,
    haystack_seed,
    is_unique,
    make_sample,
    own_haystack,
    perhaps_held,
    pick_host,
    variant,
)
from longctx.tokens import Tokenizer
from longctx.types import Cell, Sample
from longctx.units import counted

from ._fill import Closing, Units, fill
from ._numbered import Stored, fill_stored

MODES = ("fixed", "compat")
SEED = 42  # RULER's default; what it shuffles with in every sample alike
SHORT = 4096  # tokens below which RULER makes word lists easier
DEPTHS = 40  # equally spaced, among which RULER draws where in documents a needle stands
RESERVE = 36  # tokens that are left to closing sentences
MODE = {"mode": "fixed (default), or compat: RULER's own behaviour, prompt + generation budget at most the length"}
SHOTS = {"shots": "solved examples before the text; 1 by default"}


@cache
def wording(part: str) -> Any:
    """A part of ``text/ruler.toml``."""
    path = Path(__file__).parent / "text" / "ruler.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))[part]


def mode_of(cell: Cell) -> str:
    """The cell's mode.

    Raises:
        UsageError: no such mode.
    """
    return one_of(cell, "mode", MODES, "fixed")


def one_of(cell: Cell, name: str, possible: Sequence[str], default: str) -> str:
    """A variant with a few values.

    Raises:
        UsageError: another one was given.
    """
    value = variant(cell, name, default)
    if value not in possible:
        raise UsageError(unknown(name, str(value), possible))
    return str(value)


def whole(cell: Cell, name: str, default: int, low: int, high: int) -> int:
    """A variant that is a whole number.

    Raises:
        UsageError: something else was given, or a number outside `low` to `high`.
    """
    value = variant(cell, name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise UsageError(f"{name} of {cell.task} is {value!r}; possible are whole numbers from {low} to {high}.")
    return value


def room(cell: Cell, budget: int) -> int:
    """Tokens of the prompt at most: all of the length, or what RULER's generation budget leaves.

    Raises:
        ImpossibleSample: nothing is left.
    """
    if mode_of(cell) == "fixed":
        return cell.length
    if cell.length <= budget:
        raise ImpossibleSample(
            f"A prompt of {counted(cell.length, 'token')} is too short: mode=compat leaves {budget} of them to the "
            "answer. Ask for a longer length or for mode=fixed."
        )
    return cell.length - budget


def about(cell: Cell, budget: int, **more: Any) -> dict[str, Any]:
    """Metadata of all thirteen: tokens that RULER lets a model generate, and what the length counts."""
    rule = "exact" if mode_of(cell) == "fixed" else "ruler"
    return {"generation_budget": budget, "length_rule": rule, **more}


@lru_cache(maxsize=8)
def _texts(name: str, tokenizer: Tokenizer) -> Texts:
    return Texts(wording("filler")[name], tokenizer)


def closing(name: str, tokenizer: Tokenizer, border: str, joint: str) -> Closing:
    """Closing sentences of the kind `name`: ``sentences``, which are no more than filler, or ``ends``."""
    return Closing(_texts(name, tokenizer), RESERVE, border, joint)


def listed_sample(
    corpus: Corpus,
    cell: Cell,
    tokenizer: Tokenizer,
    *,
    around: tuple[str, str],
    question: str,
    target: list[str],
    scorer: str,
    budget: int,
    units: Units | Stored,
    end: Closing,
    asked: int | None = None,
    numbers: Sequence[int] = (),
    extra: Callable[[int], Mapping[str, Any]] | None = None,
) -> Sample:
    """The sample over a haystack that is made of units.

    Args:
        corpus: named in the record.
        cell: what was asked for.
        tokenizer: the model's.
        around: text of the user's message before and after the haystack, blank lines included.
        question: what is asked.
        target: every reference.
        scorer: its name.
        budget: RULER's generation budget in tokens.
        units: what the haystack is made of.
        end: fills the last tokens, unless RULER's length rule holds.
        asked: how many of the spans are asked about: the first ones; None: all.
        numbers: of units, tried in this order in place of a search.
        extra: number of units → further metadata.

    Raises:
        ImpossibleSample: too short; says the shortest possible length.
    """
    cue = wording("cue")
    compat = mode_of(cell) == "compat"
    length = room(cell, budget)
    frame = tokenizer.frame(*around, cue=cue)
    with counting_budget(cell, budget):
        closing_ = None if compat else end
        if isinstance(units, Stored):
            haystack, count = fill_stored(tokenizer, length=length, frame=frame, stored=units, closing=closing_)
        else:
            haystack, count = fill(
                tokenizer, length=length, frame=frame, units=units, closing=closing_, numbers=numbers
            )
    more = extra(count) if extra else {}
    return make_sample(
        corpus,
        cell,
        tokenizer,
        haystack,
        as_input(tokenizer, haystack, *around, cue),
        question=question,
        target=target,
        scorer=scorer,
        asked=range(len(haystack.spans) if asked is None else asked),
        seed=own_haystack(corpus, cell),
        extra=about(cell, budget, **more),
    )


def documents_sample(
    corpus: Corpus,
    cell: Cell,
    tokenizer: Tokenizer,
    *,
    around: tuple[str, str],
    question: str,
    target: list[str],
    budget: int,
    inserts: Sequence[Insert],
    asked: int,
    unique: Iterable[str],
) -> Sample | None:
    """The sample over the corpus's documents with inserts between their sentences.

    Args:
        corpus: whose documents they are.
        cell: what was asked for.
        tokenizer: the model's.
        around: text of the user's message before and after the haystack, blank lines included.
        question: what is asked.
        target: every reference.
        budget: RULER's generation budget in tokens.
        inserts: what is put in.
        asked: how many of them are asked about: the first ones.
        unique: words that nothing but an insert may hold.

    Returns:
        The sample; None where the documents hold by chance what only an insert may.

    Raises:
        ImpossibleSample, CorpusError: as `haystack.assemble`.
    """
    seed, host, cue = haystack_seed(corpus, cell), pick_host(corpus, cell), wording("cue")
    with counting_budget(cell, budget):
        frame = tokenizer.frame(*around, cue=cue)
        wanted = Wanted(room(cell, budget), frame, inserts, seed, host=host, headers=corpus.mixed)
        haystack = assemble(corpus, tokenizer, wanted)
    bare = [replace(insert, value="") for insert in inserts]
    if not is_unique(perhaps_held(corpus, haystack, unique), haystack, bare):
        return None
    chat_input = as_input(tokenizer, haystack, around[0] + haystack.border, around[1], cue)
    placed = {"host": host.name, "host_format": corpus.format_of(haystack.spans[0].file)}
    return make_sample(
        corpus, cell, tokenizer, haystack, chat_input, question=question, target=target, scorer="ruler_all",
        asked=range(asked), seed=seed, extra=about(cell, budget, **placed),
    )  # fmt: skip


def units_that_fit(cell: Cell, tokenizer: Tokenizer, around: tuple[str, str], units: Units, budget: int) -> int:
    """How many units a prompt has room for.

    Raises:
        ImpossibleSample: not even for the least.
    """
    frame = tokenizer.frame(*around, cue=wording("cue"))
    with counting_budget(cell, budget):
        return fill(tokenizer, length=room(cell, budget), frame=frame, units=units, closing=None)[1]


@contextmanager
def counting_budget(cell: Cell, budget: int) -> Iterator[None]:
    """Let an error about the prompt's length say what mode=compat needs on top."""
    try:
        yield
    except ImpossibleSample as error:
        if mode_of(cell) == "fixed":
            raise
        more = f"These are tokens of the prompt; mode=compat needs {budget} more for the answer."
        raise ImpossibleSample(f"{error} {more}") from None
