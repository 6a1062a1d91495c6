"""Prose from templates: alternatives, slots, lists and numbers, all drawn from one seed.

A template is a string in which ``[a|b|]`` is one of its alternatives (they nest, and may be empty),
``{name}`` a slot and ``{kind:spec}`` a fresh draw. A backslash takes the meaning from the next character.
The texts themselves stand in ``text/*.toml``. Example::

    >>> Draft("seed", {"notice": "{days:30,60}"}).write("[On|By] {own:notice} [prior |]written notice.")
    "By 60 days' written notice."
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")


class Dice:
    """Draws made of ``Random.random`` alone: the one method whose sequence Python promises to keep for a seed."""

    def __init__(self, seed: str) -> None:
        self._random = Random(seed).random

    def below(self, bound: int) -> int:
        """A whole number from 0 to ``bound`` - 1."""
        return int(self._random() * bound)

    def between(self, low: int, high: int, step: int = 1) -> int:
        """A whole number from ``low`` to ``high``, both possible, in steps of ``step``."""
        return low + step * self.below((high - low) // step + 1)

    def chance(self, share: float) -> bool:
        """True in this share of draws."""
        return self._random() < share

    def pick(self, items: Sequence[T]) -> T:
        """One of the items."""
        return items[int(self._random() * len(items))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """All items in another order."""
        rest = list(items)
        return [rest.pop(self.below(len(rest))) for _ in items]

    def some(self, items: Sequence[T], count: int) -> list[T]:
        """``count`` different items (all, if there are fewer), in the order in which they are given."""
        chosen = sorted(self.shuffled(range(len(items)))[:count])
        return [items[place] for place in chosen]


@lru_cache(maxsize=None)
def _stride(size: int, key: str) -> tuple[int, int]:
    dice = Dice(f"spread:{key}:{size}")
    step = dice.between(size // 3, size - 1) if size > 3 else 1
    while math.gcd(step, size) != 1:
        step += 1
    return step, dice.below(size)


def spread(position: int, size: int, key: str) -> int:
    """A number below ``size`` for each position, in an order that ``key`` decides; none comes twice in ``size``.

    This is how documents made apart from one another still carry different names.
    """
    step, start = _stride(size, key)
    return (position * step + start) % size


class Slot(NamedTuple):
    """``{expression}`` in a template."""

    expression: str


class OneOf(NamedTuple):
    """``[a|b]`` in a template; beside each alternative stand the references that it cannot do without."""

    options: tuple[tuple[tuple[Any, ...], frozenset[str]], ...]


@lru_cache(maxsize=None)
def parse(template: str) -> tuple[Any, ...]:
    """The template as a sequence of ``str``, ``Slot`` and ``OneOf``.

    Raises:
        ValueError: brackets or braces that do not match.
    """
    tokens = re.findall(r"\\.|[\[\]|]|\{[^{}]*\}|[^\\\[\]|{]+", template, re.DOTALL)
    if "".join(tokens) != template:
        raise ValueError(f"Braces do not match in the template {template!r}.")
    options, end = _options(tokens, 0)
    if end != len(tokens) or len(options) != 1:
        raise ValueError(f"Brackets do not match in the template {template!r}.")
    return options[0]


def _options(tokens: Sequence[str], at: int) -> tuple[list[tuple[Any, ...]], int]:
    options: list[list[Any]] = [[]]
    while at < len(tokens) and tokens[at] != "]":
        token = tokens[at]
        if token == "|":
            options.append([])
        elif token == "[":
            inner, at = _options(tokens, at + 1)
            if at == len(tokens):
                raise ValueError(f"A bracket is not closed in the template {''.join(tokens)!r}.")
            options[-1].append(OneOf(tuple((option, needs(option)) for option in inner)))
        elif token[0] == "{":
            options[-1].append(Slot(token[1:-1]))
        else:
            options[-1].append(token[1:] if token[0] == "\\" else token)
        at += 1
    return [tuple(option) for option in options], at


def needs(nodes: Sequence[Any]) -> frozenset[str]:
    """The labels that ``{ref:label}`` names outside alternatives: without them the text cannot be written."""
    return frozenset(
        node.expression[4:] for node in nodes if isinstance(node, Slot) and node.expression.startswith("ref:")
    )


def tidy(text: str) -> str:
    """The text without the blanks that empty alternatives leave behind."""
    return re.sub(r" +(?=[,.;:) ]|$)", "", text)


_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
).split()
_TENS = "zero ten twenty thirty forty fifty sixty seventy eighty ninety".split()


def in_words(number: int) -> str:
    """A whole number from 0 to 999 in English words."""
    if number < 20:
        return _ONES[number]
    if number < 100:
        return _TENS[number // 10] + (f"-{_ONES[number % 10]}" if number % 10 else "")
    rest = f" and {in_words(number % 100)}" if number % 100 else ""
    return f"{_ONES[number // 100]} hundred{rest}"


_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip


def ordinal(number: int) -> str:
    """``third``, ``twenty-first``: a whole number from 1 to 99 as an ordinal."""
    head, dash, last = in_words(number).rpartition("-")
    return head + dash + _ORDINALS.get(last, f"{last[:-1]}ieth" if last.endswith("ty") else f"{last}th")


def article(word: str) -> str:
    """``a`` or ``an`` as the word asks for."""
    lowered = word.lower()
    vowel = lowered[0] in "aeiou" and not re.match(r"(uni[^nm]|use|us[aeiu]|eu|one\b|ubiq)", lowered)
    return "an" if vowel or re.match(r"(8|11\b|18\b|hour|honest|hono|heir)", lowered) else "a"


def joined(items: Sequence[str], last: str = "and") -> str:
    """``a, b and c``."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}"


def _numbers(spec: str) -> tuple[int, int, int] | list[int]:
    if ".." not in spec:
        return [int(number) for number in spec.split(",")]
    low, _, rest = spec.partition("..")
    high, _, step = rest.partition("/")
    return int(low), int(high), int(step or 1)


_number_specs = lru_cache(maxsize=None)(_numbers)


class Draft:
    """One document in the making: its dice, the values that stay the same throughout, and what it already says.

    Args:
        seed: decides every draw.
        values: name → template, or list of templates; a slot takes its value from here once and keeps it.
        slots: values that are fixed from the start; a function is called for each use instead.
        words: durations are written as "thirty (30) days".
        currency: what stands before an amount.
        steady: a number drawn again from the same range is the same number.
    """

    def __init__(
        self,
        seed: str,
        values: Mapping[str, Any],
        slots: Mapping[str, str | Callable[[], str]] | None = None,
        *,
        words: bool = False,
        currency: str = "US$",
        steady: bool = False,
    ) -> None:
        self.dice = Dice(seed)
        self.values = values
        self.slots: dict[str, str | Callable[[], str]] = dict(slots or {})
        self.refs: dict[str, str] = {}
        self.steady = steady
        self.commas = True
        self._words, self._currency = words, currency
        self._figures: dict[tuple[str, str], int] = {}
        self._decks: dict[str, list[str]] = {}
        self._said: set[str] = set()

    def write(self, template: str) -> str:
        """The template with every alternative chosen and every slot filled."""
        return "".join(self._pieces(parse(template)))

    def say(self, templates: str | Sequence[str]) -> str:
        """One of the templates, written so that the document does not say the same paragraph twice."""
        if not isinstance(templates, str):
            possible = [one for one in templates if needs(parse(one)) <= self.refs.keys()]
            templates = self.dice.pick(possible) if len(possible) > 1 else possible[0]
        for _ in range(50):
            text = tidy(self.write(templates))
            if text not in self._said:
                break
        self._said.add(text)
        return text

    def new(self, name: str) -> str:
        """A fresh value of that name; from a list, one that was not taken before while there are any."""
        source = self.slots.get(name)
        if callable(source):
            return source()
        listed = self.values[name]
        if isinstance(listed, str):
            return self.write(listed)
        deck = self._decks.get(name)
        if not deck:
            deck = self._decks[name] = self.dice.shuffled(listed)
        return self.write(deck.pop())

    def value(self, name: str) -> str:
        """The document's value of that name: drawn at its first use, the same ever after."""
        found = self.slots.get(name)
        if found is None:
            found = self.slots[name] = self.new(name)
        return found if isinstance(found, str) else found()

    def money(self, amount: int) -> str:
        """An amount in the document's currency."""
        return f"{self._currency}{amount:,}"

    def count(self, number: int, noun: str) -> str:
        """``30 days`` or ``thirty (30) days``, as the document's style is."""
        figure = f"{in_words(number)} ({number})" if self._words and number < 1000 else f"{number:,}"
        return f"{figure} {noun}{'' if number == 1 else 's'}"

    def _pieces(self, nodes: Sequence[Any]) -> Iterator[str]:
        for node in nodes:
            if isinstance(node, str):
                yield node
            elif isinstance(node, Slot):
                yield self._slot(node.expression)
            else:
                options = [option for option, needed in node.options if needed <= self.refs.keys()]
                yield from self._pieces(options[self.dice.below(len(options))])

    def _slot(self, expression: str) -> str:
        if expression[0] == "^":
            text = self._slot(expression[1:])
            return text[0].upper() + text[1:]
        kind, _, spec = expression.partition(":")
        if not spec:
            return self.value(kind)
        if kind == "new":
            return self.new(spec)
        if kind == "ref":
            return self.refs[spec]
        if kind == "an":
            text = self._slot(spec)
            return f"{article(text)} {text}"
        if kind == "own":
            text = self._slot(spec)
            return f"{text}'" if text.endswith("s") else f"{text}'s"
        if kind in ("some", "any"):
            name, _, count = spec.partition(",")
            chosen = [self.write(item) for item in self.dice.some(self.values[name], int(count))]
            return joined(chosen, "and" if kind == "some" else "or")
        return self._figure(kind, spec)

    def settle(self, template: str) -> None:
        """Draw now, and for good, each number for which the template names a range."""
        for kind, spec in re.findall(r"\{(int|num|word|pct):([^{}]*)\}", template):
            self._number(kind, spec)

    def _number(self, kind: str, spec: str) -> int:
        settled = self._figures.get((kind, spec))
        if settled is not None:
            return settled
        numbers = _number_specs(spec)
        number = self.dice.pick(numbers) if isinstance(numbers, list) else self.dice.between(*numbers)
        if self.steady:
            self._figures[kind, spec] = number
        return number

    def _figure(self, kind: str, spec: str) -> str:
        number = self._number(kind, spec)
        if kind == "int":
            return f"{number:,}" if self.commas else str(number)
        if kind == "money":
            return self.money(number)
        if kind == "pct":  # written in hundredths, so that 125 is 1.25
            return f"{number / 100:.2f}".rstrip("0").rstrip(".") + "%"
        if kind == "num":
            return str(number)
        if kind == "nth":
            return ordinal(number)
        if kind == "word":
            return in_words(number)
        return self.count(number, {"bdays": "Business Day"}.get(kind, kind.removesuffix("s")))


@lru_cache(maxsize=None)
def texts(name: str) -> dict[str, Any]:
    """What ``text/NAME.toml`` says."""
    return tomllib.loads((Path(__file__).parent / "text" / f"{name}.toml").read_text(encoding="utf-8"))


def paragraphs(parts: Sequence[str]) -> str:
    """The parts with a blank line between them."""
    return "\n\n".join(parts) + "\n"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], numeric_from: int = 1) -> str:
    """A Markdown table; columns from ``numeric_from`` on are set right."""
    rule = ["---" if column < numeric_from else "---:" for column in range(len(head))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *rows))


def slug(text: str) -> str:
    """The text as it may stand in a file name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
