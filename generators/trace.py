"""Tracing: who holds it in the end, when it went from hand to hand in many places of the documents.

Follows RULER's variable tracking (arXiv 2404.06654) and NeedleBench's ancestral tracing (arXiv 2407.11963) in idea: no
single place answers the question, each names only what to look for next. The chains are those of the corpus's domain:
assignments of a contract, amendments that replace amendments, a case handed from desk to desk, constants defined by
other constants. Their wordings are in ``text/trace-VOICE.toml``.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from longctx.corpus import Corpus, Section
from longctx.errors import ImpossibleSample, UsageError, unknown
from longctx.exact import Insert
from longctx.samples import facts_seed, inserted_sample, pick_host, variant
from longctx.tasks import task
from longctx.tokens import Tokenizer
from longctx.types import Cell, Sample

from ._wording import Names, all_wordings, distractor_count, fill, first_unique, one_of, read, slots, whole, wordings

_ORDERS = ("shuffled", "forward", "reverse")
_VARIANTS = {
    "hops": "links from what is asked about to the end, 1-16; default 4",
    "chains": "chains in the haystack, 1-4, of which one is asked about; default 1",
    "ask": "end (default): the last of the chain; all: every one from first to last, scored as a set (F1)",
    "order": "of the links in the documents: shuffled (default), forward, reverse; the last link stands at the depth",
    "form": "name of the wording, one of the corpus's voice; drawn by seed where it is not given",
}


@dataclass(frozen=True, slots=True)
class _Chain:
    key: str
    names: list[str]  # holders in order, the end last
    links: list[str]  # one for each of the names


def read_trace(prompt: str, question: str) -> str:
    """Find every link in the prompt by its form, and follow them from what the question names."""
    documents = prompt[: max(0, prompt.rfind(question))]
    for form in (form for voice in all_wordings("trace").values() for form in voice["forms"]):
        for ask in ("end", "all"):
            asked = [match for match in read(form[f"question_{ask}"], question) if match[0] == question]
            if not asked:
                continue
            links: dict[str, str] = {}
            for label in ("first", "next", "last", "only"):
                for match in read(form[label], documents) if label in form else ():
                    links.setdefault(match["key"] if "key" in match.re.groupindex else match["from"], match["to"])
            at, path = asked[0]["key"], list[str]()
            while at in links:
                at = links.pop(at)
                path.append(at)
            return "; ".join(path if ask == "all" else path[-1:])
    return ""


@task("trace", scorer="includes", variants=_VARIANTS, reader=read_trace)
def trace(corpus: Corpus, cell: Cell, tokenizer: Tokenizer) -> Sample:
    """A chain of links scattered over the documents, to be followed to its end.

    The last link, which holds the answer, stands at the cell's depth and comes first among the needles; the others
    follow from the end back to the beginning, and ``link_depths_asked`` has the depth asked for each. In ``shuffled``
    order the other links keep their places, spread over the whole haystack, wherever the last one stands; in
    ``forward`` order they are spread evenly between the beginning and the last link, each after the one before it, and
    in ``reverse`` order between the last link and the end. Links of further chains are co-needles. Distractors are
    links of chains of the same form that share no name with those.

    ``ask=end`` is 1 where the answer names the end of the chain; ``choices`` of the metadata names all holders, so that
    answers can also be scored with `choice`, which allows no other name beside it.

    Example:
        … Handover note: case CS-4471932 has been taken off the first line and assigned to the Briar Center desk … the
        Briar Center desk … has passed every case that was handed over to it on to the East Osprey Village desk …
        Question: To which desk was case CS-4471932 passed last, all handovers included?
        Target: East Osprey Village
    """
    hops, chains = whole(cell, "hops", 4, 1, 16), whole(cell, "chains", 1, 1, 4)
    ask, order = one_of(cell, "ask", ("end", "all")), one_of(cell, "order", _ORDERS)
    host, seed = pick_host(corpus, cell), facts_seed(cell)
    form = _pick_form(host, cell, random.Random(f"{seed}:form"))
    depths = _depths(cell, hops, order, random.Random(f"{seed}:depths"))

    def make(attempt: int) -> tuple[Sample | None, list[str], list[Insert]]:
        names = Names(random.Random(f"{seed}:facts:{attempt}"), host.voice.language)
        drawn = [_draw_chain(form, hops, names) for _ in range(chains)]
        asked, others = drawn[0], drawn[1:]
        question = fill(form[f"question_{ask}"], {"key": asked.key})
        inserts = _inserts(asked, depths)[::-1]
        for chain in others:
            places = _depths(cell, hops, "shuffled", names.rng)
            inserts += _inserts(chain, [*places[:-1], 0.02 + 0.96 * names.rng.random()], "co-needle")
        left = distractor_count(corpus, cell, tokenizer, question)
        while left > 0:
            links = _inserts(_draw_chain(form, hops, names), [None] * hops, "template")[:left]
            inserts += links
            left -= len(links)
        sample = inserted_sample(
            corpus,
            cell,
            tokenizer,
            question=question,
            target=asked.names[-1] if ask == "end" else asked.names,
            scorer="includes" if ask == "end" else "set_f1",
            inserts=inserts,
            asked=range(hops),
            unique=[asked.key, asked.names[-1]],
            host=host,
            extra={
                "choices": [name for chain in drawn for name in chain.names],
                "link_depths_asked": depths[::-1],
            },
        )
        return sample, asked.names, inserts

    sample = first_unique(make, corpus)
    if not _in_order(sample, order):
        raise ImpossibleSample(
            f"{hops} links do not fit in {order} order around depth {cell.depth} of {cell.length:,} tokens: ask for a "
            "longer length, fewer hops, a depth farther from the end, or order=shuffled."
        )
    return sample


def _pick_form(host: Section, cell: Cell, rng: random.Random) -> dict[str, Any]:
    forms: dict[str, dict[str, Any]] = {form["name"]: form for form in wordings("trace", host.voice)["forms"]}
    name = variant(cell, "form", None)
    if name is None:
        return forms[rng.choice(list(forms))]
    if name not in forms:
        raise UsageError(unknown("form of trace", str(name), forms))
    return forms[name]


def _depths(cell: Cell, hops: int, order: str, rng: random.Random) -> list[float | None]:
    """Depth of each link, from the first to the last."""
    depth, before = cell.depth or 0.0, hops - 1
    if before and (order, depth) in (("forward", 0.0), ("reverse", 1.0)):
        raise ImpossibleSample(
            f"In {order} order the last of {hops} links cannot stand at depth {depth:g}: the others stand "
            f"{'before' if order == 'forward' else 'behind'} it. Ask for another depth or order=shuffled."
        )
    steps = [(index + 0.5) / before for index in range(before)]
    if order == "forward":
        return [*(depth * step for step in steps), depth]
    if order == "reverse":
        return [*(1 - (1 - depth) * step for step in steps), depth]
    strata = rng.sample(range(before), before)
    return [*(0.02 + 0.96 * (index + rng.random()) / before for index in strata), depth]


def _draw_chain(form: dict[str, Any], hops: int, names: Names) -> _Chain:
    """Names and links of one chain."""
    kinds = form["slots"]
    key = names.draw(kinds["key"])
    holders = [names.draw(kinds["holder"]) for _ in range(hops)]
    if "last" in form:
        holders[-1] = names.draw(kinds["end"])
    dates = _dates(kinds["date"], hops, names) if "date" in kinds else [""] * hops
    # In code each link stands in the module that the link before it imports from; none imports itself through others.
    modules = names.rng.sample(kinds["module"]["of"], hops + 1) if "{own}" in form["next"] else []
    links = []
    for index in range(hops):
        label = "next" if index else "first"
        if "last" in form and index == hops - 1:
            label = "last" if index else "only"
        drawn = {"key": key, "from": holders[index - 1], "to": holders[index], "date": dates[index]}
        if modules:
            drawn |= {"own": modules[index], "module": modules[index + 1]}
        more = sorted(slots(form[label]) - set(drawn))
        links.append(fill(form[label], drawn | {name: names.draw(kinds[name]) for name in more}))
    return _Chain(key, holders, links)


def _dates(slot: dict[str, Any], count: int, names: Names) -> list[str]:
    """Days in the order of a chain's links."""
    low, high = (date.fromisoformat(slot[side]) for side in ("low", "high"))
    days = sorted(names.rng.sample(range((high - low).days + 1), count))
    at = [(low + timedelta(days=day)).isoformat() for day in days]
    return [names.draw({**slot, "low": day, "high": day}) for day in at]


def _inserts(chain: _Chain, depths: Sequence[float | None], tier: str = "") -> list[Insert]:
    return [Insert(link, name, depth, tier) for link, name, depth in zip(chain.links, chain.names, depths, strict=True)]


def _in_order(sample: Sample, order: str) -> bool:
    """True where the links stand in that order and have room on their side of the last one."""
    last, *others = sample.metadata["needles"]  # from the end back
    taken = sum(link["end"] - link["start"] for link in others)
    depth = sample.metadata["depth_asked"]
    room = sample.metadata["haystack_tokens"] * (depth if order == "forward" else 1 - depth)
    starts = [link["start"] for link in (last, *others)]
    return order == "shuffled" or (taken <= room and starts == sorted(starts, reverse=order == "forward"))
