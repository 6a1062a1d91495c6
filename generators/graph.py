"""Graphs as long lists of edges: the frontier of a breadth-first search, and the parents of a node.

Follows GraphWalks (openai/graphwalks) in what is asked and how it is scored; graphs and wordings are our own. Nodes
have random hexadecimal names. The part of the graph that the answer depends on is the same at every length; the rest is
as large as the length asks for, and hides it.
"""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np

from longctx.closing import Texts
from longctx.corpus import Corpus
from longctx.errors import UsageError
from longctx.exact import Insert
from longctx.generated import Part
from longctx.phrases import Order, phrases
from longctx.samples import facts_seed, haystack_seed, make_sample, variant
from longctx.tasks import task
from longctx.tokens import Tokenizer
from longctx.types import Cell, Sample

from ._drawn import distinct, generator, order_of, places, rounded
from ._fill import Closing, Units
from ._fill import fill as fill_up
from ._wording import fill, one_of, whole

Edge = tuple[str, str]

_SCORERS = {"lm-eval": "graph_f1", "card": "graph_f1_card", "empty": "graph_f1_empty"}
_NAME = (6, 10)  # hexadecimal digits of a node
_ALIKE = 4  # closing edges of one size; they are of every size, and so some of their nodes have short names
_INNER = (2, 5)  # nodes at each step before the last
_ANSWER = (2, 12)  # nodes of an answer
_NEWEST = 200  # nodes that further edges are put between
_FRESH = 0.4  # new nodes for each further edge
_LEAST = 16  # other edges in the smallest graph
_SIZED = 256  # other edges whose tokens are counted
_SPARE = 1.1  # of what is drawn, more than is likely to be needed
_OWN = 1024  # names of which some are the core's, at every length
_LONG = 1 << 16  # tokens from which a haystack is put together from encoded names
_RESERVE = 64  # tokens that are left to the closing edges
_VARIANTS = {
    "convention": "lm-eval (default): as that harness scores; card: as the dataset's card, which counts the label as "
    "part of the first node; empty: as lm-eval, but an empty answer is right where there is no such node",
    "empty": "true: there is no such node; default false",
}
_EDGE = re.compile(r"^([0-9a-f]+) -> ([0-9a-f]+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Core:
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


@cache
def _texts() -> dict[str, str]:
    return tomllib.loads((Path(__file__).parent / "text" / "graph.toml").read_text("utf-8"))


def read_graph(prompt: str, question: str) -> str:
    """Read every edge, and walk from the node of the question, or look for what leads to it."""
    edges = _EDGE.findall(prompt)
    numbered = re.search(r"node ([0-9a-f]+) and follow the edges.* at distance (\d+) from", question)
    if not numbered:
        named = re.search(r"parents of node ([0-9a-f]+)", question)
        found = {source for source, target in edges if named and target == named[1]}
        return f"Final Answer: [{', '.join(found)}]"
    leads: dict[str, set[str]] = {}
    for source, target in edges:
        leads.setdefault(source, set()).add(target)
    frontier = seen = {numbered[1]}
    for _ in range(int(numbered[2])):
        frontier = {target for node in frontier for target in leads.get(node, ())} - seen
        seen = seen | frontier
    return f"Final Answer: [{', '.join(frontier)}]"


@task(
    "graph_bfs",
    scorer="graph_f1",
    variants=_VARIANTS | {"steps": "edges from the start to the nodes asked for, 1-8; default 3"},
    density=False,
    depth=False,
    reader=read_graph,
)
def graph_bfs(corpus: Corpus, cell: Cell, tokenizer: Tokenizer) -> Sample:
    """The nodes at an exact distance from a start, in a long list of edges.

    Needles are the edges that a breadth-first search has to look at. The haystack has no documents: the corpus only
    names the cell. An answer has 2 to 12 nodes, scored by F1.

    Example:
        … 9f03c1e2 -> 41bd77
        41bd77 -> e01c55a9 …
        Question: Start at node 9f03c1e2 and follow the edges. Which nodes are at distance 2 from it, counted in edges
        along the shortest way?
        Target: e01c55a9
    """
    steps = whole(cell, "steps", 3, 1, 8)
    question = _texts()["frontier"].replace("{steps}", str(steps))

    def draw(rng: random.Random, name: Callable[[], str], empty: bool) -> _Core:
        return _search(rng, name, steps, empty)

    def answer(edges: Sequence[Edge], node: str) -> set[str]:
        import networkx as nx

        graph = nx.DiGraph(edges)
        return set(nx.descendants_at_distance(graph, node, steps))

    return _sample(corpus, cell, tokenizer, question, draw, answer)


@task("graph_parents", scorer="graph_f1", variants=_VARIANTS, density=False, depth=False, reader=read_graph)
def graph_parents(corpus: Corpus, cell: Cell, tokenizer: Tokenizer) -> Sample:
    """The nodes from which an edge leads to a given one, in a long list of edges.

    Needles are those edges. The haystack has no documents: the corpus only names the cell. An answer has 2 to 12 nodes,
    scored by F1.

    Example:
        … 9f03c1e2 -> 41bd77
        e01c55a9 -> 41bd77 …
        Question: Which nodes are the parents of node 41bd77, so that an edge leads from them to it?
        Target: 9f03c1e2, e01c55a9
    """

    def answer(edges: Sequence[Edge], node: str) -> set[str]:
        import networkx as nx

        return set(nx.DiGraph(edges).predecessors(node))

    return _sample(corpus, cell, tokenizer, _texts()["parents"], _family, answer)


def _search(rng: random.Random, name: Callable[[], str], steps: int, empty: bool) -> _Core:
    """A start and the nodes around it, step by step; every edge leads at most one step farther."""
    levels = [[name()]]
    edges: set[Edge] = set()
    for step in range(1, steps + 1):
        last = step == steps
        if last and empty:
            break
        level = [name() for _ in range(rng.randint(*(_ANSWER if last else _INNER)))]
        for node in level:
            edges |= {(parent, node) for parent in rng.sample(levels[-1], min(len(levels[-1]), rng.randint(1, 2)))}
        levels.append(level)
    for step, level in enumerate(levels[:steps]):  # edges back and across, which a search must not fall for
        for node in level:
            reached = sorted({other for nearer in levels[: step + 1] for other in nearer} - {node})
            edges |= {(node, other) for other in rng.sample(reached, min(len(reached), rng.randint(0, 1)))}
    nodes = [node for level in levels for node in level]
    shown = [] if edges else [(name(), nodes[0])]
    return _Core(nodes[0], sorted(edges), nodes, levels[steps] if len(levels) > steps else [], shown)


def _family(rng: random.Random, name: Callable[[], str], empty: bool) -> _Core:
    """A node and its parents."""
    node = name()
    parents = [] if empty else [name() for _ in range(rng.randint(*_ANSWER))]
    return _Core(node, [(parent, node) for parent in parents], parents, [node, *parents], [(node, name())])


def _sample(
    corpus: Corpus,
    cell: Cell,
    tokenizer: Tokenizer,
    wording: str,
    draw: Callable[[random.Random, Callable[[], str], bool], _Core],
    answer: Callable[[Sequence[Edge], str], set[str]],
) -> Sample:
    convention = one_of(cell, "convention", list(_SCORERS))
    empty = variant(cell, "empty", False)
    if not isinstance(empty, bool):
        raise UsageError(f"{cell.task}: empty is {empty!r}; possible are true and false.")
    rest = f"{facts_seed(cell)}:{cell.task}"  # not of the length: a longer graph only has more edges
    rng = random.Random(rest)
    names = iter(rng.sample(distinct(_draw_name, _OWN), _OWN))
    core = draw(rng, lambda: next(names), empty)
    rng.shuffle(core.edges)
    spots = sorted(rng.random() for _ in [*core.edges, *core.shown])
    filler = _Filler(core, rest, tokenizer, cell.length)
    question, texts = fill(wording, {"node": core.node}), _texts()
    before, after = texts["instruction"].strip() + "\n\n", f"\n\n{question}\n{texts['answer'].strip()}"
    inserts = [Insert(_line(edge), _line(edge), None) for edge in core.edges]
    own: list[Insert | str] = [*inserts, *(_line(edge) for edge in core.shown)]
    haystack, _ = fill_up(
        tokenizer,
        length=cell.length,
        frame=tokenizer.frame(before, after, cue=texts["cue"]),
        units=Units(
            lambda count: _parts(own, filler.take(count), spots),
            inserts,
            filler.size,
            least=_LEAST,
            extend=lambda count, more: filler.phrases.text(filler.edges[count : count + more]),
            phrases=filler.phrases,
            most=len(filler.edges),
        ),
        closing=Closing(_closing(tokenizer), _RESERVE, "", "\n"),
    )
    return make_sample(
        corpus, cell, tokenizer, haystack, tokenizer.as_input(before, haystack.text, after, texts["cue"]),
        question=question, target=sorted(answer([*core.edges, *core.shown], core.node)),
        scorer=_SCORERS[convention], asked=range(len(core.edges)), seed=haystack_seed(corpus, cell),
    )  # fmt: skip


class _Filler:
    """Edges that cannot change the answer, each once.

    A node gets edges only as long as it is among the newest, so that all have about as many, those that the answer
    depends on too, however long the list grows.

    Attributes:
        phrases: names as sources and as targets.
        edges: (edges, 2) phrases of each, more than there is room for.
    """

    def __init__(self, core: _Core, seed: str, tokenizer: Tokenizer, length: int) -> None:
        self._seed = seed
        room = int(_SPARE * length / _tokens_of_edge(tokenizer)) + _SIZED
        size = rounded(_SPARE * _FRESH * room + _OWN)
        self.phrases = phrases(_columns(size), ((0, 1),), tokenizer, dense=length > _LONG)
        self.edges: Order = self._drawn(core, room, size) + np.array([0, size])
        self._tokens = np.cumsum(self.phrases.tokens[self.edges].sum(axis=1))

    def _drawn(self, core: _Core, room: int, size: int) -> Order:
        """Edges as pairs of names, by their indices: each between two of the newest nodes, which grow in number."""
        rng = generator(f"{self._seed}:rest")
        at = places(distinct(_draw_name, _OWN))
        own = {(at[source], at[target]) for source, target in [*core.edges, *core.shown]}
        fresh = order_of(size, rng, {node for edge in own for node in edge})
        begun, fresh = fresh[: _NEWEST // 2], fresh[_NEWEST // 2 :]
        nodes = [core.sources, [node for node in core.others if node != core.node]]
        grows, *picks = rng.random((room, 3)).T
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


def _parts(own: Sequence[Insert | str], filler: Order, spots: Sequence[float]) -> list[Part]:
    """All edges, the core's own at their places among the others."""
    places = [0, *(int(spot * len(filler)) for spot in spots), len(filler)]
    parts: list[Part] = []
    for (begin, end), edge in zip(pairwise(places), [*own, None], strict=True):
        parts.append(Part(order=filler[begin:end]))
        if edge is not None:
            parts += [Part(edge.text, edge), Part("\n")] if isinstance(edge, Insert) else [Part(edge + "\n")]
    return parts


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
def _closing(tokenizer: Tokenizer) -> Texts:
    """Edges of every size between nodes of their own: a few of each size, more of the long ones."""
    rng, nodes = random.Random(0), _closing_nodes()
    edges = []
    for ones in nodes:
        for others in nodes:
            pairs = [(one, two) for one in ones for two in others if one != two]
            edges += [_line(pair) for pair in rng.sample(pairs, _ALIKE)]
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


def _line(edge: Edge) -> str:
    return " -> ".join(edge)
