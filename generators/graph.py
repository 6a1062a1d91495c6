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
from functools import cache
from pathlib import Path

from longctx.closing import Texts
from longctx.corpus import Corpus
from longctx.errors import UsageError
from longctx.exact import Insert
from longctx.generated import Part
from longctx.samples import facts_seed, haystack_seed, make_sample, variant
from longctx.tasks import task
from longctx.tokens import Tokenizer
from longctx.types import Cell, Sample

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
    rng, taken = random.Random(f"{facts_seed(cell)}:{cell.task}"), set[str]()
    core = draw(rng, lambda: _name(rng, taken), empty)
    rng.shuffle(core.edges)
    places = sorted(rng.random() for _ in [*core.edges, *core.shown])
    seed = haystack_seed(corpus, cell)
    rest = f"{facts_seed(cell)}:{cell.task}"  # not of the length: a longer graph only has more edges
    filler = _Filler(core, random.Random(f"{rest}:rest"), f"{rest}:order", taken)
    question, texts = fill(wording, {"node": core.node}), _texts()
    before, after = texts["instruction"].strip() + "\n\n", f"\n\n{question}\n{texts['answer'].strip()}"
    inserts = [Insert(_line(edge), _line(edge), None) for edge in core.edges]
    own: list[Insert | str] = [*inserts, *(_line(edge) for edge in core.shown)]
    haystack, _ = fill_up(
        tokenizer,
        length=cell.length,
        frame=tokenizer.frame(before, after, cue=texts["cue"]),
        units=Units(
            lambda count: _parts(own, filler.take(count), places),
            inserts,
            _size(tokenizer, filler),
            least=_LEAST,
            extend=lambda count, more: "".join(line + "\n" for line in filler.more(count, more)),
        ),
        closing=Closing(
            Texts(_closing(tokenizer, random.Random(f"{rest}:closing"), taken), tokenizer), _RESERVE, "", "\n"
        ),
    )
    target = sorted(answer(_EDGE.findall(haystack.text), core.node))
    return make_sample(
        corpus, cell, tokenizer, haystack, tokenizer.as_input(before, haystack.text, after, texts["cue"]),
        question=question, target=target, scorer=_SCORERS[convention], asked=range(len(core.edges)), seed=seed,
    )  # fmt: skip


class _Filler:
    """Edges that cannot change the answer, each once.

    A node gets edges only as long as it is among the newest, so that all have about as many, those that the answer
    depends on too, however long the list grows.
    """

    def __init__(self, core: _Core, rng: random.Random, order: str, taken: set[str]) -> None:
        self._rng, self._order, self._taken = rng, order, taken
        fresh = [_name(rng, taken) for _ in range(_NEWEST // 2)]
        self._sources = [*fresh, *core.sources]
        self._targets = [*fresh, *(node for node in core.others if node != core.node)]
        self._lines: list[str] = []
        self._seen = {*core.edges, *core.shown}

    def take(self, count: int) -> list[str]:
        """The first `count` of them, shuffled."""
        lines = self.more(0, count)
        random.Random(self._order).shuffle(lines)
        return lines

    def more(self, count: int, more: int) -> list[str]:
        """As many behind the first `count`."""
        rng = self._rng
        while len(self._lines) < count + more:
            if rng.random() < _FRESH:
                fresh = _name(rng, self._taken)
                self._sources.append(fresh)
                self._targets.append(fresh)
            edge = (rng.choice(self._sources[-_NEWEST:]), rng.choice(self._targets[-_NEWEST:]))
            if edge[0] != edge[1] and edge not in self._seen:
                self._seen.add(edge)
                self._lines.append(_line(edge))
        return self._lines[count : count + more]


def _size(tokenizer: Tokenizer, filler: _Filler) -> Callable[[int], float]:
    """About how many tokens so many lines take."""
    some = filler.more(0, _SIZED)
    mean = sum(len(encoding.ids) for encoding in tokenizer.encode_many([line + "\n" for line in some])) / len(some)
    return lambda count: count * mean


def _parts(own: Sequence[Insert | str], filler: Sequence[str], places: Sequence[float]) -> list[Part]:
    """All edges, the core's own at their places among the others."""
    parts: list[Part] = []
    before = 0
    for place, edge in zip(places, own, strict=True):
        spot = int(place * len(filler))
        parts.append(Part("".join(line + "\n" for line in filler[before:spot])))
        parts += [Part(edge.text, edge), Part("\n")] if isinstance(edge, Insert) else [Part(edge + "\n")]
        before = spot
    return [*parts, Part("".join(line + "\n" for line in filler[before:]))]


def _closing(tokenizer: Tokenizer, rng: random.Random, taken: set[str]) -> list[str]:
    """Edges of every size between nodes of their own: a few of each size, more of the long ones."""
    nodes = [[_name(rng, taken, digits) for _ in range(_ALIKE)] for digits in range(1, _NAME[1] + 1)]
    edges = []
    for ones in nodes:
        for others in nodes:
            pairs = [(one, two) for one in ones for two in others if one != two]
            edges += [_line(pair) for pair in rng.sample(pairs, _ALIKE)]
    kept: dict[int, list[str]] = {}
    for edge, encoding in zip(edges, tokenizer.encode_many(edges), strict=True):
        kept.setdefault(len(encoding.ids), []).append(edge)
    longest = max(kept)
    return [edge for size, alike in kept.items() for edge in alike[: None if 2 * size > longest else _ALIKE]]


def _name(rng: random.Random, taken: set[str], digits: int = 0) -> str:
    """A node that is not there yet."""
    while True:
        name = "".join(rng.choice("0123456789abcdef") for _ in range(digits or rng.randint(*_NAME)))
        if name not in taken:
            taken.add(name)
            return name


def _line(edge: Edge) -> str:
    return " -> ".join(edge)
