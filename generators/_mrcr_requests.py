"""What somebody of the trade would ask to be given a passage as the answer: by its heading, or by a term in it."""

from __future__ import annotations

import math
import re
import tomllib
import zlib
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary, proxy

from longctx.conversation import is_clean
from longctx.corpus import Corpus
from longctx.tokens import Tokenizer

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


class Pool:
    """The passages of a corpus with what asks for each, cut and worded as far as anybody asked for them.

    Attributes:
        passages: in the documents' order, those that are cut so far.
        base: indices of those that may be twins.
        tiers: requests → indices in `base` that they fit, the closest fit first: by heading, by what it is about, by
            what it mentions, by document.
        numbers: the ``id`` of a passage → its index.
        sections: for each part of a mixed corpus, the indices of its passages.
    """

    def __init__(self, corpus: Corpus) -> None:
        """Cut as much as twins are taken from: all but of a corpus that grows."""
        corpus = proxy(corpus)  # a pool, which is kept by its corpus, must not keep it
        self.corpus: Corpus = corpus
        self.passages: list[Passage] = []
        self.numbers: dict[int, int] = {}
        self.sections: list[list[int]] = [[] for _ in corpus.sections]
        self._more = find_passages(corpus)
        self._reached = [(0, 0)]  # tokens and passages up to the end of each document
        self._documents: dict[int, range] = {}
        self._requests: dict[int, list[str]] = {}
        self._counts: dict[str, int] = {}
        self._languages: dict[int, str] = {}
        self._trades: dict[int, str] = {}  # of documents
        self._grows = corpus.source.grows
        while self._cut() and not (self._grows and self.passages and self.passages[-1].end >= _BASE):
            pass
        self.base = [index for index, passage in enumerate(self.passages) if self._in_base(passage)]
        self.forms: dict[str, Counter[str]] = defaultdict(Counter)
        words = Counter(word for index in self.base for word in _WORD.findall(self.passages[index].text))
        for word, count in words.items():
            self.forms[word.casefold()][word] += count
        self._learn_terms()
        self.tiers: list[dict[str, list[int]]] = [defaultdict(list) for _ in range(_TIERS)]
        for index in self.base:
            self._sort_in(index)

    def _cut(self) -> bool:
        """Cut one more document; False where there is none."""
        found = next(self._more, None)
        if found is None:
            return False
        first = len(self.passages)
        for passage in found:
            if is_clean(passage.text):
                self.numbers[id(passage)] = len(self.passages)
                self.sections[passage.section].append(len(self.passages))
                self.passages.append(passage)
        if len(self.passages) > first:
            self._documents[self.passages[first].document] = range(first, len(self.passages))
            tokens = sum(passage.tokens for passage in self.passages[first:])
            self._reached.append((self._reached[-1][0] + tokens, len(self.passages)))
        return True

    def reach(self, tokens: int) -> int:
        """How many passages, from the first on, have so many tokens; all where the corpus does not grow."""
        if not self._grows:
            return len(self.passages)
        while self._reached[-1][0] < tokens and self._cut():
            pass
        at = bisect_left(self._reached, (tokens, 0))
        return max(len(self.base), self._reached[min(at, len(self._reached) - 1)][1])

    def requests(self, index: int) -> list[str]:
        """What asks for a passage, best first."""
        if index not in self._requests:
            terms = self._terms(index)
            topic, (about, mention) = self._topic(index), self._by_term(index, terms)
            by_term, also = [*about, *mention], self._also(index, terms)
            first = [topic, *(topic + more for more in also)] if topic else []
            rest = [one + more for one in by_term[:1] for more in also[1:]]
            self._requests[index] = [one for one in [*first, *by_term, *rest, self._title(index)] if is_clean(one)]
        return self._requests[index]

    def counts(self, tokenizer: Tokenizer, requests: Sequence[str]) -> dict[str, int]:
        """Tokens of these requests, and of others: each is counted once."""
        fresh = [request for request in requests if request not in self._counts]
        self._counts.update(zip(fresh, tokenizer.count_many(fresh), strict=True))
        return self._counts

    def _sort_in(self, index: int) -> None:
        """Put a passage under the requests that may be made several times."""
        passage, trade = self.passages[index], self._trade(index)
        whole = passage.kind != "prose" or _WHOLE.fullmatch(passage.text)
        if not whole or not NEEDLE[0] <= passage.tokens <= NEEDLE[1]:
            return
        topic, title = self._topic(index), self._title(index)
        about, mention = self._by_term(index, self._terms(index))
        tiers = [[topic] if topic else [], about, mention, [title]]
        if trade == "code":  # whose terms are those of comments
            package = passage.title.rpartition("/")[0]
            wider = [self._word(index, "package", title=package)] if package else []
            tiers = [tiers[0], [title], wider, []]
        elif trade == "support":  # where one reply after the other belongs to the same ticket
            tiers = [tiers[0], [*about, title], mention, []]
        for tier, requests in zip(self.tiers, tiers, strict=True):
            for request in requests:
                tier[request].append(index)

    def _in_base(self, passage: Passage) -> bool:
        if not (self._grows or self.corpus.mixed):
            return True
        section = self.corpus.sections[passage.section]
        return passage.end - int(self.corpus.cut_begin[section.first]) <= _BASE

    def _language(self, index: int) -> str:
        if index not in self._languages:
            self._languages[index] = language_of(self.passages[index].text)
        return self._languages[index]

    def _trade(self, index: int) -> str:
        """The trade of a passage's document: the voice's own, or what the words of the document say."""
        passage = self.passages[index]
        if passage.kind not in ("prose", "document"):
            return "code"
        voice = self.corpus.sections[passage.section].voice.name
        if voice in wordings()["en"]["trades"] and voice != "code":
            return voice
        if passage.document not in self._trades:
            own = _cue_shares(self._texts(passage.document)[:40])
            shares = {name: share + self._usual[name] for name, share in own.items()}
            best = max(shares, key=lambda name: shares[name])
            self._trades[passage.document] = best if shares[best] >= 2 * _CUES else "neutral"
        return self._trades[passage.document]

    def _texts(self, document: int) -> list[str]:
        return [self.passages[index].text for index in self._documents[document]]

    @cached_property
    def _usual(self) -> dict[str, float]:
        """What the words of all documents from which twins are taken say."""
        documents = dict.fromkeys(self.passages[index].document for index in self.base)
        return _cue_shares([text for document in documents for text in self._texts(document)[:8]])

    def _title(self, index: int) -> str:
        """The request for something more of the same document."""
        passage = self.passages[index]
        path = self.corpus.documents[passage.document].path
        named = self._trade(index) == "code" or not path.endswith(passage.title)
        return self._word(index, "title" if named else "file", title=passage.title)

    def _by_term(self, index: int, terms: Sequence[str]) -> tuple[list[str], list[str]]:
        """Requests for something about each of the terms that the passage is about, and that mentions one it has."""
        if self._trade(index) == "code":
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
        english = self._language(index) == "en"
        return self._word(index, "topic", topic=self._cased(passage.heading) if english else passage.heading)

    def _word(self, index: int, kind: str, **slots: str) -> str:
        """A wording for what fills its one slot; always the same for the same."""
        trades = wordings()[self._language(index)]["trades"]
        trade = trades.get(self._trade(index), {})
        choices: list[str] = trade.get(kind) or trades["neutral"].get(kind) or trades["neutral"]["topic"]
        [filling] = slots.values()
        return choices[zlib.crc32(filling.casefold().encode()) % len(choices)].format(**slots)

    def _also(self, index: int, terms: Sequence[str]) -> list[str]:
        """What tells a request from others by the same heading or term."""
        language = wordings()[self._language(index)]
        if self._trade(index) == "code":
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

    def _learn_terms(self) -> None:
        """Which terms there are, in how many passages of the base, and how they are written."""
        found = {index: self._found(index) for index in self.base}
        self._vocabulary = Counter(term for counts in found.values() for term in counts)
        german = [self.passages[index] for index in self.base if self._language(index) == "de"]
        self._vocabulary += Counter(noun for passage in german for noun in _CAPITAL.findall(passage.text))
        self._shown: dict[str, str] = {}
        self._spread = Counter[str]()
        for index, counts in found.items():
            based = self._based(index, counts)
            self._spread.update({term.casefold() for term in based})
            for term in based:
                self._shown.setdefault(term.casefold(), term)

    def _found(self, index: int) -> Counter[str]:
        return Counter(find_terms(self.passages[index].text, self._language(index)))

    def _based(self, index: int, counts: Counter[str]) -> Counter[str]:
        language = self._language(index)
        forms = (_base_form(term, language, self._vocabulary) for term in counts.elements())
        return Counter(filter(None, forms))

    def _terms(self, index: int) -> list[str]:
        """Terms of a passage that are rare elsewhere, the most telling first."""
        folded, written = Counter[str](), dict[str, str]()
        for term, count in self._based(index, self._found(index)).items():
            folded[term.casefold()] += count
            written.setdefault(term.casefold(), term)
        many, spread = max(1, len(self.base)), self._spread
        weights = {
            term: (1 + math.log(count)) * math.log(1 + many / spread[term] if spread[term] else 1 + many)
            * (1.5 if " " in term else 1.0) * (1.0 if spread[term] > 1 else 0.6)
            for term, count in folded.items() if spread[term] <= max(3, many // 20)
        }  # fmt: skip
        best = sorted(weights, key=lambda term: (-weights[term], term))[:_TERMS]
        return [self._shown.get(term, written[term]) for term in best]


_pools: WeakKeyDictionary[Corpus, Pool] = WeakKeyDictionary()


def pool_of(corpus: Corpus) -> Pool:
    """The corpus's pool, kept while the corpus is open."""
    if corpus not in _pools:
        _pools[corpus] = Pool(corpus)
    return _pools[corpus]


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
