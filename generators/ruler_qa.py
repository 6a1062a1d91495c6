"""RULER's two question answering tasks: numbered documents, one or two of which hold the answer.

Follows RULER (arXiv 2404.06654; NVIDIA/RULER c3f5e3b, scripts/data/synthetic/qa.py) in numbered documents, in which
documents stand beside the golden one, and in its score. What differs: the wordings are our own; with no question file
named, documents are cut from the corpus and the questions are about facts that its voice puts into them; the golden
document stands at the cell's depth, once, and no other holds the answer; prompts have exactly the asked length, which
sentences at the end of a document see to. ``mode=compat`` goes back to RULER's length rule and its defects: all samples
of as many documents are shuffled alike, so that the golden one is always in the same place, and where there are fewer
documents than fit, all are repeated, the golden one too.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from longctx.chains import chain
from longctx.closing import Texts
from longctx.compare import normalise, occurrences
from longctx.corpus import Corpus
from longctx.encoded import encode_texts
from longctx.errors import CorpusError, ImpossibleSample, UsageError
from longctx.exact import Insert, Pieces
from longctx.samples import facts_seed, is_unique, pick_host, variant
from longctx.seams import Piece, Seams, Slice, decode
from longctx.tasks import task
from longctx.tokens import Tokenizer
from longctx.types import Cell, Place, Sample
from longctx.voice import Voice

from ._articles import Articles, sentences
from ._fill import Closing
from ._kinds import draw_kind, kind_fact, quoted
from ._numbered import Stored
from ._questions import read_questions
from ._reading import read_facts
from ._ruler import MODE, RESERVE, SEED, listed_sample, mode_of, wording
from ._ruler_reading import before, read_hops

_BUDGET = 32  # tokens that RULER lets a model generate
_DRAWS = 12  # times that other facts are drawn when the documents hold one by chance
_BLANK = "\n\n"
_LEAST = 4  # documents of a file beside the golden ones
_KEPT = 24  # documents of a file whose sentences are kept for the closing
_SAMPLED = 256  # documents of a file whose tokens are counted
_VARIANTS = MODE | {
    "questions": "path of a JSON file of SQuAD's or HotpotQA's form; questions about the corpus where it is not given"
}


@dataclass(frozen=True, slots=True)
class _Golden:
    """A document that is asked about: a needle with what stands around it."""

    needle: str
    value: str
    before: tuple[Piece, ...] = ()
    after: tuple[Piece, ...] = ()


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question and the documents to ask it over."""

    question: str
    answers: list[str]
    golden: list[_Golden]
    seams: Seams  # of what the documents are slices of
    others: Callable[[int], Sequence[Piece]]  # the first so many other documents
    size: Callable[[int], float]  # about the tokens of these
    available: int  # how many there are without repeating any
    sentences: list[str]  # for the closing
    unique: list[str]  # words that only the golden documents hold
    extra: dict[str, str]
    places: list[Place]  # of the golden documents; empty where they are not the corpus's


@task("ruler_qa_1", scorer="ruler_part", variants=_VARIANTS, density=False, reader=read_facts)
def ruler_qa_1(corpus: Corpus, cell: Cell, tokenizer: Tokenizer) -> Sample:
    """RULER's qa_1: a question over numbered documents, one of which answers it.

    Example:
        Document 1: … Document 2: … Late fees charged by Alder Foods Inc. shall not exceed US$412,750 … Document 3: …
        Question: What is the annual cap, in US dollars, on the late fees that Alder Foods Inc. may charge?
        Target: 412,750
    """
    return _sample(corpus, cell, tokenizer, hops=1)


@task("ruler_qa_2", scorer="ruler_part", variants=_VARIANTS, density=False, reader=read_hops)
def ruler_qa_2(corpus: Corpus, cell: Cell, tokenizer: Tokenizer) -> Sample:
    """RULER's qa_2: a question over numbered documents, two of which answer it together.

    Example:
        Document 1: … The cap on late fees of Alder Foods Inc. is in Schedule K-114. … Document 2: …
        Document 3: … Schedule K-114: US$412,750. …
        Question: What is the annual cap, in US dollars, on the late fees that Alder Foods Inc. may charge?
        Target: 412,750
    """
    return _sample(corpus, cell, tokenizer, hops=2)


def _sample(corpus: Corpus, cell: Cell, tokenizer: Tokenizer, hops: int) -> Sample:
    path = variant(cell, "questions", None)
    if path is not None and not isinstance(path, str):
        raise UsageError(f"questions of {cell.task} is {path!r}; it must be the path of a JSON file.")
    compat = mode_of(cell) == "compat"
    if path is not None:
        asked = _from_file(corpus, cell, tokenizer, path, compat)
        return _over(corpus, cell, tokenizer, asked, compat)
    articles = Articles(corpus, _seed(corpus, cell), pick_host(corpus, cell))
    for attempt in range(_DRAWS):
        asked = _about_corpus(corpus, cell, tokenizer, articles, hops, attempt)
        sample = _over(corpus, cell, tokenizer, asked, compat)
        words = [word for word in asked.unique if _perhaps_held(corpus, word)]
        if compat or not words or is_unique(words, before(sample.prompt, asked.question), _inserts(cell, asked)):
            return sample
    raise ImpossibleSample(f"Corpus {corpus.name!r} holds a key or value of all {_DRAWS} facts that were drawn.")


def _perhaps_held(corpus: Corpus, word: str) -> bool:
    """May a document hold a word, or the header before it."""
    return word.isdigit() or corpus.holds(word.casefold()) or corpus.holds(normalise(word))


def _seed(corpus: Corpus, cell: Cell) -> str:
    """Names the order of documents: the same at every length, so that a longer haystack only has more of them."""
    return f"{corpus.hash}:{facts_seed(cell)}:{cell.task}"


def _inserts(cell: Cell, asked: _Asked) -> list[Insert]:
    """Golden documents' needles: the first at the cell's depth, the others anywhere."""
    rng = random.Random(f"{facts_seed(cell)}:{cell.task}:depths")
    depths = [cell.depth or 0.0, *(rng.random() for _ in asked.golden[1:])]
    return [Insert(one.needle, one.value, depth) for one, depth in zip(asked.golden, depths, strict=True)]


def _over(corpus: Corpus, cell: Cell, tokenizer: Tokenizer, asked: _Asked, compat: bool) -> Sample:
    """The sample over numbered documents."""
    words = wording("qa")
    inserts = _inserts(cell, asked)

    def make(count: int) -> tuple[Seams, Pieces]:
        order, closing = _shuffled_alike(asked, count) if compat else _at_depths(inserts, asked.others(count))
        return _numbered(asked, order, closing)

    header = tokenizer.count(_header(1000))
    units = Stored(make, inserts, lambda count: asked.size(count) + count * header)
    end = Closing(Texts(asked.sentences, tokenizer, cuts=True), RESERVE, "\n\n", " ")
    around = (words["before"] + "\n\n", "\n\n" + words["after"].format(question=asked.question))
    return listed_sample(
        corpus, cell, tokenizer, around=around, question=asked.question, target=asked.answers, scorer="ruler_part",
        budget=_BUDGET, units=units, end=end,
        extra=lambda count: {
            "documents": count + len(inserts), "repeated": _recurs(asked, count, compat), **asked.extra,
        },
    )  # fmt: skip


def _recurs(asked: _Asked, count: int, compat: bool) -> bool:
    return count > asked.available if compat else len(set(asked.others(count))) < count


def _header(number: int) -> str:
    """What stands before a document; the blank line in front of it too, but for the first."""
    return f"{_BLANK if number > 1 else ''}{wording('qa')['document'].format(number=number)}\n"


def _at_depths(inserts: Sequence[Insert], others: Sequence[Piece]) -> tuple[list[int | Piece], int]:
    """Documents in order, golden ones where their depths say; and how many stand before the closing."""
    places = sorted((round((insert.depth or 0.0) * len(others)), index) for index, insert in enumerate(inserts))
    order: list[int | Piece] = list(others)
    for place, index in reversed(places):
        order.insert(place, index)
    last = [index for place, index in places if place == len(others)]
    # The closing goes to the end of a document; not of a golden one that is to stand at the very end.
    return order, len(order) - (len(last) if any(inserts[index].depth == 1 for index in last) else 0)


def _shuffled_alike(asked: _Asked, count: int) -> tuple[list[int | Piece], int]:
    """Documents as RULER orders them: golden ones first, all of them cut or repeated to size, shuffled by one seed."""
    total = count + len(asked.golden)
    order: list[int | Piece] = [*range(len(asked.golden)), *asked.others(min(count, asked.available))]
    order = (order * -(-total // len(order)))[:total]
    random.Random(SEED).shuffle(order)
    return order, total


def _numbered(asked: _Asked, order: Sequence[int | Piece], closing: int) -> tuple[Seams, Pieces]:
    """Documents under their numbers; a golden one that recurs is counted as filler.

    Args:
        asked: has the golden documents.
        order: documents; golden ones by their index.
        closing: how many of them stand before the closing.
    """
    others = [piece for number, one in enumerate(order, 1) if not isinstance(one, int) for piece in (str(number), one)]
    above, below = _header(0).split("0")
    marks = [below, f"{_BLANK}{above}"] * (len(others) // 2)
    made = chain(asked.seams, others, marks[:-1], ends=string.digits)
    spans = iter(made.spans[1::2])
    pieces = Pieces()
    seen: set[int] = set()
    done = 0  # documents that are in place
    golden = [place for place, one in enumerate(order) if isinstance(one, int)]
    for place in sorted({*golden, closing, len(order)}):
        if run := list(islice(spans, place - done)):  # they follow each other in the store
            pieces.add(_header(done + 1))
            pieces.add(Slice(run[0][0], run[-1][1]))
            done = place
        if place == closing:
            pieces.close_here()
        if place < len(order) and isinstance(one := order[place], int):
            pieces.add(_header(place + 1))
            _add_golden(pieces, asked, one, again=one in seen)
            seen.add(one)
            done = place + 1
    return Seams(made.store, asked.seams.tokenizer), pieces


def _add_golden(pieces: Pieces, asked: _Asked, index: int, *, again: bool) -> None:
    golden, store = asked.golden[index], asked.seams.store
    pieces.add("".join(decode(store, piece) for piece in golden.before))
    pieces.add(golden.needle, None if again else index, asked.places[index] if asked.places else None)
    pieces.add("".join(decode(store, piece) for piece in golden.after))


def _about_corpus(
    corpus: Corpus, cell: Cell, tokenizer: Tokenizer, articles: Articles, hops: int, attempt: int
) -> _Asked:
    """A fact of the corpus's voice, in one document or split over two."""
    rng = random.Random(f"{facts_seed(cell)}:{cell.task}:{attempt}")
    host = pick_host(corpus, cell)
    voice = host.voice
    question, value, key, texts, source = _fact(voice, rng, hops)
    golden = [
        _within(text, held, corpus, document, voice, random.Random(f"{facts_seed(cell)}:{cell.task}:place:{index}"))
        for index, (text, held, document) in enumerate(
            zip(texts, ["", value][-hops:], articles.first(hops), strict=True)
        )
    ]

    places = [articles.place(index) for index in range(hops)]

    def others(count: int) -> list[Slice]:
        return articles.first(count + hops)[hops:]

    about = {"questions": source, "host": host.name, "host_format": corpus.format_of(places[0].file)}
    return _Asked(
        question, [value], golden, corpus.seams(tokenizer), others, articles.size, len(articles.order) - hops,
        articles.sentences, [key, value], about, places,
    )  # fmt: skip


def _fact(voice: Voice, rng: random.Random, hops: int) -> tuple[str, str, str, list[str], str]:
    """Question, value, key, the texts that state it, and where it is from."""
    if hops == 1:
        fact = rng.choice(voice.facts).fill(rng, voice.language)
        return fact.question, fact.value, fact.key, [fact.needle], "voice"
    split = [form for form in voice.facts if form.halves]
    if split:
        form = rng.choice(split)
        fact = form.fill(rng, voice.language)
        return fact.question, fact.value, fact.key, list(form.fill_halves(rng, voice.language, fact)), "voice"
    # A voice without facts in two places asks for a number by way of a card.
    generic = kind_fact("words", "numbers")
    fact = generic.fill(rng)
    link = f"K-{draw_kind('numbers', rng)[:5]}"
    words = wording("qa")
    first = words["first_hop"].format(key=quoted(fact.key), link=link)
    second = words["second_hop"].format(link=link, noun="number", value=fact.value)
    return fact.question, fact.value, fact.key, [first, second], "generic"


def _within(text: str, value: str, corpus: Corpus, document: Slice, voice: Voice, rng: random.Random) -> _Golden:
    """A needle between two paragraphs of a document, or before it; in code always before it."""
    blank = _BLANK.encode()
    raw = corpus.text[document.begin : document.end].tobytes()
    paragraphs = raw.split(blank)
    at = 0 if voice.boundary == "definition" else rng.randrange(len(paragraphs) + 1)
    above = document.begin + len(blank.join(paragraphs[:at]))
    below = document.end - len(blank.join(paragraphs[at:]))
    return _Golden(
        text, value,
        (Slice(document.begin, above), _BLANK) if at else (),
        (_BLANK, Slice(below, document.end)) if at < len(paragraphs) else (),
    )  # fmt: skip


@lru_cache(maxsize=4)
def _seams_of(tokenizer: Tokenizer) -> Seams:
    """Seams of documents that are in no corpus: they are remembered from one sample to the next."""
    return Seams(encode_texts([""], tokenizer)[0], tokenizer)


def _from_file(corpus: Corpus, cell: Cell, tokenizer: Tokenizer, path: str, compat: bool) -> _Asked:
    """The question that the cell's seed says, over the documents of a file."""
    file = read_questions(path)
    order = list(range(len(file.questions)))
    if not compat:
        random.Random(SEED).shuffle(order)
    chosen = file.questions[order[cell.seed % len(order)]]
    seed = _seed(corpus, cell)
    rng = random.Random(f"{seed}:documents")
    near = rng.sample(chosen.near, len(chosen.near))
    rest = [index for index in range(len(file.documents)) if index not in {*chosen.golden, *near}]
    rng.shuffle(rest)
    deck = near + rest
    if len(deck) < _LEAST:
        raise UsageError(f"Questions {path!r} hold {len(file.documents)} documents; at least {_LEAST} more are needed.")
    kept = 0 if compat else min(_KEPT, len(deck) // 4)
    said = [normalise(answer) for answer in chosen.answers if normalise(answer) not in ("yes", "no")]

    def text(index: int) -> str:
        return tokenizer.defuse(file.documents[index])[0]

    def tells(document: str) -> bool:
        return not compat and any(occurrences(answer, normalise(document)) for answer in said)

    left = iter(deck[: len(deck) - kept])
    usable: list[str] = []

    def others(count: int) -> list[str]:
        fresh = (document for document in map(text, left) if not tells(document))
        usable.extend(islice(fresh, max(0, count - len(usable))))
        if len(usable) < count and not (corpus.repeat and usable):
            raise CorpusError(
                f"{cell.length:,} tokens need more than the {len(usable):,} documents of {path!r} that do not hold the "
                "answer: ask for a shorter length, or allow documents to recur with --repeat."
            )
        mixed = [usable[index % len(usable)] for index in range(count)]
        seams.sizes(mixed)  # from now on these are texts whose tokens are known
        random.Random(f"{seed}:order").shuffle(mixed)
        return mixed

    seams = _seams_of(tokenizer)
    sizes = seams.sizes([text(index) for index in deck[:_SAMPLED]])
    mean = sum(sizes) / len(sizes)
    return _Asked(
        chosen.text, list(chosen.answers), [_Golden(text(index), chosen.answers[0]) for index in chosen.golden],
        seams, others, lambda count: count * mean, len(deck),
        [one for one in sentences([text(index) for index in deck[len(deck) - kept :]]) if not tells(one)],
        [], {"questions": file.form, "questions_sha256": file.sha256}, [],
    )  # fmt: skip
