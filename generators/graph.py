"""Graphs as long lists of edges: the frontier of a breadth-first search, and the parents of a node.

Follows GraphWalks (openai/graphwalks) in what is asked and how it is scored; graphs and wordings are our own. Nodes
have random hexadecimal names; in long graphs they are mostly the same ones, with other edges in each. The part of the
graph that the answer depends on is the same at every length; the rest is as large as the length asks for, and hides it.
"""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

from longctx.corpus import Corpus
from longctx.errors import UsageError
from longctx.exact import Insert
from longctx.generated import Part
from longctx.phrases import Order
from longctx.samples import facts_seed, make_sample, own_haystack, variant
from longctx.tasks import task
from longctx.tokens import Tokenizer
from longctx.types import Cell, Sample

from ._fill import Closing, Units
from ._fill import fill as fill_up
from ._graph_edges import Core, Edge, Filler, closing_edges, line, node_names
from ._wording import fill, one_of, whole

_SCORERS = {"lm-eval": "graph_f1", "card": "graph_f1_card", "empty": "graph_f1_empty"}
_INNER = (2, 5)  # nodes at each step before the last
_ANSWER = (2, 12)  # nodes of an answer
_LEAST = 16  # other edges in the smallest graph
_RESERVE = 64  # tokens that are left to the closing edges
_VARIANTS = {
    "convention": "lm-eval (default): as that harness scores; card: as the dataset's card, which counts the label as "
    "part of the first node; empty: as lm-eval, but an empty answer is right where there is no such node",
    "empty": "true: there is no such node; default false",
}
_EDGE = re.compile(r"^([0-9a-f]+) -> ([0-9a-f]+)$", re.MULTILINE)


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

    def draw(rng: random.Random, name: Callable[[], str], empty: bool) -> Core:
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


def _search(rng: random.Random, name: Callable[[], str], steps: int, empty: bool) -> Core:
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
    return Core(nodes[0], sorted(edges), nodes, levels[steps] if len(levels) > steps else [], shown)


def _family(rng: random.Random, name: Callable[[], str], empty: bool) -> Core:
    """A node and its parents."""
    node = name()
    parents = [] if empty else [name() for _ in range(rng.randint(*_ANSWER))]
    return Core(node, [(parent, node) for parent in parents], parents, [node, *parents], [(node, name())])


def _sample(
    corpus: Corpus,
    cell: Cell,
    tokenizer: Tokenizer,
    wording: str,
    draw: Callable[[random.Random, Callable[[], str], bool], Core],
    answer: Callable[[Sequence[Edge], str], set[str]],
) -> Sample:
    convention = one_of(cell, "convention", list(_SCORERS))
    empty = variant(cell, "empty", False)
    if not isinstance(empty, bool):
        raise UsageError(f"{cell.task}: empty is {empty!r}; possible are true and false.")
    rest = f"{facts_seed(cell)}:{cell.task}"  # not of the length: a longer graph only has more edges
    rng = random.Random(rest)
    names = node_names(rng)
    core = draw(rng, lambda: next(names), empty)
    rng.shuffle(core.edges)
    spots = sorted(rng.random() for _ in [*core.edges, *core.shown])
    filler = Filler(core, rest, tokenizer, cell.length)
    question, texts = fill(wording, {"node": core.node}), _texts()
    before, after = texts["instruction"].strip() + "\n\n", f"\n\n{question}\n{texts['answer'].strip()}"
    inserts = [Insert(line(edge), line(edge), None) for edge in core.edges]
    own: list[Insert | str] = [*inserts, *(line(edge) for edge in core.shown)]
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
        closing=Closing(closing_edges(tokenizer), _RESERVE, "", "\n"),
    )
    return make_sample(
        corpus, cell, tokenizer, haystack, tokenizer.as_input(before, haystack.text, after, texts["cue"]),
        question=question, target=sorted(answer([*core.edges, *core.shown], core.node)),
        scorer=_SCORERS[convention], asked=range(len(core.edges)), seed=own_haystack(corpus, cell),
    )  # fmt: skip


def _parts(own: Sequence[Insert | str], filler: Order, spots: Sequence[float]) -> list[Part]:
    """All edges, the core's own at their places among the others."""
    places = [0, *(int(spot * len(filler)) for spot in spots), len(filler)]
    parts: list[Part] = []
    for (begin, end), edge in zip(pairwise(places), [*own, None], strict=True):
        parts.append(Part(order=filler[begin:end]))
        if edge is not None:
            parts += [Part(edge.text, edge), Part("\n")] if isinstance(edge, Insert) else [Part(edge + "\n")]
    return parts
