"""What somebody of the trade would ask to be given a passage as the answer: by its heading, or by a term in it."""

from __future__ import annotations

import math
import re
import tomllib
import zlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from longctx.conversation import is_clean
from longctx.corpus import Corpus

from ._mrcr_passages import Passage, find_passages

NEEDLE = (100, 240)  # tokens of an answer that is asked for again, so that eight of them fit into 4,096
_BASE = 1 << 19  # bytes of a corpus that grows with the length from which twins are taken, the same at every length
_TERMS = 8  # of a passage
_TIERS = 4
_EARLY = 200  # characters within which a passage names what it is about

_NOUN_PHRASE = re.compile(
    r"\b(?:[Tt]he|[Aa]n?|[Aa]ny|[Ee]ach|[Ss]uch|[Tt]his|[Ii]ts|[Tt]heir|[Oo]ur|[Yy]our)\s+"
    r"((?:[A-Za-z][a-z-]+\s)?[A-Za-z][a-z-]{3,})(?=\s*[.,;:)]|\s+(?:of|to|shall|is|are|in|and|or|by|for|under|may|will|"
    r"was|were|has|have|that|which|with|from|on|at|as|if|must|can|when|should)\b)"
)
_NOUN = re.compile(r"(?<=[a-zäöüß,] )([A-ZÄÖÜ][a-zäöüß]{5,}(?:-[A-ZÄÖÜ][a-zäöüß]+)?)")
_CAPITAL = re.compile(r"\b[A-ZÄÖÜ][a-zäöüß]+")
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+")
_HAN_JOINT = re.compile("[的了和或与及在对将应当可以有为由并其该等是不被之于以按照自向从后前时者所第条款项]+")
_KANA = re.compile(r"[\u3040-\u30ff]")
_ENGLISH = re.compile(r"\b(?:the|of|and|to|in|is|for|that)\b", re.IGNORECASE)
_GERMAN = re.compile(r"\b(?:der|die|das|und|ist|nicht|von|mit|für|des|dem|den|zu)\b", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z]+")
_WHOLE = re.compile(r"(?!\([a-z]{1,4}\)|[a-z])[\s\S]*[.!?。！？](?:[\"'”’»)\]」』）*_]*|\s*\{\w+\})")
_CUES = 0.012  # share of a trade's cue words from which on a document is of the trade


@cache
def wordings() -> dict[str, Any]:
    """Language → wordings, see ``text/mrcr.toml``."""
    with (Path(__file__).parent / "text" / "mrcr.toml").open("rb") as file:
        return tomllib.load(file)


@dataclass(slots=True, eq=False)
class Pool:
    """The passages of a corpus with what asks for each.

    Attributes:
        passages: all, in the documents' order.
        requests: for each, requests that fit it, best first.
        base: indices of those that may be twins.
        tiers: requests → indices in `base` that they fit, the closest fit first: by heading, by what it is about, by
            what it mentions, by document.
        numbers: the ``id`` of a passage → its index.
        sections: for each part of a mixed corpus, the indices of its passages.
    """

    passages: list[Passage]
    requests: list[list[str]]
    base: list[int]
    tiers: list[dict[str, list[int]]] = field(default_factory=lambda: [defaultdict(list) for _ in range(_TIERS)])
    numbers: dict[int, int] = field(default_factory=dict)
    sections: list[list[int]] = field(default_factory=list)


_pools: WeakKeyDictionary[Corpus, Pool] = WeakKeyDictionary()


def pool_of(corpus: Corpus) -> Pool:
    """The corpus's pool, made once while the corpus is open."""
    if corpus not in _pools:
        passages = [passage for passage in find_passages(corpus) if is_clean(passage.text)]
        _pools[corpus] = _Asker(corpus, passages).pool()
    return _pools[corpus]


class _Asker:
    """Words requests for the passages of one corpus."""

    def __init__(self, corpus: Corpus, passages: list[Passage]) -> None:
        self.corpus, self.passages = corpus, passages
        self.base = [index for index, passage in enumerate(passages) if self._in_base(passage)]
        self.languages = [language_of(passage.text) for passage in passages]
        self.trades = self._trades()
        words = Counter(word for index in self.base for word in _WORD.findall(passages[index].text))
        self.forms: dict[str, Counter[str]] = defaultdict(Counter)
        for word, count in words.items():
            self.forms[word.casefold()][word] += count

    def _in_base(self, passage: Passage) -> bool:
        if not (self.corpus.source.grows or self.corpus.mixed):
            return True
        section = self.corpus.sections[passage.section]
        return passage.end - int(self.corpus.cut_begin[section.first]) <= _BASE

    def _trades(self) -> list[str]:
        """For each passage the trade of its document: the voice's own, or what the words of the document say."""
        texts: dict[int, list[str]] = defaultdict(list)
        for passage in self.passages:
            texts[passage.document].append(passage.text)
        found: dict[int, str] = {}
        whole = _cue_shares([part for parts in texts.values() for part in parts[:8]])
        for document, parts in texts.items():
            shares = {name: share + whole[name] for name, share in _cue_shares(parts[:40]).items()}
            best = max(shares, key=lambda name: shares[name])
            found[document] = best if shares[best] >= 2 * _CUES else "neutral"
        voices = [section.voice.name for section in self.corpus.sections]
        trades = []
        for passage in self.passages:
            voice = voices[passage.section]
            own = voice if voice in wordings()["en"]["trades"] and voice != "code" else found[passage.document]
            trades.append(own if passage.kind in ("prose", "document") else "code")
        return trades

    def pool(self) -> Pool:
        """The passages with their requests and groups."""
        terms = self._terms()
        pool = Pool(self.passages, [], self.base, sections=[[] for _ in self.corpus.sections])
        base = set(self.base)
        for index, passage in enumerate(self.passages):
            pool.numbers[id(passage)] = index
            pool.sections[passage.section].append(index)
            topic = self._topic(index)
            title = self._title(index)
            about, mention = self._by_term(index, terms[index])
            by_term = [*about, *mention]
            also = self._also(index, terms[index])
            first = [topic, *(topic + more for more in also)] if topic else []
            rest = [one + more for one in by_term[:1] for more in also[1:]]
            pool.requests.append([one for one in [*first, *by_term, *rest, title] if is_clean(one)])
            whole = passage.kind != "prose" or _WHOLE.fullmatch(passage.text)
            if index in base and whole and NEEDLE[0] <= passage.tokens <= NEEDLE[1]:
                tiers = [[topic] if topic else [], about, mention, [title]]
                if self.trades[index] == "code":  # whose terms are those of comments
                    package = passage.title.rpartition("/")[0]
                    wider = [self._word(index, "package", title=package)] if package else []
                    tiers = [tiers[0], [title], wider, []]
                elif self.trades[index] == "support":  # where one reply after the other belongs to the same ticket
                    tiers = [tiers[0], [*about, title], mention, []]
                for tier, requests in zip(pool.tiers, tiers, strict=True):
                    for request in requests:
                        tier[request].append(index)
        return pool

    def _german(self) -> list[Passage]:
        return [self.passages[index] for index in self.base if self.languages[index] == "de"]

    def _title(self, index: int) -> str:
        """The request for something more of the same document."""
        passage = self.passages[index]
        path = self.corpus.documents[passage.document].path
        named = self.trades[index] == "code" or not path.endswith(passage.title)
        return self._word(index, "title" if named else "file", title=passage.title)

    def _by_term(self, index: int, terms: Sequence[str]) -> tuple[list[str], list[str]]:
        """Requests for something about each of the terms that the passage is about, and that mentions one it has."""
        if self.trades[index] == "code":
            return [], []
        text, about, mention = self.passages[index].text.casefold(), list[str](), list[str]()
        for term in terms:
            times, early = text.count(term.casefold()), term.casefold() in text[:_EARLY]
            if times > 2 or times == 2 and early:
                about.append(self._word(index, "term", term=term))
            mention.append(self._word(index, "mention", term=term))
        return about, mention

    def _topic(self, index: int) -> str:
        """The request that names the passage's heading, or what it defines; empty where there is none."""
        passage = self.passages[index]
        if passage.kind != "prose":
            # A document's title, or the name that is defined.
            return self._word(index, passage.kind, topic=passage.heading)
        if not passage.heading or passage.heading.casefold() in wordings()["en"]["generic"]:
            return ""
        if passage.heading.endswith("?"):
            return self._word(index, "ask", topic=passage.heading)
        english = self.languages[index] == "en"
        return self._word(index, "topic", topic=self._cased(passage.heading) if english else passage.heading)

    def _word(self, index: int, kind: str, **slots: str) -> str:
        """A wording for what fills its one slot; always the same for the same."""
        trades = wordings()[self.languages[index]]["trades"]
        trade = trades.get(self.trades[index], {})
        choices: list[str] = trade.get(kind) or trades["neutral"].get(kind) or trades["neutral"]["topic"]
        [filling] = slots.values()
        return choices[zlib.crc32(filling.casefold().encode()) % len(choices)].format(**slots)

    def _also(self, index: int, terms: Sequence[str]) -> list[str]:
        """What tells a request from others by the same heading or term."""
        language = wordings()[self.languages[index]]
        if self.trades[index] == "code":
            choices = wordings()["en"]["trades"]["code"]["also"]
            return [choice.format(title=self.passages[index].title) for choice in choices[:1]]
        choices = language["also"]
        heading = self.passages[index].heading.casefold()
        fitting = [term for term in terms if term.casefold() not in heading]
        return [choices[zlib.crc32(term.encode()) % len(choices)].format(term=term) for term in fitting]

    def _cased(self, heading: str) -> str:
        """A heading as it would stand inside a sentence: in small letters but for names."""
        common = wordings()["en"]["common"]

        def cased(match: re.Match[str]) -> str:
            word, small = match[0], match[0].casefold()
            forms = self.forms.get(small, Counter())
            if small in common or forms[small] * 50 >= forms.total() and (forms or not word.isupper()):
                return small  # a name is never written small
            return small.capitalize() if forms[small.capitalize()] > forms[small.upper()] else word

        return _WORD.sub(cased, heading)

    def _terms(self) -> list[list[str]]:
        """Terms of each passage that are rare elsewhere, the most telling first."""
        found = [
            Counter(find_terms(p.text, language)) for p, language in zip(self.passages, self.languages, strict=True)
        ]
        vocabulary = Counter(term for index in self.base for term in found[index])
        vocabulary += Counter(noun for p in self._german() for noun in _CAPITAL.findall(p.text))
        found = [
            Counter(term for given in counts.elements() if (term := _base_form(given, language, vocabulary)))
            for counts, language in zip(found, self.languages, strict=True)
        ]
        folded = [Counter[str]() for _ in found]
        shown: dict[str, str] = {}
        for small, counts in zip(folded, found, strict=True):
            for term, count in counts.items():
                small[term.casefold()] += count
                shown.setdefault(term.casefold(), term)
        spread = Counter(term for index in self.base for term in folded[index])
        many = max(1, len(self.base))
        limit = max(3, many // 20)

        def telling(counts: Counter[str]) -> list[str]:
            weights = {
                term: (1 + math.log(count)) * math.log(1 + many / spread[term] if spread[term] else 1 + many)
                * (1.5 if " " in term else 1.0) * (1.0 if spread[term] > 1 else 0.6)
                for term, count in counts.items() if spread[term] <= limit
            }  # fmt: skip
            return [shown[term] for term in sorted(weights, key=lambda term: (-weights[term], term))[:_TERMS]]

        return [telling(counts) for counts in folded]


def _base_form(term: str, language: str, vocabulary: Counter[str]) -> str:
    """A term as somebody would name it; empty where it is none: its last word is no noun by itself anywhere."""
    if language == "de":
        stems = (term.removesuffix(ending) for ending in ("es", "s", "n"))
        return next((stem for stem in stems if stem != term and vocabulary[stem] > 1), term)
    *before, last = term.split()
    return term if not before or vocabulary[last] > 1 else ""


def _cue_shares(texts: Sequence[str]) -> dict[str, float]:
    """Trade → share of the words that are its cues."""
    words = Counter(re.findall(r"[a-z]+", " ".join(texts).casefold()))
    trades = wordings()["en"]["trades"].items()
    return {name: sum(words[cue] for cue in trade["cues"]) / max(1, words.total()) for name, trade in trades}


def language_of(text: str) -> str:
    """Language in which a passage is asked for: that of the passage where there are wordings in it, else English."""
    if len(_HAN.findall(text)) and sum(map(len, _HAN.findall(text))) > 0.3 * len(text):
        return "en" if _KANA.search(text) else "zh"
    return "de" if len(_GERMAN.findall(text)) > len(_ENGLISH.findall(text)) + 2 else "en"


def find_terms(text: str, language: str) -> list[str]:
    """Noun phrases, as far as they can be had without a parser."""
    if language == "zh":
        parts = [part for run in _HAN.findall(text) for part in _HAN_JOINT.split(run)]
        return [part for part in parts if 2 <= len(part) <= 6]
    if language == "de":
        return [noun for noun in _NOUN.findall(text) if noun not in wordings()["de"]["empty"]]
    empty = set(wordings()["en"]["empty"])
    phrases = [term.split() for term in _NOUN_PHRASE.findall(text) if not term.endswith(("ed", "ly"))]
    return [" ".join(words) for words in phrases if not empty & {word.casefold() for word in words}]
