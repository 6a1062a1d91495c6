"""Exact assembly: passages, needles and a closing sentence whose rendered prompt has the asked number of tokens."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from longctx.closing import close
from longctx.corpus import Corpus, Section
from longctx.cuts import PARAGRAPH
from longctx.errors import ImpossibleSample
from longctx.exact import Haystack, Insert, Pieces, finish, missing_tokens
from longctx.ordering import Order, Ordering
from longctx.passages import Passage, by_document, check_size, draw_passages, unused_sentences
from longctx.placement import Places, find_places
from longctx.seams import Slice, decode
from longctx.tokens import Tokenizer
from longctx.types import Place
from longctx.units import counted

LEAST_FILLER = 32  # tokens of filler in the shortest haystack
_BLANKS = 2  # tokens of the blank lines around an insert at most
_SOME = 8  # inserts on which is measured what they take
NO_BLANKS = ("zh", "ja")  # languages that put nothing between sentences


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a haystack is to be.

    Attributes:
        length: tokens of the prompt.
        frame: rendered text before and after the haystack.
        inserts: needles and distractors.
        seed: names the haystack.
        longest_after: tokens to reserve for what stands behind the haystack, where other questions over the same
            haystack are longer than this one.
        host: part of a mixed corpus in whose documents the inserts stand.
        headers: show where a document begins, by its file's name.
        exclude: (begin, end) bytes of the corpus's text that must not be filler.
        nested: tokens of the longest prompt with whose haystack this one begins alike; 0: of none.
        spacing: tokens of a nested haystack in which one uniform distractor stands.
    """

    length: int
    frame: tuple[str, str]
    inserts: Sequence[Insert]
    seed: str
    longest_after: int = 0
    host: Section | None = None
    headers: bool = False
    exclude: Sequence[tuple[int, int]] = ()
    nested: int = 0
    spacing: float = 0.0


def assemble(corpus: Corpus, tokenizer: Tokenizer, wanted: Wanted) -> Haystack:
    """Build a haystack whose rendered prompt has exactly `wanted.length` tokens.

    The passages, and where uniform distractors stand among them, follow from the seed, the corpus, the length and what
    is inserted, never from the needles' depths: a needle moved to another depth stands in the same haystack. Only the
    closing sentence, which fills the last few tokens, may differ.

    Args:
        corpus: where the filler comes from; its `repeat` lets passages recur where it is too small.
        tokenizer: the model's.
        wanted: what is to be built.

    Raises:
        ImpossibleSample: the length is too short for frame and inserts, or there are not as many places as inserts;
            says what is possible.
        CorpusError: the corpus is too small; says both numbers.
    """
    inserts = wanted.inserts
    before, after = tokenizer.count_many(wanted.frame)
    around = before + max(after, wanted.longest_after) + sum(tokenizer.affix_counts)
    sizes = corpus.seams(tokenizer).sizes([insert.text for insert in inserts])
    needed = [size + _BLANKS for size in sizes]
    shortest = around + sum(needed) + LEAST_FILLER
    if wanted.length < shortest:
        raise ImpossibleSample(
            f"A prompt of {counted(wanted.length, 'token')} is too short: what stands around the haystack takes "
            f"{around:,}, needles and distractors ({len(inserts):,}) take {sum(needed):,}. "
            f"The shortest possible length with these is {shortest:,}."
        )
    return _Builder(corpus, tokenizer, wanted, sizes).build(wanted.length - around)


class _Builder:
    """One assembly, step by step."""

    def __init__(self, corpus: Corpus, tokenizer: Tokenizer, wanted: Wanted, sizes: Sequence[int]) -> None:
        self.corpus, self.tokenizer, self.wanted = corpus, tokenizer, wanted
        self.inserts, self.headers = wanted.inserts, wanted.headers
        self.host = wanted.host or corpus.sections[0]
        self.blank = "" if corpus.language in NO_BLANKS else " "
        self.boundary = self.host.voice.boundary
        # Their places are reckoned with what the blanks around an insert really take, which may be a part of a token.
        self.most = sum(sizes) + _BLANKS * len(sizes)
        self.blanks = self._count_blanks([i.text for i in self.inserts[:_SOME]], sizes[:_SOME]) if sizes else 0.0
        self.sizes = [size + self.blanks for size in sizes]
        self.lead = tokenizer.count("\n\n")

    def _count_blanks(self, texts: Sequence[str], sizes: Sequence[int]) -> float:
        """Tokens that a haystack grows by with an insert, beyond the insert's own: a mean."""
        joint = self.blank if self.boundary == "sentence" else "\n\n"
        end = "。" if self.corpus.language in NO_BLANKS else "."
        around, *counts = self.tokenizer.count_many(
            [f"x{end}{joint}x", *(f"x{end}{joint}{text}{joint}x" for text in texts)]
        )
        return (sum(counts) - sum(sizes)) / len(texts) - around

    def build(self, haystack: int) -> Haystack:
        """Tokens of the haystack → the haystack."""
        corpus, seams, wanted = self.corpus, self.corpus.seams(self.tokenizer), self.wanted
        length, frame, exclude = wanted.length - sum(self.tokenizer.affix_counts), wanted.frame, wanted.exclude
        ordering = Ordering(self.inserts, self.sizes, wanted.seed, self.boundary, haystack, wanted.spacing)
        budget = haystack - self.most
        # What is left to the closing sentence: enough to absorb what the seams add or save.
        reserve = min(LEAST_FILLER + len(self.inserts) // 2, budget)
        lead = 0  # tokens of titles and blank lines between passages
        while True:
            drawn = budget - reserve - lead
            rng = random.Random(f"{wanted.seed}:passages")
            passages = draw_passages(corpus, drawn, rng, self.host, exclude, wanted.nested)
            passages, titles = self._titles(passages)
            leads = self._leads(titles)
            if sum(leads) > lead and drawn > 0:
                lead = min(sum(leads), budget - reserve)
                continue
            head = frame[0] + (titles[0] if titles else "")
            places = find_places(corpus, passages, self.host, leads, borders=not self.headers)
            pieces = self._pieces(passages, places, ordering.order(places), titles)
            missing = missing_tokens(seams, length, head, pieces, frame[1])
            gap = missing([])
            border = "\n\n" if pieces.split()[0] else ""
            section = corpus.section_at(passages[-1].first) if passages else self.host
            sentences = unused_sentences(corpus, [] if corpus.repeat else passages, section, exclude)
            closing = close(sentences, missing, border) if gap >= 0 else None
            if closing is not None:
                made = finish(seams, head, pieces, closing, frame[1], self.inserts)
                repeated = drawn + (gap if corpus.repeat else 0) > corpus.cut_token[-1]
                return replace(made, border=titles[0] if titles else "", repeated=bool(repeated))
            if reserve == budget:
                check_size(corpus, haystack - self.most)
                raise ImpossibleSample(
                    f"No filler of corpus {corpus.name!r}, which has {corpus.tokens:,} tokens, gives exactly "
                    f"{length:,} tokens. Add documents or ask for another length."
                )
            # Doubled, not grown by what is missing: seams differ by a token or two with the needle's depth, and the
            # passages must not.
            least = reserve + max(0, -gap) + LEAST_FILLER
            while reserve < least:
                reserve *= 2
            reserve = min(reserve, budget)
            lead = min(lead, budget - reserve)

    def _titles(self, passages: list[Passage]) -> tuple[list[Passage], list[str]]:
        """Passages, and what shows of which document each is: nothing where no headers are shown."""
        if not self.headers:
            return passages, [""] * len(passages)
        passages = by_document(self.corpus, passages)
        return passages, [self.corpus.title_at(passage.first) + "\n\n" for passage in passages]

    def _leads(self, titles: Sequence[str]) -> list[int]:
        """Tokens of what stands before each passage; the first one's title belongs to the frame."""
        if not self.headers:
            return [0, *[self.lead] * (len(titles) - 1)][: len(titles)]
        different = list(dict.fromkeys(titles[1:]))
        counts = self.tokenizer.count_many([f"\n\n{title}" for title in different]) if different else []
        known = dict(zip(different, counts, strict=True))
        return [0, *(known[title] for title in titles[1:])][: len(titles)]

    def _pieces(self, passages: Sequence[Passage], places: Places, order: Order, titles: Sequence[str]) -> Pieces:
        """Everything in the order in which it stands, but for the closing sentence."""
        corpus, pieces = self.corpus, Pieces()
        at: dict[int, list[int]] = {}
        for index, spot in order:
            at.setdefault(spot, []).append(index)
        start = self._locate(int(corpus.cut_begin[passages[0].first])) if passages else None
        for index in at.get(-1, []):
            pieces.add(self.inserts[index].text, index, start)
            pieces.add("\n\n")
        spots = sorted(spot for spot in at if 0 <= spot < len(places.cut))
        for number, passage in enumerate(passages):
            begin = int(corpus.cut_begin[passage.first])
            if number:
                pieces.add("\n\n" + titles[number])
            while spots and places.passage[spots[0]] == number:
                spot = spots.pop(0)
                cut = int(places.cut[spot])
                before, after = "", "\n\n"  # between two passages
                byte = int(corpus.cut_begin[cut])
                if cut > passage.first:
                    pieces.add(Slice(begin, int(corpus.cut_end[cut])))
                    before, after = self._joints(cut)
                    begin = byte
                if cut == passage.last:  # behind its end
                    before, after, byte = "\n\n", "", int(corpus.cut_end[cut]) - 1
                for position, index in enumerate(at[spot]):
                    pieces.add(after if position and not before else before)
                    pieces.add(self.inserts[index].text, index, self._locate(byte))
                pieces.add(after)
            if begin < (end := int(corpus.cut_end[passage.last])):
                pieces.add(Slice(begin, end))
        pieces.close_here()
        foot = self._locate(int(corpus.cut_end[passages[-1].last]) - 1) if passages else None
        for index in at.get(len(places.cut), []):
            pieces.add("\n\n")
            pieces.add(self.inserts[index].text, index, foot)
        return pieces

    def _locate(self, byte: int) -> Place:
        return self.corpus.locate(min(byte, len(self.corpus.text) - 1))

    def _joints(self, cut: int) -> tuple[str, str]:
        """What stands before and after something put in at a cut."""
        gap = decode(self.corpus, Slice(int(self.corpus.cut_end[cut]), int(self.corpus.cut_begin[cut])))
        if self.boundary != "sentence":
            gap = gap if gap.count("\n") > 1 else "\n\n"
            return gap, gap
        gap = gap or self.blank  # a sentence in Chinese has no blank behind it; a needle in English wants one
        return (self.blank if self.corpus.cut_rank[cut] >= PARAGRAPH else gap), gap
