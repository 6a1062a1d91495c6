"""Names in code bases: packages, records and their fields, in all the forms in which code and prose need them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ._code import number
from ._dice import Dice, spread
from ._grammar import texts
from ._names import any_stem, trade
from ._prose import article, slug

Names = dict[str, str]


def domain_of(project: int) -> tuple[int, dict[str, Any]]:
    """The trade of a project, and how many projects of that trade came before it."""
    domains: Sequence[dict[str, Any]] = texts("codebases-domains")["domain"]
    round_, place = divmod(project, len(domains))
    return round_, domains[(place * 7 + round_) % len(domains)]


def plural(word: str) -> str:
    """More than one of it."""
    if word.endswith("y") and word[-2] not in "aeiou":
        return f"{word[:-1]}ies"
    if word.endswith("is"):
        return f"{word[:-2]}es"
    return f"{word}es" if word.endswith(("s", "x", "ch", "sh")) else f"{word}s"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def project_names(domain: tuple[int, dict[str, Any]], seed: int, dice: Dice) -> Names:
    """Slots that hold for all modules of a project."""
    round_, about = domain
    heads, tails = about["heads"].split(), texts("codebases-domains")["tails"].split()
    again, place = divmod(round_, len(heads) * len(tails))
    place = spread(place, len(heads) * len(tails), f"codebases:{seed}:{about['party']}")
    package = heads[place % len(heads)] + tails[place // len(heads)] + (str(again + 1) if again else "")
    camel, stem = _capital(package), any_stem(dice)
    return {
        "version": f"{dice.below(7)}.{dice.between(1, 19)}.{dice.below(10)}",
        "package": package, "Package": camel, "PACKAGE": package.upper(), "about": about["about"],
        "About": _capital(about["about"]), "client": f"{stem} {trade(dice)}", "client_slug": slug(stem),
        "Error": f"{camel}Error", "Invalid": f"Invalid{camel}Value", "Unreadable": f"Unreadable{camel}File",
        "NotFound": f"Unknown{camel}Code", "Refused": f"{camel}Refusal", "Settings": f"{camel}Settings",
    }  # fmt: skip


def record_names(domain: tuple[int, dict[str, Any]], place: int, seed: int, dice: Dice) -> Names:
    """Slots that hold for modules about one kind of record."""
    round_, about = domain
    qualifiers, nouns = about["qualifiers"].split(), about["nouns"].split()
    again, drawn = divmod(3 * round_ + place, len(qualifiers) * len(nouns))
    drawn = spread(drawn, len(qualifiers) * len(nouns), f"codebases:{seed}:{about['party']}:records")
    qualifier, noun = qualifiers[drawn // len(nouns)], nouns[drawn % len(nouns)]
    camel = qualifier + noun + (str(again + 1) if again else "")
    words = f"{qualifier} {noun}".lower() + (f" {again + 1}" if again else "")
    snake = slug(words).replace("-", "_")
    cat, values = dice.pick(list(about["categories"].items()))
    count, count_words = dice.pick(about["counts"])
    amount, amount_words = dice.pick(about["amounts"])
    (begin, begin_words), (end, end_words) = about["dates"]
    many = plural(words)
    names = {
        "Entity": camel, "entity": snake, "ENTITY": snake.upper(), "entities": plural(snake),
        "words": words, "plural_words": many, "Plural_words": _capital(many),
        "a_words": f"{article(words)} {words}", "A_words": _capital(f"{article(words)} {words}"),
        "noun": noun.lower(), "nouns": plural(noun.lower()), "prefix": (qualifier[0] + noun[0]).upper(),
        "party": about["party"], "a_party": f"{article(about['party'])} {about['party']}",
        "party_plural": plural(about["party"]), "cat": cat, "cat_words": cat.replace("_", " "),
        "Cat": camel + "".join(map(_capital, cat.split("_"))), "State": f"{camel}State",
        "count": count, "count_words": count_words, "COUNT": count.upper(), "amount": amount,
        "amount_words": amount_words, "Amount_words": _capital(amount_words),
        "begin": begin, "begin_words": begin_words, "end": end, "end_words": end_words,
    }  # fmt: skip
    for kind, listed in (("v", values), ("s", about["states"])):
        for value_place, value in enumerate(listed.split(), 1):
            names |= {f"{kind}{value_place}": value, f"{kind.upper()}{value_place}": value.upper()}
    return names | _measures(about["measures"], dice)


def _measures(measures: Sequence[tuple[str, str, int]], dice: Dice) -> Names:
    """What is measured, and figures that fit to it: a limit, bands below it, their prices."""
    name, words, most = dice.pick(measures)
    step = 10 ** max(len(str(most)) - 3, 0)
    limit = dice.between(most // 2, most, step)
    bands = sorted({limit * part // 100 for part in (dice.between(4, 12), dice.between(18, 35), dice.between(45, 70))})
    cents = dice.between(150, 2_600)
    figures = {"measure": limit, "large": limit * dice.between(50, 85) // 100, "daily": limit * dice.between(1, 4)}
    figures["sample"] = max(limit * dice.between(5, 40) // 100, 1)
    for place, band in enumerate([*bands, limit], 1):
        figures |= {f"m{place}": band, f"c{place}": cents}
        cents += dice.between(200, 4_000)
    shown = {key: number(value) for key, value in figures.items() if key != "measure"}
    return {**shown, "limit": number(limit), "measure": name, "measure_words": words, "MEASURE": name.upper()}
