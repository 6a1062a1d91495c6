"""Facts changed in place, so that no model can know them from its training."""

from __future__ import annotations

import ast
import textwrap
import warnings
from collections.abc import Callable
from dataclasses import replace
from random import Random

from longctx.mining import constants, signatures
from longctx.mining.facts import MinedFact
from longctx.mining.fitting import fits
from longctx.mining.prose import PROSE_KINDS
from longctx.scorers import normalise, occurrences

_TRIES = 200
_CHANGES: dict[str, Callable[[str, Random, str], str | None]] = {
    **{name: kind.change for name, kind in PROSE_KINDS.items()},
    "constant": constants.change,
    "signature": signatures.change,
}


def edit(fact: MinedFact, seed: str, stands: Callable[[str], bool]) -> MinedFact | None:
    """The same fact with another value of the same form, in its passage too.

    Args:
        fact: as it stands in its document; keeps its id and its place.
        seed: names the draws.
        stands: whether a value stands anywhere in the documents.

    Returns:
        The changed fact; None where no value of that form is left that stands nowhere.
    """
    rng = Random(f"{seed}:{fact.id}")
    for _ in range(_TRIES):
        value = _CHANGES[fact.kind](fact.value, rng, fact.language)
        if value is None:
            return None
        passage = fact.passage.replace(fact.value, value)
        if value == fact.value or occurrences(normalise(value), normalise(passage)) != 1 or stands(value):
            continue
        if occurrences(normalise(value), normalise(fact.question)):
            continue
        if not fits(fact.kind, fact.passage, fact.value, value):
            continue
        if fact.file.endswith((".py", ".pyi")) and not _parses(passage):
            continue
        return replace(fact, value=value, passage=passage, unique=True)
    return None


def _parses(passage: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old files' escape sequences
            ast.parse(textwrap.dedent(passage))
    except (SyntaxError, ValueError):
        return False
    return True
