"""Exact assembly: passages, needles and a closing sentence whose rendered prompt has the asked number of tokens."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from longctx.closing import close
from longctx.corpus import Corpus, Section
from longctx.cuts import PARAGRAPH
from longctx.errors import ImpossibleSample
from longctx.exact import Haystack, Insert, Pieces, finish, missing_tokens
from longctx.passages import Passage, by_document, check_size, draw_passages, unused_sentences
from longctx.placement import Places, apart, beside, find_places, nearest, scatter, spread, with_inserts
from longctx.seams import Slice, decode
from longctx.tokens import Tokenizer
from longctx.types import Place

LEAST_FILLER = 32  # tokens of filler in the shortest haystack
_BLANKS = 2  # tokens of the blank lines around an insert at most
_SOME = 8  # inserts on which is measured what they take
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
    nested: int = 0,
    spacing: float = 0.0,
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
        nested: tokens of the longest prompt with whose haystack this one begins alike; 0: of none.
        spacing: tokens of a nested haystack in which one uniform distractor stands.

    Raises:
        ImpossibleSample: `length` is too short for frame and inserts, or there are not as many places as inserts; says
            what is possible.
        CorpusError: the corpus is too small; says both numbers.
    """
    sizes = tokenizer.count_many([i.text for i in inserts] + [*frame])
    around = sizes[-2] + max(sizes[-1], longest_after) + sum(tokenizer.affix_counts)
    needed = [size + _BLANKS for size in sizes[:-2]]
    shortest = around + sum(needed) + LEAST_FILLER
    if length < shortest:
        raise ImpossibleSample(
            f"{length:,} tokens are too few: the prompt around the haystack takes {around:,}, "
            f"{len(inserts)} needles and distractors take {sum(needed):,}. "
            f"The shortest possible length with these is {shortest:,}."
        )
    builder = _Builder(
        corpus, tokenizer, inserts, sizes[:-2], seed, host or corpus.sections[0], headers, nested, spacing
    )
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
        nested: int,
        spacing: float,
    ) -> None:
        self.corpus, self.tokenizer, self.inserts = corpus, tokenizer, inserts
        self.seed, self.host, self.headers = seed, host, headers
        self.nested, self.spacing = nested, spacing
        self.blank = "" if corpus.language in NO_BLANKS else " "
        self.boundary = host.voice.boundary
        # Their places are reckoned with what the blanks around an insert really take, which may be a part of a token.
        self.most = sum(sizes) + _BLANKS * len(sizes)
        self.blanks = self._count_blanks([i.text for i in inserts[:_SOME]], sizes[:_SOME]) if inserts else 0.0
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

    def build(self, length: int, frame: tuple[str, str], haystack: int, exclude: Sequence[tuple[int, int]]) -> Haystack:
        """Tokens of prompt and haystack → the haystack."""
        corpus, seams = self.corpus, self.corpus.seams(self.tokenizer)
        budget = haystack - self.most
        # What is left to the closing sentence: enough to absorb what the seams add or save.
        reserve = min(LEAST_FILLER + len(self.inserts) // 2, budget)
        lead = 0  # tokens of titles and blank lines between passages
        while True:
            drawn = budget - reserve - lead
            rng = random.Random(f"{self.seed}:passages")
            passages = draw_passages(corpus, drawn, rng, self.host, exclude, self.nested)
            passages, titles = self._titles(passages)
            leads = self._leads(titles)
            if sum(leads) > lead and drawn > 0:
                lead = min(sum(leads), budget - reserve)
                continue
            head = frame[0] + (titles[0] if titles else "")
            places = find_places(corpus, passages, self.host, leads, borders=not self.headers)
            pieces = self._pieces(passages, places, self._order(places, haystack), titles)
            missing = missing_tokens(seams, length, head, pieces, frame[1])
            gap = missing([])
            border = "\n\n" if pieces.split()[0] else ""
            section = corpus.section_at(passages[-1].first) if passages else self.host
            sentences = unused_sentences(corpus, [] if corpus.repeat else passages, section, exclude)
            closing = close(sentences, missing, border) if gap >= 0 else None
            if closing is not None:
                made = finish(seams, head, pieces, closing, frame[1], self.inserts)
                repeated = drawn > corpus.cut_token[-1]
                return replace(made, border=titles[0] if titles else "", repeated=bool(repeated))
            if reserve == budget:
                check_size(corpus, haystack - self.most)
                raise ImpossibleSample(
                    f"No filler of corpus {corpus.name!r}, which has {corpus.tokens:,} tokens, gives exactly "
                    f"{length:,} tokens. Add documents or ask for another length."
                )
            # Doubled, not grown by what is missing: seams differ by a token or two with the needle's depth, and the
            # passages must not.
            wanted = reserve + max(0, -gap) + LEAST_FILLER
            while reserve < wanted:
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

    def _order(self, places: Places, haystack: int) -> list[tuple[int, int]]:
        """Inserts in the order in which they stand, with the place of each: -1 the beginning, len(places) the end."""
        inserts, sizes = self.inserts, self.sizes
        fixed = [index for index, insert in enumerate(inserts) if insert.depth is not None]
        fixed.sort(key=lambda index: (inserts[index].depth, index))
        behind = {index: self._is_behind(index, haystack) for index, insert in enumerate(inserts) if insert.gap}
        mates = {inserts[index].needle: index for index in behind if not behind[index]}  # stand in front
        near: dict[int, tuple[list[int], list[int]]] = {index: ([], []) for index in fixed}  # before and after each
        order: list[tuple[int, int]] = []
        groups: dict[tuple[str, int], list[int]] = {}
        for index, insert in enumerate(inserts):
            if insert.depth is None and index not in behind:
                groups.setdefault((insert.near, insert.needle), []).append(index)
        for (rule, needle), group in groups.items():
            if rule == "near":
                near[needle] = self._sides(group, inserts[needle].depth or 0.0)
                continue
            plain = rule == "uniform" and not needle
            rng = random.Random(f"{self.seed}:distractors" + ("" if plain else f":{rule}:{needle}"))
            if self.spacing and rule == "uniform":
                spots = spread(places, [sizes[k] for k in group], self.spacing, rng, self.boundary)
                order += zip(group, spots, strict=True)
                continue
            away = inserts[needle].depth if rule == "far" else None
            order += zip(group, scatter(places, len(group), rng, self.boundary, away), strict=True)
        order.sort(key=lambda item: item[::-1])
        tokens = with_inserts(places, order, sizes)
        before = 0.0  # tokens of the needles, and of what stands near them, placed so far
        for index in fixed:
            depth = inserts[index].depth or 0.0
            left, right = near[index]
            lead = sum(sizes[k] for k in left) + (sizes[mates[index]] if index in mates else 0.0)
            if depth in (0.0, 1.0):
                spot = -1 if depth == 0.0 else len(places.token)
            else:
                last = haystack - sizes[index] - before
                wanted = depth * (haystack - sizes[index]) - before - lead
                taken = [spot for _, spot in order if 0 <= spot < len(places.token)]
                spot = nearest(places, tokens, wanted, last, haystack, self.boundary, taken)
            around = [[sizes[k] for k in side] for side in (left, right)]
            before_it, after_it = beside(places, tokens, spot, around[0], around[1], self.boundary, NEAR)
            order += [*zip(left, before_it, strict=True), (index, spot), *zip(right, after_it, strict=True)]
            before += sizes[index] + lead + sum(sizes[k] for k in right)
        order.sort(key=lambda item: item[1])  # stable: distractors, then needles from shallow to deep
        for index in [*behind, *behind] if len(behind) > 1 else behind:  # twice: one may stand between two others
            order = [item for item in order if item[0] != index]
            insert = inserts[index]
            at, spot = apart(
                places, order, sizes, index, insert.needle, insert.gap, haystack, self.boundary, behind=behind[index]
            )
            order.insert(at, (index, spot))
        return order

    def _is_behind(self, index: int, haystack: int) -> bool:
        """Does the asked distance fit behind the needle that it is from; otherwise it must in front of it."""
        insert = self.inserts[index]
        depth = self.inserts[insert.needle].depth or 0.0
        begin = depth * (haystack - self.sizes[insert.needle])
        room = haystack - self.sizes[index] - begin
        if max(insert.gap, self.sizes[insert.needle]) <= room:
            return True
        if max(insert.gap, self.sizes[index]) <= begin:
            return False
        raise ImpossibleSample(
            f"Two halves {insert.gap:,} tokens apart, the first at depth {depth:g}, do not fit into a haystack of "
            f"{haystack:,} tokens: from that depth at most {int(max(room, begin)):,} are possible. Ask for a smaller "
            "gap, a longer length, or another depth."
        )

    def _sides(self, group: list[int], depth: float) -> tuple[list[int], list[int]]:
        """Near inserts that stand before their needle, and those that stand after it."""
        if depth in (0.0, 1.0):
            left, right = (group, []) if depth else ([], group)
        else:
            left, right = group[::2], group[1::2]
        for side in (left, right):
            if (taken := sum(self.sizes[index] for index in side)) > NEAR:
                fit = int(len(side) * NEAR / taken)
                raise ImpossibleSample(
                    f"{len(group)} distractors were asked for within {NEAR} tokens of the needle, and {len(side)} on "
                    f"one side of it take {taken:,.0f}: about {fit * (2 if left and right else 1)} fit. Ask for a "
                    "lower density, a shorter length, or distance=uniform."
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
        return (self.blank if self.corpus.cut_rank[cut] >= PARAGRAPH else gap), gap
