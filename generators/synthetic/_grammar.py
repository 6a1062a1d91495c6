"""Prose from templates: alternatives, slots, lists and numbers, all drawn from one seed.

A template is a string in which ``[a|b|]`` is one of its alternatives (they nest, and may be empty),
``{name}`` a slot and ``{kind:spec}`` a fresh draw. A backslash takes the meaning from the next character.
The texts themselves stand in ``text/*.toml``. Kinds of draw:

    {new:name} {some:name,3} {any:name,3}   a fresh value of a name; three of a list, joined by "and" or by "or"
    {^slot} {an:slot} {own:slot}            with a capital; after "a" or "an"; as a possessive
    {ref:label}                             what the document calls a part of it
    {int:10..90/5} {num:1,2,3}              a number, with or without thousands separators: range, step, list
    {money:1000..9000/50} {pct:25..150}     an amount; a share, given in hundredths of a per cent
    {word:2..6} {nth:2..6} {days:10,14,30}  in words; as an ordinal; a period (hours, bdays, weeks, months, years)

Example::

    >>> Draft("seed", {"notice": "{days:30,60}"}).write("[On|By] {own:notice} [prior |]written notice.")
    "By 60 days' written notice."
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from ._dice import Dice
from ._prose import article, in_words, joined, ordinal, tidy


class Slot(NamedTuple):
    """``{expression}`` in a template."""

    expression: str


class OneOf(NamedTuple):
    """``[a|b]`` in a template; beside each alternative stand the references that it cannot do without."""

    options: tuple[tuple[tuple[Any, ...], frozenset[str]], ...]


@lru_cache(maxsize=8192)
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
        self.kinds: dict[str, Callable[[str], str]] = {}
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

    def listing(self, lead: str, wordings: Sequence[str]) -> Iterator[str]:
        """One of the wordings after ``lead``; lines that begin with ``- `` or ``~ `` become lettered items.

        Those with ``~ `` are left out now and then, and so are those that refer to what is not there. ``; or`` at the
        end of an item makes the items alternatives.
        """
        possible = [one for one in wordings if needs(parse(one.split("\n")[0])) <= self.refs.keys()]
        chapeau, *items = self.dice.pick(possible).split("\n")
        yield lead + self.say(chapeau)
        joint = "; or" if any(item.endswith("; or") for item in items) else "; and"
        kept = [item[2:] for item in items if item.startswith("- ") or self.dice.chance(0.6)]
        kept = [item for item in kept if needs(parse(item)) <= self.refs.keys()]
        for place, item in enumerate(kept, 1):
            body = re.sub(r"(; and|; or|[;.])$", "", self.say(item))
            yield f"({chr(96 + place)}) {body}{'.' if place == len(kept) else joint if place == len(kept) - 1 else ';'}"

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
        if kind in self.kinds:
            return self.kinds[kind](spec)
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


@cache
def texts(name: str) -> dict[str, Any]:
    """What ``text/NAME.toml`` says."""
    return tomllib.loads((Path(__file__).parent / "text" / f"{name}.toml").read_text(encoding="utf-8"))
