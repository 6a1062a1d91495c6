"""Unlike words: the needle answers the question, but shares no content word with it.

Follows the idea of NoLiMa (arXiv 2502.05167): where question and needle have words in common, a match of words finds
the needle; where only knowledge links them, it does not. The pairs are our own, fit the documents that they stand in,
and are in ``text/latent-LANGUAGE.toml``, as many of each kind of link.
"""

from __future__ import annotations

import itertools
import random
import re
import textwrap
import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from longctx.corpus import Corpus
from longctx.errors import CorpusError, ImpossibleSample, UsageError, unknown
from longctx.exact import Insert
from longctx.haystack import LEAST_FILLER
from longctx.names import draw_name
from longctx.samples import facts_seed, frames, inserted_sample, pick_host, variant
from longctx.tasks import task
from longctx.tokens import Tokenizer
from longctx.types import Cell, Sample
from longctx.units import counted
from longctx.voice import Voice

_TEXT = Path(__file__).parent / "text"
_DRAWS = 12  # times that other names are drawn when the filler holds the one that is asked for
_OTHERS = 7  # names among the choices that stand nowhere in the documents
_RUN = 6  # letters in a row that two words of one family have in common, as in "Schulden" and "überschuldet"
_LEAST_WRONG = 4  # wrong fillers of a pair
_UNSTATED = "That is not stated."
_WORD = re.compile(r"[^\W\d_]+")
_NAMES = r"[^\W\d_a-zäöü][\w'’-]*(?: [^\W_a-zäöü][\w'’-]*)*"  # capital letters and what follows them


@dataclass(frozen=True, slots=True)
class Pair:
    """A sentence and a question with no content word in common."""

    name: str
    kind: str  # of the link between the two
    domains: tuple[str, ...]  # voices that it suits; "any": those that have no pairs of their own
    subject: str  # kind of name that is asked for, as in `names.NAME_KINDS`
    form: str  # holds {name} and {filler}
    right: tuple[str, ...]  # fillers that the question means
    wrong: tuple[str, ...]  # fillers that it does not mean
    question: str
    link: str  # what one has to know

    def state(self, name: str, filler: str) -> str:
        """The sentence about `name`."""
        said = self.form.replace("{name}", name).replace("{filler}", filler)
        return said[0].upper() + said[1:]


@dataclass(frozen=True, slots=True)
class Pairs:
    """All pairs of a language."""

    language: str
    stop_words: frozenset[str]  # carry no content
    irregular: tuple[frozenset[str], ...]  # forms of one word that do not look alike
    endings: tuple[str, ...]  # of names, that an answer may leave out
    pairs: tuple[Pair, ...]

    def shared_words(self, one: str, other: str) -> list[str]:
        """Content words of `one` that `other` has too, in whatever form."""
        others = self._content(other)
        return [word for word in self._content(one) if any(self._akin(word, second) for second in others)]

    def _content(self, text: str) -> list[str]:
        words = (word.casefold() for word in _WORD.findall(re.sub(r"['’]s\b", "", text)))
        return [word for word in dict.fromkeys(words) if word not in self.stop_words and len(word) > 1]

    def _akin(self, one: str, other: str) -> bool:
        """Stricter than a stemmer: a common beginning of five letters is enough, or six letters in a row anywhere.

        Short words count where one begins with the other: "tax" and "taxes", "city" and "cities", "use" and "using".
        """
        if any(one in forms and other in forms for forms in self.irregular):
            return True
        short, long = sorted((_plain(one), _plain(other)), key=len)
        if len(short) > 4 and (short in long or short[:5] == long[:5]):
            return True
        if any(short[at : at + _RUN] in long for at in range(len(short) - _RUN + 1)):
            return True
        stem = short[:-1] if short[-1] in "ey" and len(short) > 3 else short
        return len(stem) > 2 and long.startswith(stem)


@lru_cache(maxsize=8192)
def _plain(word: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c))


@cache
def load_pairs(language: str) -> Pairs:
    """Pairs of a language, checked.

    Raises:
        UsageError: no pairs in that language; says in which there are.
        CorpusError: a pair that cannot be: fields are missing, a word is shared, fillers are too few or not distinct.
    """
    there = {path.stem.removeprefix("latent-"): path for path in _TEXT.glob("latent-*.toml")}
    if language not in there:
        raise UsageError("`latent` has no pairs in the corpus's language. " + unknown("language", language, there))
    table = tomllib.loads(there[language].read_text("utf-8"))
    made = Pairs(
        language,
        frozenset(table["stop_words"]),
        tuple(frozenset(forms) for forms in table["irregular"]),
        tuple(sorted(table["endings"], key=len, reverse=True)),
        tuple(_parse(pair, there[language].name) for pair in table["pairs"]),
    )
    for pair in made.pairs:
        said = " ".join((pair.form.format(name="", filler=""), *pair.right, *pair.wrong))
        if shared := made.shared_words(pair.question, said):
            where = f"{there[language].name}: pair {pair.name!r}"
            raise CorpusError(f"{where}: question and needle share {', '.join(shared)}.")
    return made


def _parse(table: Mapping[str, Any], file: str) -> Pair:
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    try:
        pair = Pair(**values)
    except TypeError as error:
        raise CorpusError(f"{file}: pair {table.get('name', '?')!r}: {error}.") from None
    if not all(pair.form.count(slot) == 1 for slot in ("{name}", "{filler}")):
        raise CorpusError(f"{file}: pair {pair.name!r}: `form` must hold {{name}} and {{filler}}, once each.")
    fillers = {filler.casefold() for filler in (*pair.right, *pair.wrong)}
    if not pair.right or len(pair.wrong) < _LEAST_WRONG or len(fillers) < len(pair.right) + len(pair.wrong):
        raise CorpusError(
            f"{file}: pair {pair.name!r}: it takes a right filler and {_LEAST_WRONG} wrong ones, no two of them equal."
        )
    return pair


def pairs_for(voice: Voice) -> list[Pair]:
    """Pairs whose sentences stand naturally in documents of this voice.

    Raises:
        UsageError: no pairs in the voice's language.
    """
    pairs = load_pairs(voice.language).pairs
    domain = "code" if voice.boundary == "definition" else voice.name
    own = [pair for pair in pairs if domain in pair.domains]
    return own or [pair for pair in pairs if "any" in pair.domains]


def read(prompt: str, question: str) -> str:
    """Answer as someone who knows what every pair takes one to know, from the prompt's text alone."""
    text = re.sub(r"\s*\n# | *\n", " ", prompt)  # sentences in the comments of code are wrapped
    for path in sorted(_TEXT.glob("latent-*.toml")):
        pairs = load_pairs(path.stem.removeprefix("latent-"))
        endings = "|".join(map(re.escape, pairs.endings))
        for pair in pairs.pairs:
            if pair.question == question:
                fillers = "|".join(map(re.escape, pair.right))
                form = re.escape(pair.form).replace(r"\{filler\}", f"(?:{fillers})")
                found = re.search(form.replace(r"\{name\}", f"({_NAMES})(?:{endings})?"), text)
                return found[1] if found else _UNSTATED
    return _UNSTATED


@task(
    "latent",
    scorer="choice",
    reader=read,
    variants={
        "kind": "kind of link between needle and question, such as place, law or software; drawn where it is not given",
        "pair": "name of the pair to ask, one of those that suit the corpus's voice; drawn where it is not given",
        "context": "short: the control, needle and one look-alike of each other meaning, no haystack; default long",
    },
)
def latent(corpus: Corpus, cell: Cell, tokenizer: Tokenizer) -> Sample:
    """A needle that shares no content word with its question; the answer is one name of a closed set.

    Distractors are the same sentence about other names, with fillers that the question does not mean. With
    `context=short` next to no filler stands around them, whatever length is asked for: a model that cannot answer then
    lacks the knowledge, not the reach. Pair and needle are the same as in the long context.

    Example:
        … Goods ordered from Alder Foods Inc. are unloaded at the quay in Antwerp. …
        Question: Whose deliveries arrive in Belgium?
        Target: Alder Foods

    Raises:
        UsageError: no pairs in the corpus's language, or no such kind or pair for its voice.
        ImpossibleSample, CorpusError: as `samples.inserted_sample`; or there are not as many names as distractors.
    """
    short = _is_short(cell)
    host = pick_host(corpus, cell)
    bare = replace(cell, variant=tuple(item for item in cell.variant if item[0] != "context"))
    rng = random.Random(f"{facts_seed(bare)}:latent")
    pair = _pick(pairs_for(host.voice), bare, rng)
    right = rng.choice(pair.right)
    wrong = rng.sample(pair.wrong, len(pair.wrong))
    before, after = (tokenizer.count(part) for part in frames(corpus.voice, tokenizer, [pair.question])[0])
    count = len(wrong) if short else round(cell.density * max(0, cell.length - before - after) / 10_000)
    fillers = [right, *itertools.islice(itertools.cycle(wrong), count)]
    for attempt in range(_DRAWS):
        own = random.Random(f"{facts_seed(bare)}:names:{attempt}")
        names = _names(pair, count + 1 + _OTHERS, own, host.voice.language)
        values = list(names.values())
        said = [pair.state(name, filler) for name, filler in zip(names, fillers, strict=False)]
        if host.voice.boundary == "definition":
            said = [_comment(text, name) for text, name in zip(said, names, strict=False)]
        depths = _ends(cell.depth or 0.0, count) if short else [cell.depth, *[None] * count]
        tiers = ["", *["template"] * count]
        inserts = [Insert(*each) for each in zip(said, values, depths, tiers, strict=False)]
        asked = 0
        if short:  # inserts of one depth stand in the order in which they are given
            asked = depths[1:].count(0.0)
            inserts.insert(asked, inserts.pop(0))
        length = _shortest(tokenizer, said, before + after, cell) if short else cell.length
        sample = inserted_sample(
            corpus,
            replace(cell, length=length),
            tokenizer,
            question=pair.question,
            target=values[0],
            scorer="choice",
            inserts=inserts,
            asked=[asked],
            unique=[values[0]],
            host=host,
            extra={"choices": sorted(values), "pair": pair.name, "kind": pair.kind, "length_asked": cell.length},
        )
        if sample is not None:
            return sample
    raise ImpossibleSample(
        f"Corpus {corpus.name!r} holds every name that was drawn for pair {pair.name!r}, {_DRAWS} times over."
    )


def _is_short(cell: Cell) -> bool:
    context = variant(cell, "context", "long")
    if context not in ("long", "short"):
        raise UsageError(unknown("context", str(context), ("long", "short")))
    return bool(context == "short")


def _ends(depth: float, others: int) -> list[float | None]:
    """Depths of the needle and of what stands around it where hardly any filler does: all at either end."""
    before = round(depth * others)
    return [float(depth == 1), *[0.0] * before, *[1.0] * (others - before)]


def _pick(pairs: Sequence[Pair], cell: Cell, rng: random.Random) -> Pair:
    """One pair: its kind is drawn first, so that every kind is asked equally often."""
    for axis, field in (("kind", "kind"), ("pair", "name")):
        wanted = variant(cell, axis, None)
        kept = [pair for pair in pairs if wanted in (None, getattr(pair, field))]
        if not kept:
            raise UsageError(unknown(f"{axis} of `latent`", str(wanted), {getattr(pair, field) for pair in pairs}))
        pairs = kept
    kind = rng.choice(sorted({pair.kind for pair in pairs}))
    return rng.choice([pair for pair in pairs if pair.kind == kind])


def _names(pair: Pair, count: int, rng: random.Random, language: str) -> dict[str, str]:
    """Names as they stand in a needle → what an answer must hold of them; none of these is part of another."""
    pairs = load_pairs(language)
    endings = pairs.endings
    drawn: dict[str, str] = {}
    taken: set[str] = set()
    for _ in range(20 * count + 1000):
        if len(drawn) == count:
            return drawn
        name = draw_name(pair.subject, rng, language)
        value = next((name.removesuffix(ending) for ending in endings if name.endswith(ending)), name)
        if pair.subject == "person":
            name = value = re.sub(r" \w\.(?= )", "", name)  # answers leave initials out
        if pair.subject == "product" and " " not in name:
            continue  # "Acucore" is part of "Acucore XR"
        if value not in taken and not pairs.shared_words(pair.question, name):
            taken.add(value)
            drawn[name] = value
    raise ImpossibleSample(
        f"Only {len(drawn):,} names of kind {pair.subject!r} can be told apart where {count:,} are needed: "
        "ask for a lower density."
    )


def _comment(said: str, name: str) -> str:
    """The sentence as a comment of code, with the name on one line."""
    kept = said.replace(name, name.replace(" ", "\xa0"))
    return textwrap.fill(kept, 88, initial_indent="# ", subsequent_indent="# ").replace("\xa0", " ")


def _shortest(tokenizer: Tokenizer, said: Sequence[str], frame: int, cell: Cell) -> int:
    """Tokens of a prompt with the least filler."""
    length = frame + sum(tokenizer.affix_counts) + sum(tokenizer.count(text) + 2 for text in said) + 2 * LEAST_FILLER
    if length > cell.length:
        raise ImpossibleSample(
            f"A prompt of {counted(cell.length, 'token')} is too short for the needle, one look-alike of each other "
            f"meaning and the question: the shortest possible length with these is {length:,}."
        )
    return length
