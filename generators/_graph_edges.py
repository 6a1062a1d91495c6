"""Edges of large graphs between nodes with random hexadecimal names, as filler that cannot change an answer."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np

from longctx.closing import Texts
from longctx.phrases import Order, phrases
from longctx.tokens import Tokenizer

from ._drawn import SPARE, distinct, generator, order_of, places, rounded
from ._fill import LONG

Edge = tuple[str, str]

_NAME = (6, 10)  # hexadecimal digits of a node
_OWN = 1024  # names of which some are the core's, at every length
_ALIKE = 4  # closing edges of one size; they are of every size, and so some of their nodes have short names
_NEWEST = 200  # nodes that further edges are put between
_FRESH = 0.4  # new nodes for each further edge
_SIZED = 256  # edges whose tokens are counted


@dataclass(frozen=True, slots=True)
class Core:
    """What the answer depends on.

    Attributes:
        node: asked about.
        edges: that have to be found, in no order.
        others: further nodes that the rest of the graph may point at.
        sources: of these, those that the rest may start from without changing the answer.
    """

    node: str
    edges: list[Edge]
    others: list[str]
    sources: list[str]
    shown: list[Edge]  # not needed for the answer, but they name the node


def node_names(rng: random.Random) -> Iterator[str]:
    """Different nodes' names, for those that the answer depends on."""
    return iter(rng.sample(distinct(_draw_name, _OWN), _OWN))


class Filler:
    """Edges that cannot change the answer, each once.

    A node gets edges only as long as it is among the newest, so that all have about as many, those that the answer
    depends on too, however long the list grows.

    Attributes:
        phrases: names as sources and as targets.
        edges: (edges, 2) phrases of each, more than there is room for.
    """

    def __init__(self, core: Core, seed: str, tokenizer: Tokenizer, length: int) -> None:
        """Draw them.

        Args:
            core: what they must not change.
            seed: names them.
            tokenizer: the model's.
            length: tokens that they are to fill.
        """
        self._seed = seed
        room = int(SPARE * length / _tokens_of_edge(tokenizer)) + _SIZED
        size = rounded(SPARE * _FRESH * room + _OWN)
        self.phrases = phrases(_columns(size), ((0, 1),), tokenizer, dense=length > LONG)
        self.edges: Order = self._drawn(core, room, size) + np.array([0, size])
        self._tokens = np.cumsum(self.phrases.tokens[self.edges].sum(axis=1))

    def _drawn(self, core: Core, room: int, size: int) -> Order:
        """Edges as pairs of names, by their indices: each between two of the newest nodes, which grow in number."""
        at = places(distinct(_draw_name, _OWN))
        own = {(at[source], at[target]) for source, target in [*core.edges, *core.shown]}
        fresh = order_of(size, generator(f"{self._seed}:names"), {node for edge in own for node in edge})
        begun, fresh = fresh[: _NEWEST // 2], fresh[_NEWEST // 2 :]
        nodes = [core.sources, [node for node in core.others if node != core.node]]
        grows, *picks = generator(f"{self._seed}:rest").random((room, 3)).T
        grown = np.cumsum(grows < _FRESH)
        ends = []
        for more, pick in zip(nodes, picks, strict=True):
            all_of = np.concatenate([begun, np.array([at[node] for node in more], np.int64), fresh])
            known = len(all_of) - len(fresh) + grown
            ends.append(all_of.take(known - 1 - (pick * np.minimum(known, _NEWEST)).astype(np.int64), mode="clip"))
        edges = np.stack(ends, axis=1)[grown < len(fresh)]
        keys = edges @ np.array([size, 1])
        kept = np.sort(np.unique(keys, return_index=True)[1])
        barred = [source * size + target for source, target in own]
        found: Order = edges[kept[(edges[kept, 0] != edges[kept, 1]) & ~np.isin(keys[kept], barred)]]
        return found

    def take(self, count: int) -> Order:
        """The first `count` of them, shuffled."""
        return self.edges[generator(f"{self._seed}:order").permutation(count)]

    def size(self, count: int) -> float:
        """About how many tokens so many take."""
        return float(self._tokens[count - 1]) if count else 0.0


@lru_cache(maxsize=4)
def _columns(size: int) -> tuple[tuple[str, ...], ...]:
    """Names before and behind the arrow."""
    names = distinct(_draw_name, size)
    return tuple(f"{name} ->" for name in names), tuple(f" {name}\n" for name in names)


@lru_cache(maxsize=4)
def _tokens_of_edge(tokenizer: Tokenizer) -> float:
    """About how many tokens a line has."""
    counts = tokenizer.count_many(["".join(line) for line in zip(*_columns(_OWN), strict=True)][:_SIZED])
    return sum(counts) / len(counts)


@lru_cache(maxsize=4)
def closing_edges(tokenizer: Tokenizer) -> Texts:
    """Edges of every size between nodes of their own: a few of each size, more of the long ones."""
    rng, nodes = random.Random(0), _closing_nodes()
    edges = []
    for ones in nodes:
        for others in nodes:
            pairs = [(one, two) for one in ones for two in others if one != two]
            edges += [line(pair) for pair in rng.sample(pairs, _ALIKE)]
    kept: dict[int, list[str]] = {}
    for edge, count in zip(edges, tokenizer.count_many(edges), strict=True):
        kept.setdefault(count, []).append(edge)
    longest = max(kept)
    return Texts(
        [e for size, alike in kept.items() for e in alike[: None if 2 * size > longest else _ALIKE]], tokenizer
    )


@cache
def _closing_nodes() -> list[list[str]]:
    """Nodes that no other edge has, a few of each length."""
    rng, taken = random.Random(1), dict[str, None]()
    for digits in range(1, _NAME[1] + 1):
        while len(taken) < digits * _ALIKE:
            taken[_hex(rng, digits)] = None
    names = list(taken)
    return [names[begin : begin + _ALIKE] for begin in range(0, len(names), _ALIKE)]


def _draw_name(rng: random.Random) -> str:
    """A node's name."""
    while True:
        name = _hex(rng, rng.randint(*_NAME))
        if not any(name in alike for alike in _closing_nodes()):
            return name


def _hex(rng: random.Random, digits: int) -> str:
    return f"{rng.getrandbits(4 * digits):0{digits}x}"


def line(edge: Edge) -> str:
    """An edge as it is written."""
    return " -> ".join(edge)
