"""Keys and values that belong to no domain, words, numbers and identifiers, and the needles made of them.

Follows RULER (arXiv 2404.06654; NVIDIA/RULER c3f5e3b, scripts/data/synthetic/niah.py) in what a key or value can be: a
pair of adjective and noun, a number of seven digits, a UUID of version 4. The words and the wordings are our own.
"""

from __future__ import annotations

import random
import tomllib
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from longctx.errors import UsageError, unknown
from longctx.phrases import Order
from longctx.voice import Fact, draw

from ._drawn import different, distinct, order_of, places, rounded

KINDS = ("words", "numbers", "uuids")
_TEXT = Path(__file__).parent / "text"
_DIGITS = 7


@cache
def _table(file: str) -> dict[str, Any]:
    return tomllib.loads((_TEXT / f"{file}.toml").read_text(encoding="utf-8"))


@cache
def word_list(name: str, language: str = "en") -> tuple[str, ...]:
    """One of the lists of ``text/words.toml``: ``adjectives``, ``nouns`` or, in English, ``verbs``, sorted."""
    return tuple(_table("words")[language if language in _table("words") else "en"][name].split())


def draw_words(rng: random.Random, language: str = "en") -> str:
    """A pair such as ``gentle-lantern``; English where there are no lists of the language."""
    form: str = _wording(language)["key"]
    nouns = word_list("nouns", language)
    return form.format(adjective=rng.choice(word_list("adjectives", language)), noun=rng.choice(nouns))


def draw_number(rng: random.Random) -> str:
    """Seven digits, the first of them no 0."""
    return str(rng.randint(10 ** (_DIGITS - 1), 10**_DIGITS - 1))


def draw_uuid(rng: random.Random) -> str:
    """A UUID of version 4 in its usual form."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def draw_kind(kind: str, rng: random.Random, language: str = "en") -> str:
    """A key or value of a kind.

    Raises:
        UsageError: no such kind.
    """
    check_kind(kind)
    return draw_words(rng, language) if kind == "words" else draw_number(rng) if kind == "numbers" else draw_uuid(rng)


@lru_cache(maxsize=8)
def kind_columns(kind: str, size: int = 0, role: int = 0) -> tuple[tuple[str, ...], ...]:
    """What many keys or values of a kind are put together from, column by column; English.

    Args:
        kind: one of `KINDS`.
        size: numbers or identifiers that there are to be, as `rounded` gives it.
        role: 0 for keys and 1 for values: no number or identifier is both.
    """
    if kind != "words":
        return (distinct(draw_number if kind == "numbers" else draw_uuid, 2 * size)[role::2],)
    before, between, after = _around_words()
    adjectives, nouns = word_list("adjectives"), word_list("nouns")
    return tuple(f"{before}{word}" for word in adjectives), tuple(f"{between}{word}{after}" for word in nouns)


def _around_words() -> tuple[str, str, str]:
    """What stands before, between and behind the words of an English pair."""
    before, _, rest = str(_wording("en")["key"]).partition("{adjective}")
    between, _, after = rest.partition("{noun}")
    return before, between, after


def draw_many(
    kind: str, role: int, count: int, rng: np.random.Generator, without: Collection[str], *, again: bool
) -> Order:
    """Keys or values of a kind, (count, columns), by their places in `kind_columns`.

    Args:
        kind: one of `KINDS`.
        role: as there.
        count: how many; of numbers or identifiers, no more than its size leaves without `without`.
        rng: draws them.
        without: words that are not among them.
        again: pairs of words may come up twice.
    """
    if kind != "words":
        size = rounded(count + len(without))
        known = places(kind_columns(kind, size, role)[0])
        return order_of(size, rng, {known[word] for word in without if word in known})[:count, np.newaxis]
    firsts, seconds = map(places, kind_columns(kind))
    limit = len(firsts) * len(seconds)
    if again:
        codes: Order = (rng.random(count) * limit).astype(np.int64)
    else:
        between = _around_words()[1]
        pairs = [(first, between + second) for first, _, second in (word.partition(between) for word in without)]
        barred = [firsts[one] * len(seconds) + seconds[two] for one, two in pairs if one in firsts and two in seconds]
        codes = different(limit, count, rng, lambda found: found[~np.isin(found, barred)])
    return np.stack(np.divmod(codes, len(seconds)), axis=1)


def check_kind(kind: Any) -> str:
    """The kind as it is.

    Raises:
        UsageError: no such kind.
    """
    if kind not in KINDS:
        raise UsageError(unknown("kind of key or value", str(kind), KINDS))
    return str(kind)


@dataclass(frozen=True, slots=True)
class KindFact:
    """What `voice.FactTemplate` is for a domain, for keys and values of given kinds.

    Attributes:
        key_kind: one of `KINDS`.
        value_kind: one of `KINDS`.
    """

    key_kind: str
    value_kind: str

    @property
    def name(self) -> str:
        """Such as ``words-numbers``."""
        return f"{self.key_kind}-{self.value_kind}"

    def fill(self, rng: random.Random, language: str = "en", key: str = "") -> Fact:
        """A fact about `key`, or about one that is drawn; its question asks for one value."""
        key = key or draw_kind(self.key_kind, rng, language)
        value = self._value(key, rng, language)
        return Fact(self.name, self.state(key, value, language), self.ask(key, language), key, value)

    def fill_entity(self, rng: random.Random, language: str, key: str) -> Fact:
        """Another value of `key`; its question asks for all of them."""
        fact = self.fill(rng, language, key)
        return Fact(self.name, fact.needle, self.ask_all([key], language), key, fact.value, fact.value)

    def fill_superseded(self, rng: random.Random, language: str, key: str) -> Fact:
        """A value of `key` that the text itself says to be withdrawn."""
        fact = self.fill(rng, language, key)
        when = draw(_wording(language)["when"], rng, language)
        needle = self._write("superseded", language, key=quoted(key, language), value=fact.value, when=when)
        return Fact(self.name, needle, fact.question, key, fact.value, when)

    def state(self, key: str, value: str, language: str = "en") -> str:
        """The sentence that states a value of a key."""
        return self._write("needle", language, key=quoted(key, language), value=value)

    def ask(self, key: str, language: str = "en") -> str:
        """The question for one value of a key."""
        return self._write("question", language, key=quoted(key, language))

    def ask_all(self, keys: Sequence[str], language: str = "en") -> str:
        """The question for every value of one or more keys."""
        wording = _wording(language)
        names = [quoted(key, language) for key in keys]
        last: str = wording["and"]
        listed = last.join([wording["comma"].join(names[:-1]), names[-1]] if len(names) > 1 else names)
        return self._write("question_all", language, keys=listed)

    def nouns(self, language: str = "en") -> str:
        """What several values are called."""
        called: str = _wording(language)[self.value_kind]["nouns"]
        return called

    def _value(self, key: str, rng: random.Random, language: str) -> str:
        while (value := draw_kind(self.value_kind, rng, language)) == key:
            pass
        return value

    def _write(self, form: str, language: str, **slots: str) -> str:
        wording = _wording(language)
        text: str = wording[form]
        return text.format(**wording[self.value_kind], **slots)


def kind_fact(key_kind: Any, value_kind: Any) -> KindFact:
    """The generic needle for a kind of key and a kind of value.

    Raises:
        UsageError: no such kind.
    """
    return KindFact(check_kind(key_kind), check_kind(value_kind))


def quoted(key: str, language: str = "en") -> str:
    """A key in the quotes of its language."""
    first, last = _wording(language)["quotes"]
    return f"{first}{key}{last}"


def _wording(language: str) -> dict[str, Any]:
    table = _table("kinds")
    wording: dict[str, Any] = table.get(language, table["en"])
    return wording
