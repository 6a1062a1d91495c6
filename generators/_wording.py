"""Wordings of trace and aggregate: one TOML file a voice in ``text/``, filled in, and read back from a prompt."""

from __future__ import annotations

import random
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from longctx.corpus import Corpus
from longctx.errors import CorpusError, ImpossibleSample, UsageError
from longctx.exact import Insert
from longctx.names import NAME_KINDS
from longctx.samples import frames, variant
from longctx.scorers import normalise, occurrences
from longctx.tokens import Tokenizer
from longctx.types import Cell, Sample
from longctx.voice import Voice, draw

_SLOT = re.compile(r"\{(\w+)\}")
_READ = {"list": "[^\n]{1,400}?"}  # what a slot holds when it is read back
_READ_OTHER = "[^\n]{1,60}?"
_REDRAWS = 200  # times that a name is drawn again because it holds another or is held by it
_MANY = 64  # names from which on counting each in a long prompt takes longer than counting all of its words
_BLANKS = bytes(code if chr(code).isascii() and chr(code).isalnum() else ord(" ") for code in range(256))
ATTEMPTS = 12  # times that other facts are drawn when the filler holds one by chance


@cache
def all_wordings(family: str) -> dict[str, dict[str, Any]]:
    """Voice → its wordings for ``trace`` or ``aggregate``."""
    files = sorted((Path(__file__).parent / "text").glob(f"{family}-*.toml"))
    return {file.stem.removeprefix(f"{family}-"): tomllib.loads(file.read_text("utf-8")) for file in files}


def wordings(family: str, voice: Voice) -> dict[str, Any]:
    """The wordings of a voice, or else those of its language's neutral voice.

    Raises:
        CorpusError: there are none for its language.
    """
    known = all_wordings(family)
    for name in (voice.name, f"neutral-{voice.language}"):
        if name in known:
            return known[name]
    raise CorpusError(
        f"There are no wordings of {family} for voice {voice.name!r} nor for language {voice.language!r}. "
        f"Voices that have them: {', '.join(known)}; choose one of these for the corpus."
    )


def fill(wording: str, drawn: Mapping[str, str]) -> str:
    """Put texts into the slots of a wording."""
    return _SLOT.sub(lambda match: drawn[match[1]], wording.strip("\n"))


def slots(wording: str) -> set[str]:
    """Names of the slots of a wording."""
    return set(_SLOT.findall(wording))


class Names:
    """Draws slots so that no name holds another one: each can be told apart in a text, also without blanks."""

    def __init__(self, rng: random.Random, language: str) -> None:
        self.rng, self.language = rng, language
        self._seen: list[str] = []
        self._joined = ""

    def draw(self, slot: Mapping[str, Any]) -> str:
        """One slot; names, codes and numbers never twice.

        Raises:
            ImpossibleSample: the slot does not have that many values.
        """
        if slot["kind"] not in (*NAME_KINDS, "code", "integer", "amount"):
            return draw(slot, self.rng, self.language)
        for _ in range(_REDRAWS):
            name = draw(slot, self.rng, self.language)
            folded = name.casefold()
            if folded not in self._joined and not any(seen in folded for seen in self._seen):
                self._seen.append(folded)
                self._joined += "\n" + folded
                return name
        raise ImpossibleSample(
            f"After {len(self._seen):,} different names no further one of kind {slot['kind']!r} was found: "
            "ask for a lower density or a shorter length."
        )


def read(wording: str, text: str) -> Iterator[re.Match[str]]:
    """Every place of a text where a wording stands, whatever is in its slots; the slots are the match's groups."""
    parts = _SLOT.split(wording.strip("\n"))
    pattern, seen = re.escape(parts[0]), set[str]()
    for name, literal in zip(parts[1::2], parts[2::2], strict=True):
        pattern += f"(?P={name})" if name in seen else f"(?P<{name}>{_READ.get(name, _READ_OTHER)})"
        pattern += re.escape(literal) or r"(?!\S)"
        seen.add(name)
    compiled, at = re.compile(pattern), 0
    # A match may begin in the filler and run into a needle: further ones are looked for inside it.
    while match := compiled.search(text, at):
        yield match
        at = match.start() + 1


def distractor_count(corpus: Corpus, cell: Cell, tokenizer: Tokenizer, question: str) -> int:
    """Density × the tokens that the haystack will have."""
    before, after = frames(corpus.voice, tokenizer, [question])[0]
    return max(0, round(cell.density * (cell.length - tokenizer.count(before) - tokenizer.count(after)) / 10_000))


def whole(cell: Cell, name: str, default: int, low: int, high: int) -> int:
    """A variant that is a whole number.

    Raises:
        UsageError: it is not, or too small or large.
    """
    value = variant(cell, name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise UsageError(f"{cell.task}: {name} is {value!r}; possible are whole numbers from {low} to {high}.")
    return value


def one_of(cell: Cell, name: str, possible: Sequence[str]) -> str:
    """A variant that is one of some words, by default the first.

    Raises:
        UsageError: it is none of them.
    """
    value = variant(cell, name, possible[0])
    if value not in possible:
        raise UsageError(f"{cell.task}: {name} is {value!r}; possible are {', '.join(possible)}.")
    return str(value)


def _words(folded: str) -> list[bytes]:
    """Runs of the letters a to z and digits; none where a text has no such letters."""
    return folded.encode().translate(_BLANKS).split()


def _only_there(names: Iterable[str], prompt: str, own: str) -> bool:
    """True where a prompt holds names only in `own`: its inserts, whatever their values are, and its question."""
    folded, put = prompt.casefold(), own.casefold()
    wanted = {form for name in names for form in (name.casefold(), normalise(name))}
    if len(wanted) > _MANY:  # a name can only stand elsewhere where each of its words does
        everywhere, there = Counter(_words(folded)), Counter(_words(put))
        wanted = {form for form in wanted if all(everywhere[word] > there[word] for word in _words(form))}
    for word in wanted:
        # Counting the bare string is fast; only a surplus needs the question whether it is a word of its own.
        if folded.count(word) > put.count(word) and occurrences(word, folded) > occurrences(word, put):
            return False
    return True


def first_unique(
    make: Callable[[int], tuple[Sample | None, Iterable[str], Sequence[Insert]]], corpus: Corpus
) -> Sample:
    """The first sample whose names stand nowhere in the filler.

    Args:
        make: number of the attempt → sample or None, names, everything that was inserted.
        corpus: for the message.

    Raises:
        ImpossibleSample: there is none.
    """
    for attempt in range(ATTEMPTS):
        sample, names, inserts = make(attempt)
        if sample is not None:
            own = [*(insert.text for insert in inserts), str(sample.metadata["question"])]
            if _only_there(names, sample.prompt, "\n".join(own)):
                return sample
    raise ImpossibleSample(
        f"Corpus {corpus.name!r} holds one of the names that were drawn, {ATTEMPTS} times over: use another seed, a "
        "shorter length, or another voice."
    )
