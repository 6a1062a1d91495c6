"""Commercial contracts of ten kinds: parties, recitals, definitions that are used, numbered clauses, schedules.

The wording stands in ``text/contracts-*.toml``, one file a kind and one for what kinds share; the figures come
from the ``_deals`` modules. Every paragraph of some length names a party, and no two documents of a seed have a party
in common, which is why none of them comes twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from functools import cache, partial
from typing import Any, NamedTuple

from longctx.types import Document

from . import _deals_service, _deals_trade
from ._deal import YEARS, Deal, Frame
from ._dice import Dice
from ._grammar import Draft, texts
from ._names import any_stem, firm, listed, person, stem, street, trade
from ._prose import paragraphs, slug
from ._spelling import american

FORMAT = "markdown"

_DEALS = {**_deals_service.DEALS, **_deals_trade.DEALS}
KINDS = tuple(YEARS)
_PROVIDERS = {
    "lease": ("Properties", "Estates", "Land Holdings"), "loan": ("Capital", "Finance", "Commercial Bank", "Credit"),
    "licence": ("Software", "Systems", "Data"), "saas": ("Cloud", "Software", "Digital", "Data"),
}  # fmt: skip

_TECHNICAL = ("Data", "Hosting", "Networks", "Systems", "Digital", "Software", "Cloud")
_US_FORMS = {"LLC": "limited liability company", "LP": "limited partnership"}
_GOODS = ("supply", "distribution")
_CONVENTION = "the United Nations Convention on Contracts for the International Sale of Goods"
_DAYS = ((31, "January"), (31, "March"), (30, "June"), (30, "September"), (15, "December"))


class _Article(NamedTuple):
    """An article before it is written."""

    heading: str
    first: int  # number of its first clause
    clauses: dict[str, list[str]]  # title → wordings


def make(index: int, seed: int) -> Document:
    """Contract number ``index`` of the seed: the same bytes whenever and wherever it is made."""
    kind = KINDS[index % len(KINDS)]
    draft, deal = _open(index, seed, kind)
    grammar = _grammar(kind)
    outline = _outline(draft, grammar, deal)
    preamble, schedules = list(_preamble(draft, grammar)), list(_schedules(draft, deal))
    body = _body(draft, grammar, outline, [*preamble[3:], *schedules])
    text = paragraphs([*preamble, *body, *schedules, *_signatures(draft)])
    if draft.value("spelling") == "American":
        text = american(text)
    name = slug(f"{draft.value('A')} {draft.value('A_trade')}")
    return Document(f"{kind}-{index:04d}-{name}.md", text, FORMAT)


@cache
def _grammar(kind: str) -> dict[str, Any]:
    """The kind's articles, terms and values over those that all kinds share."""
    common, own = texts("contracts-common"), texts(f"contracts-{kind}")
    merged = {**common, **own}
    for shared in ("values", "terms"):
        merged[shared] = {**common[shared], **own.get(shared, {})}
    return merged


def _open(index: int, seed: int, kind: str) -> tuple[Draft, Deal]:
    """The draft with everything in it that must agree throughout the document."""
    dice = Dice(f"contracts:{seed}:{index}:frame")
    place = dice.pick(texts("contracts-law")["place"])
    american = place["style"] == "Section"
    # None is older than the rules and laws that contracts name: Incoterms 2020, the term rates that replaced LIBOR.
    signed = date(2021, 9, 1) + timedelta(days=dice.below(1_550))
    # The conditions of a sale take time; its buyer makes offers to the staff weeks before it is completed.
    gaps = (45, 60, 75, 90) if kind == "asset-sale" else (0, 0, 1, 7, 14, 21, 30, 45)
    effective = signed + timedelta(days=dice.pick(gaps))
    if kind in ("lease", "loan", "employment"):  # these begin on the first of a month
        effective = date(effective.year + effective.month // 12, effective.month % 12 + 1, 1)
    frame = Frame(
        signed, effective, dice.pick(YEARS[kind]), american and place["home"] != "Canada", tuple(place["units"])
    )
    draft = Draft(
        f"contracts:{seed}:{index}", _grammar(kind)["values"], words=dice.chance(0.5), currency=place["currency"]
    )
    draft.slots.update({key: value for key, value in place.items() if isinstance(value, str)})
    draft.slots.update(_parties(draft, dice, place, kind, index, seed))
    draft.slots.update(_times(draft, dice, frame))
    draft.slots.update({
        "kind": kind, "spelling": "American" if place["home"] == "the United States" else "British",
        "shall": dice.pick(("shall", "shall", "will", "must")), "article": "Article" if american else "clause",
        "sub": place["style"], "schedule": "Exhibit" if american else "Schedule", "run-in": "yes" if american else "",
        "area_unit": place["units"][0], "area_unit_single": place["units"][1], "distance_unit": place["units"][2],
        **{key: value for key, value in _grammar(kind)["kind"].items() if isinstance(value, str)},
    })  # fmt: skip
    if kind in _GOODS:
        draft.refs["convention-on-sales"] = _CONVENTION
    draft.slots["schedules"] = f"{draft.value('schedule')}s"
    deal = _DEALS[kind](draft, frame)
    draft.slots.update(deal.slots)
    return draft, deal


def _parties(
    draft: Draft, dice: Dice, place: dict[str, Any], kind: str, index: int, seed: int
) -> dict[str, str | Callable[[], str]]:
    cities = dice.shuffled(place["cities"])
    slots: dict[str, str | Callable[[], str]] = {"home_city": place["cities"][0]}
    for number, side in enumerate("AB"):
        short = stem(2 * index + number, f"contracts:{seed}")
        second = dice.pick(_PROVIDERS[kind]) if side == "A" and kind in _PROVIDERS else trade(dice)
        contact, road, form = person(dice), street(dice), dice.pick(place["forms"])
        slots |= {
            side: short, f"{side}_trade": second, f"{side}_full": f"{short} {second} {form}",
            f"{side}_city": cities[number], f"{side}_street": road, f"{side}_contact": contact,
            f"{side}_email": f"{contact.replace(' ', '.').lower()}@{slug(short)}.example",
            f"{side}_signatory": person(dice),
            f"{side}_born": place["born"].replace("{us_form}", _US_FORMS.get(form, "corporation")),
        }  # fmt: skip
    if kind == "employment":
        first, last = person(dice).split()[0], dice.pick(listed("surnames"))
        slots |= {
            "B": f"{first} {last}", "B_full": f"{first} {last}", "B_contact": f"{first} {last}",
            "B_signatory": f"{first} {last}", "B_email": f"{first}.{last}@post.example".lower(),
        }  # fmt: skip
    return slots | {
        "company": lambda: f"{any_stem(draft.dice)} {trade(draft.dice)}",
        "tech_company": lambda: f"{any_stem(draft.dice)} {draft.dice.pick(_TECHNICAL)}",
        "advisers": partial(firm, draft.dice),
        "bank": lambda: f"{any_stem(draft.dice)} {draft.dice.pick(('Bank', 'Savings Bank', 'Commercial Bank'))}",
        "person": partial(person, draft.dice),
        "street": partial(street, draft.dice),
        "premises_name": f"{any_stem(dice)} {dice.pick(('House', 'Court', 'Park', 'Works', 'Point', 'Building'))}",
        "premises_address": f"{street(dice)}, {cities[0]}",
        "project": any_stem(dice),
        "software_name": f"{any_stem(dice)} {dice.pick(('Suite', 'Desk', 'Flow', 'Base', 'One', 'Hub', 'Plan'))}",
        "brand": any_stem(dice).upper(),
        "regno": lambda: str(draft.dice.between(1_000_000, 13_900_000)).zfill(8),
        "us_state": lambda: draft.dice.pick(("Delaware", "Nevada", "Ohio", "Illinois", "Texas", "Virginia", "Georgia")),
    }


def _times(draft: Draft, dice: Dice, frame: Frame) -> dict[str, str | Callable[[], str]]:
    def earlier() -> str:
        return frame.say(frame.signed - timedelta(days=draft.dice.between(12, 420)))

    def lately() -> str:
        return frame.say(frame.signed - timedelta(days=draft.dice.between(2, 45)))

    renewal = dice.pick((30, 60, 90)) if frame.years == 1 else dice.pick((60, 90, 120, 180))
    return {
        "signed": frame.say(frame.signed), "effective_date": frame.say(frame.effective),
        "expiry_date": frame.say(frame.expiry), "term": draft.count(frame.years, "year"),
        "renewal": draft.count(1 if frame.years < 4 else dice.pick((1, 2)), "year"),
        "renewal_notice": draft.count(renewal, "day"),
        "review_date": frame.say(date(frame.effective.year + 1, dice.pick((1, 4, 7)), 1)),
        "prior_date": earlier, "recent_date": lately,
        "int_year": lambda: str(draft.dice.between(1961, frame.signed.year - 4)),
        "standard_year": lambda: str(draft.dice.between(2017, frame.signed.year - 1)),
        "late_day": frame.day(1, "October"),
        "day_month": lambda: frame.day(*draft.dice.pick(_DAYS)),
        "month_name": lambda: draft.dice.pick(("August", "September", "October", "November")),
    }  # fmt: skip


def _outline(draft: Draft, grammar: dict[str, Any], deal: Deal) -> list[_Article]:
    """Which articles and clauses there are, and with that what every reference says."""
    kind = grammar["kind"]
    kept = [label for label in kind["outline"] if label not in kind["optional"] or draft.dice.chance(0.7)]
    outline: list[_Article] = []
    for number, label in enumerate(kept, 1):
        source = grammar["interpretation" if label == "definitions" else label]
        article = _Article(draft.write(source["heading"]), 2 if label == "definitions" else 1, {})
        for name, wordings in source.items():
            if name == "heading" or (name.endswith("?") and not draft.dice.chance(0.65)):
                continue
            if wordings[0].startswith("@"):
                shared, _, key = wordings[0][1:].partition(".")
                wordings = texts("contracts-common")[shared][key]
            place = article.first + len(article.clauses)
            article.clauses[draft.write(name.rstrip("?"))] = wordings
            draft.refs[f"{label}.{slug(name)}"] = f"{draft.value('sub')} {number}.{place}"
        draft.refs[label] = f"{draft.value('article')} {number}"
        outline.append(article)
    for number, label in enumerate(deal.schedules):
        mark = "ABCDEFG"[number] if draft.value("schedule") == "Exhibit" else str(number + 1)
        draft.refs[f"schedule.{label}"] = f"{draft.value('schedule')} {mark}"
    return outline


def _preamble(draft: Draft, grammar: dict[str, Any]) -> Iterator[str]:
    title = draft.dice.pick(grammar["kind"]["title"])
    yield f"# {title}"
    yield draft.say(
        f'This {title} (this "Agreement") is [made|entered into] on {{signed}} between {{A}} and {{B}}, namely:'
    )
    for number, side in enumerate("AB", 1):
        role = f' ("{{{side}}}"), the {grammar["kind"]["roles"][number - 1]}'
        draft.slots["address"] = draft.write(f"{{{side}_street}}, {{{side}_city}}")
        who = f"**{{{side}_full}}**, " + draft.write(draft.value(f"{side}_born"))
        if side == "B" and draft.value("kind") == "employment":
            who, role = "**{B_full}**, of {B_street}, {B_city}", ", the employee"
        yield f"({number}) " + draft.say(f"{who}{role}{'; and' if number == 1 else '.'}")
    yield "## " + draft.write("[Recitals|Background|Preamble]")
    letters = iter("ABCDE")
    for name, wordings in grammar["recitals"].items():
        if not name.endswith("?") or draft.dice.chance(0.6):
            yield f"({next(letters)}) " + draft.say(wordings)
    yield draft.say("[{A} and {B} therefore agree as follows:|Now therefore {A} and {B} agree as follows:]")


def _body(draft: Draft, grammar: dict[str, Any], outline: Sequence[_Article], around: Sequence[str]) -> Iterator[str]:
    """The articles; the definitions come first but are written last, when it is known which terms are used."""
    articles = [_article(draft, number, article) for number, article in enumerate(outline, 1)]
    said = [part for article in articles for part in article[1:]] + [part for part in around if part[0] != "#"]
    used = "\n".join(re.sub(r"\*\*.*?\*\*", "", part) for part in said)
    heading, *interpretation = articles[0]
    yield heading
    yield "1.1 In this Agreement:"
    yield from _definitions(draft, grammar["terms"], used)
    yield from interpretation
    for article in articles[1:]:
        yield from article


def _article(draft: Draft, number: int, article: _Article) -> list[str]:
    parts = [f"## {'Article ' if draft.value('run-in') else ''}{number}. {article.heading}"]
    for place, (title, wordings) in enumerate(article.clauses.items(), article.first):
        lead = f"{number}.{place} " + (f"**{title}.** " if draft.value("run-in") else "")
        parts.extend(draft.listing(lead, wordings))
    return parts


def _definitions(draft: Draft, terms: dict[str, Any], used: str) -> Iterator[str]:
    """Those terms that the text uses, and those that their definitions use in turn."""
    pattern = re.compile(rf"\b({'|'.join(sorted(terms, key=len, reverse=True))})s?\b")
    said: dict[str, str] = {}
    open_terms = set(pattern.findall(used))
    while open_terms:
        for term in sorted(open_terms):
            said[term] = draft.say(terms[term])
        open_terms = {found for text in said.values() for found in pattern.findall(text)} - said.keys()
    ordered = sorted(said.items(), key=lambda pair: pair[0].lower())
    for place, (term, text) in enumerate(ordered):
        verb = " " if text.startswith("has the meaning") else " means "
        yield f'"{term}"{verb}{text}' + ("." if place == len(ordered) - 1 else ";")


def _schedules(draft: Draft, deal: Deal) -> Iterator[str]:
    for label, (heading, parts) in deal.schedules.items():
        yield f"## {draft.refs[f'schedule.{label}']}. {heading}"
        for part in parts:
            yield draft.write(part.replace("|", "\\|")) if part.startswith("| ") else draft.say(part)


def _signatures(draft: Draft) -> Iterator[str]:
    yield "## " + draft.write("[Signatures|Execution|Signed by the parties]")
    secretary = "Corporate Secretary" if draft.value("spelling") == "American" else "Company Secretary"
    offices = ("Director", "Managing Director", "Chief Executive Officer", secretary, "Chief Financial Officer")
    for side in "AB":
        signatory, full = draft.value(f"{side}_signatory"), draft.value(f"{side}_full")
        if signatory == full:
            yield f"Signed by {full}: ____________________ Date: {draft.value('signed')}"
            continue
        office = draft.dice.pick(offices)
        line = f"Signed for and on behalf of {full} by {signatory}, {office}: ____________________"
        yield f"{line} Date: {draft.value('signed')}"
