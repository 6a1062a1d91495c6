"""Exact assembly: passages, needles and a closing sentence whose rendered prompt has the asked number of tokens."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from longctx.closing import close
from longctx.corpus import Corpus, Section
from longctx.cuts import PARAGRAPH
from longctx.errors import ImpossibleSample
from longctx.exact import Haystack, Insert, Pieces, finish, missing_tokens
from longctx.placement import (
    Passage,
    Places,
    beside,
    by_document,
    draw_passages,
    find_places,
    nearest,
    scatter,
    unused_sentences,
)
from longctx.seams import Slice, decode
from longctx.tokens import Offsets, Tokenizer
from longctx.types import Place

LEAST_FILLER = 32  # tokens of filler in the shortest haystack
NEAR = 512  # tokens within which a ``near`` distractor stands from its needle
NO_BLANKS = ("zh", "ja")  # languages that put nothing between sentences


def assemble(
    corpus: Corpus,
    tokenizer: Tokenizer,
    *,
    length: int,
    frame: tuple[str, str],
    inserts: Sequence[Insert],
    seed: str,
    longest_after: int = 0,
    host: Section | None = None,
    headers: bool = False,
    exclude: Sequence[tuple[int, int]] = (),
) -> Haystack:
    """Build a haystack whose rendered prompt has exactly `length` tokens.

    The passages, and where uniform distractors stand among them, follow from `seed`, the corpus, `length` and what is
    inserted, never from the needles' depths: a needle moved to another depth stands in the same haystack. Only the
    closing sentence, which fills the last few tokens, may differ.

    Args:
        corpus: where the filler comes from; its `repeat` lets passages recur where it is too small.
        tokenizer: the model's.
        length: tokens of the prompt.
        frame: rendered text before and after the haystack.
        inserts: needles and distractors.
        seed: names the haystack.
        longest_after: tokens to reserve for what stands behind the haystack, where other questions over the same
            haystack are longer than this one.
        host: part of a mixed corpus in whose documents the inserts stand.
        headers: show where a document begins, by its file's name.
        exclude: (begin, end) bytes of the corpus's text that must not be filler.

    Raises:
        ImpossibleSample: `length` is too short for frame and inserts, or there are not as many places as inserts; says
            what is possible.
        CorpusError: the corpus is too small; says both numbers.
    """
    sizes = [len(encoding.ids) for encoding in tokenizer.encode_many([i.text for i in inserts] + [*frame])]
    around = sizes[-2] + max(sizes[-1], longest_after) + sum(tokenizer.affix_counts)
    needed = [size + 2 for size in sizes[:-2]]  # a blank line on either side is about two tokens
    shortest = around + sum(needed) + LEAST_FILLER
    if length < shortest:
        raise ImpossibleSample(
            f"{length:,} tokens are too few: the prompt around the haystack takes {around:,}, "
            f"{len(inserts)} needles and distractors take {sum(needed):,}. "
            f"The shortest possible length with these is {shortest:,}."
        )
    builder = _Builder(corpus, tokenizer, inserts, needed, seed, host or corpus.sections[0], headers)
    return builder.build(length - sum(tokenizer.affix_counts), frame, length - around, exclude)


class _Builder:
    """One assembly, step by step."""

    def __init__(
        self,
        corpus: Corpus,
        tokenizer: Tokenizer,
        inserts: Sequence[Insert],
        sizes: Sequence[int],
        seed: str,
        host: Section,
        headers: bool,
    ) -> None:
        self.corpus, self.tokenizer, self.inserts, self.sizes = corpus, tokenizer, inserts, sizes
        self.seed, self.host, self.headers = seed, host, headers
        self.blank = "" if corpus.language in NO_BLANKS else " "
        self.boundary = host.voice.boundary

    def build(self, length: int, frame: tuple[str, str], haystack: int, exclude: Sequence[tuple[int, int]]) -> Haystack:
        """Tokens of prompt and haystack → the haystack."""
        corpus = self.corpus
        budget = haystack - sum(self.sizes)
        # What is left to the closing sentence: enough to absorb what the seams add or save.
        reserve = min(LEAST_FILLER + len(self.inserts) // 2, budget)
        while True:
            passages = draw_passages(
                corpus, budget - reserve, random.Random(f"{self.seed}:passages"), self.host, exclude
            )
            head, titles = frame[0], [""] * len(passages)
            if self.headers and passages:
                passages = by_document(corpus, passages)
                titles = [corpus.title_at(p.first) + "\n\n" for p in passages]
                head += titles[0]
            places = find_places(corpus, passages, self.host, borders=not self.headers)
            pieces = self._pieces(passages, places, self._order(places, haystack), titles)
            missing = missing_tokens(corpus, self.tokenizer, length, head, pieces, frame[1])
            gap = missing([])
            border = "\n\n" if pieces.split()[0] else ""
            section = corpus.section_at(passages[-1].first) if passages else self.host
            sentences = unused_sentences(corpus, [] if corpus.repeat else passages, section, exclude)
            closing = close(sentences, missing, border) if gap >= 0 else None
            if closing is not None:
                made = finish(corpus, self.tokenizer, head, pieces, closing, frame[1], self.inserts)
                repeated = budget - reserve > corpus.cut_token[-1]
                return replace(made, border=titles[0] if titles else "", repeated=bool(repeated))
            if reserve == budget:
                raise ImpossibleSample(f"No filler of corpus {corpus.name!r} gives exactly {length:,} tokens.")
            # Doubled, not grown by what is missing: seams differ by a token or two with the needle's depth, and the
            # passages must not.
            wanted = reserve + max(0, -gap) + LEAST_FILLER
            while reserve < wanted:
                reserve *= 2
            reserve = min(reserve, budget)

    def _order(self, places: Places, haystack: int) -> list[tuple[int, int]]:
        """Inserts in the order in which they stand, with the place of each: -1 the beginning, len(places) the end."""
        inserts = self.inserts
        fixed = [index for index, insert in enumerate(inserts) if insert.depth is not None]
        fixed.sort(key=lambda index: (inserts[index].depth, index))
        near: dict[int, tuple[list[int], list[int]]] = {index: ([], []) for index in fixed}  # before and after each
        loose: list[tuple[int, int]] = []  # (place, insert)
        for rule, needle in dict.fromkeys((i.near, i.needle) for i in inserts if i.depth is None):
            group = [k for k, i in enumerate(inserts) if i.depth is None and (i.near, i.needle) == (rule, needle)]
            if rule == "near":
                near[needle] = self._sides(group, inserts[needle].depth or 0.0)
                continue
            rng = random.Random(f"{self.seed}:distractors" + (f":{rule}:{needle}" if rule != "uniform" else ""))
            away = inserts[needle].depth if rule == "far" else None
            loose += zip(scatter(places, len(group), rng, self.boundary, away), group, strict=True)
        loose.sort()
        added = np.zeros(len(places.token) + 2, np.int64)  # tokens that loose inserts put before each place
        np.add.at(added, np.array([spot for spot, _ in loose], np.int64) + 1, [self.sizes[k] for _, k in loose])
        tokens: Offsets = places.token + np.cumsum(added)[1:-1]
        order = [(index, spot) for spot, index in loose]
        before = 0  # tokens of the needles, and of what stands near them, placed so far
        for index in fixed:
            depth = inserts[index].depth or 0.0
            left, right = near[index]
            lead = sum(self.sizes[k] for k in left)
            if depth in (0.0, 1.0):
                spot = -1 if depth == 0.0 else len(places.token)
            else:
                last = haystack - self.sizes[index] - before
                wanted = depth * (haystack - self.sizes[index]) - before - lead
                spot = nearest(places, tokens, wanted, last, haystack, self.boundary)
            around = [[self.sizes[k] for k in side] for side in (left, right)]
            before_it, after_it = beside(places, tokens, spot, around[0], around[1], self.boundary, NEAR)
            order += [*zip(left, before_it, strict=True), (index, spot), *zip(right, after_it, strict=True)]
            before += self.sizes[index] + lead + sum(self.sizes[k] for k in right)
        order.sort(key=lambda item: item[1])  # stable: distractors, then needles from shallow to deep
        return order

    def _sides(self, group: list[int], depth: float) -> tuple[list[int], list[int]]:
        """Near inserts that stand before their needle, and those that stand after it."""
        if depth in (0.0, 1.0):
            left, right = (group, []) if depth else ([], group)
        else:
            left, right = group[::2], group[1::2]
        for side in (left, right):
            if (taken := sum(self.sizes[index] for index in side)) > NEAR:
                fit = len(side) * NEAR // taken
                raise ImpossibleSample(
                    f"{len(group)} distractors were asked for within {NEAR} tokens of the needle, and {len(side)} on "
                    f"one side of it take {taken:,}: about {fit * (2 if left and right else 1)} fit. Ask for a lower "
                    "density, a shorter length, or distance=uniform."
                )
        return left, right

    def _pieces(
        self, passages: Sequence[Passage], places: Places, order: Sequence[tuple[int, int]], titles: Sequence[str]
    ) -> Pieces:
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
        return (self.blank if self.corpus.cut_rank[cut] == PARAGRAPH else gap), gap
