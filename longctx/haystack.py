"""Exact assembly: passages, needles and a closing sentence whose rendered prompt has the asked number of tokens."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from longctx.closing import close
from longctx.corpus import Corpus
from longctx.cuts import PARAGRAPH
from longctx.encoded import gather
from longctx.errors import ImpossibleSample
from longctx.placement import Passage, Places, draw_passages, find_places, nearest, scatter
from longctx.seams import Piece, Slice, decode, splice
from longctx.tokens import Offsets, Tokenizer
from longctx.types import Ids, Span

LEAST_FILLER = 32  # tokens of filler in the shortest haystack
NO_BLANKS = ("zh", "ja")  # languages that put nothing between sentences


@dataclass(frozen=True, slots=True)
class Insert:
    """Something to put into the filler.

    Attributes:
        text: what stands there.
        value: what it answers.
        depth: asked depth, 0-1; None: anywhere, drawn by the haystack's seed.
        tier: as in `types.Span`.
    """

    text: str
    value: str
    depth: float | None
    tier: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Haystack:
    """A haystack inside its prompt.

    Attributes:
        prompt: rendered text.
        prompt_ids: (length,) its tokens as they are sent.
        text: the haystack alone.
        tokens: tokens of the haystack.
        spans: one for each insert, in the order given.
        repeated: True where passages recur.
    """

    prompt: str
    prompt_ids: Ids
    text: str
    tokens: int
    spans: list[Span]
    repeated: bool


def assemble(
    corpus: Corpus,
    tokenizer: Tokenizer,
    *,
    length: int,
    frame: tuple[str, str],
    inserts: Sequence[Insert],
    seed: str,
    longest_after: int = 0,
    repeat: bool = False,
) -> Haystack:
    """Build a haystack whose rendered prompt has exactly `length` tokens.

    The passages, and where distractors stand among them, follow from `seed`, the corpus, `length` and what is inserted,
    never from the needles' depths: a needle moved to another depth stands in the same haystack. Only the closing
    sentence, which fills the last few tokens, may differ.

    Args:
        corpus: where the filler comes from.
        tokenizer: the model's.
        length: tokens of the prompt.
        frame: rendered text before and after the haystack.
        inserts: needles and distractors.
        seed: names the haystack.
        longest_after: tokens to reserve for what stands behind the haystack, where other questions over the same
            haystack are longer than this one.
        repeat: let passages recur where the corpus is too small.

    Raises:
        ImpossibleSample: `length` is too short for frame and inserts; says the shortest possible one.
        CorpusError: the corpus is too small; says both numbers.
    """
    builder = _Builder(corpus, tokenizer, length, frame, inserts, seed, longest_after, repeat)
    return builder.build()


class _Builder:
    """One assembly, step by step."""

    def __init__(
        self,
        corpus: Corpus,
        tokenizer: Tokenizer,
        length: int,
        frame: tuple[str, str],
        inserts: Sequence[Insert],
        seed: str,
        longest_after: int,
        repeat: bool,
    ) -> None:
        self.corpus, self.tokenizer, self.inserts, self.seed, self.repeat = corpus, tokenizer, inserts, seed, repeat
        self.head, self.tail = frame
        self.length = length - sum(tokenizer.affix_counts)
        self.blank = "" if corpus.language in NO_BLANKS else " "
        self.boundary = corpus.voice.boundary
        sizes = [len(encoding.ids) for encoding in tokenizer.encode_many([i.text for i in inserts] + [*frame])]
        self.sizes = [size + 2 for size in sizes[:-2]]  # a blank line on either side is about two tokens
        self.around = sizes[-2] + max(sizes[-1], longest_after)
        shortest = self.around + sum(self.sizes) + LEAST_FILLER + sum(tokenizer.affix_counts)
        if length < shortest:
            raise ImpossibleSample(
                f"{length:,} tokens are too few: the prompt around the haystack takes {self.around:,}, "
                f"{len(inserts)} needles and distractors take {sum(self.sizes):,}. "
                f"The shortest possible length with these is {shortest:,}."
            )

    def build(self) -> Haystack:
        budget = self.length - self.around - sum(self.sizes)
        # What is left to the closing sentence: enough to absorb what the seams add or save.
        reserve = min(LEAST_FILLER + len(self.inserts) // 2, budget)
        while True:
            passages = draw_passages(self.corpus, budget - reserve, random.Random(f"{self.seed}:passages"), self.repeat)
            places = find_places(self.corpus, passages)
            order = self._place(passages, places)
            pieces = self._pieces(passages, places, order)
            gap, closing = self._close(passages, pieces)
            if closing is not None:
                pieces.repeated = bool(budget - reserve > self.corpus.cut_token[-1])
                return self._finish(pieces, closing)
            if reserve == budget:
                raise ImpossibleSample(
                    f"No filler of corpus {self.corpus.name!r} gives exactly {self.length:,} tokens."
                )
            # Doubled, not grown by what is missing: seams differ by a token or two with the needle's depth, and the
            # passages must not.
            needed = reserve + max(0, -gap) + LEAST_FILLER
            while reserve < needed:
                reserve *= 2
            reserve = min(reserve, budget)

    def _place(self, passages: Sequence[Passage], places: Places) -> list[tuple[int, int]]:
        """Inserts in the order in which they stand, with the place of each: -1 the beginning, len(places) the end."""
        loose = [index for index, insert in enumerate(self.inserts) if insert.depth is None]
        fixed = [index for index, insert in enumerate(self.inserts) if insert.depth is not None]
        fixed.sort(key=lambda index: (self.inserts[index].depth, index))
        spots = scatter(places, len(loose), random.Random(f"{self.seed}:distractors"), self.boundary) if loose else []
        added = np.zeros(len(places.token) + 1, np.int64)  # tokens that loose inserts put before each place
        np.add.at(added, np.array(spots, np.int64) + 1, [self.sizes[index] for index in loose])
        tokens: Offsets = places.token + np.cumsum(added)[1:]
        haystack = self.length - self.around
        order = list(zip(loose, spots, strict=True))
        before = 0  # tokens of the needles placed so far
        for index in fixed:
            depth = self.inserts[index].depth or 0.0
            if depth in (0.0, 1.0):
                spot = -1 if depth == 0.0 else len(places.token)
            else:
                last = haystack - self.sizes[index] - before
                wanted = depth * (haystack - self.sizes[index]) - before
                spot = nearest(places, tokens, wanted, last, haystack, self.boundary)
            order.append((index, spot))
            before += self.sizes[index]
        order.sort(key=lambda item: item[1])  # stable: distractors, then needles from shallow to deep
        return order

    def _pieces(self, passages: Sequence[Passage], places: Places, order: Sequence[tuple[int, int]]) -> _Pieces:
        """Everything in the order in which it stands, but for the closing sentence."""
        corpus, pieces = self.corpus, _Pieces()
        at: dict[int, list[int]] = {}
        for index, spot in order:
            at.setdefault(spot, []).append(index)
        for index in at.get(-1, []):
            pieces.add(self.inserts[index].text, index, passages[0].first if passages else 0)
            pieces.add("\n\n")
        spots = sorted(spot for spot in at if 0 <= spot < len(places.cut))
        for number, passage in enumerate(passages):
            begin = int(corpus.cut_begin[passage.first])
            if number:
                pieces.add("\n\n")
            while spots and places.passage[spots[0]] == number:
                spot = spots.pop(0)
                cut = int(places.cut[spot])
                before, after = "", "\n\n"  # between two passages
                if cut > passage.first:
                    pieces.add(Slice(begin, int(corpus.cut_end[cut])))
                    begin = int(corpus.cut_begin[cut])
                    before, after = self._joints(cut)
                for position, index in enumerate(at[spot]):
                    pieces.add(after if position and not before else before)
                    pieces.add(self.inserts[index].text, index, cut)
                pieces.add(after)
            pieces.add(Slice(begin, int(corpus.cut_end[passage.last])))
        pieces.closing = len(pieces.pieces)
        for index in at.get(len(places.cut), []):
            pieces.add("\n\n")
            pieces.add(self.inserts[index].text, index, passages[-1].last if passages else 0)
        return pieces

    def _joints(self, cut: int) -> tuple[str, str]:
        """What stands before and after something put in at a cut."""
        gap = decode(self.corpus, Slice(int(self.corpus.cut_end[cut]), int(self.corpus.cut_begin[cut])))
        if self.boundary != "sentence":
            gap = gap if gap.count("\n") > 1 else "\n\n"
            return gap, gap
        return (self.blank if self.corpus.cut_rank[cut] == PARAGRAPH else gap), gap

    def _count(self, pieces: Sequence[Piece]) -> int:
        return sum(len(run.ids) for run in splice(self.corpus, pieces, self.tokenizer))

    def _close(self, passages: Sequence[Passage], pieces: _Pieces) -> tuple[int, list[Piece] | None]:
        """Tokens that are missing without closing sentences, and the ones that make the length exact, if any do."""
        before = [self.head, *pieces.pieces[: pieces.closing]]
        after = [*pieces.pieces[pieces.closing :], self.tail]
        # All but the end of the last long slice is counted once: what the closing changes lies behind it.
        anchor: list[Piece] = []
        fixed = 0
        for index in range(len(before) - 1, -1, -1):
            piece = before[index]
            if isinstance(piece, Slice) and (end := self._end_of(piece)) is not None:
                anchor, kept = [end], before[: index + 1]
                fixed = self._count(kept) - self._count(anchor)
                before = before[index + 1 :]
                break

        def missing(closing: Sequence[Piece]) -> int:
            return self.length - fixed - self._count([*anchor, *before, *closing, *after])

        starts_fresh = not passages and not pieces.closing
        border = "" if starts_fresh else "\n\n"
        return missing([]), close(self.corpus, passages, missing, self.repeat, border)

    def _end_of(self, piece: Slice) -> Slice | None:
        """The last 128 tokens of a slice; None where it has fewer."""
        first, last = np.searchsorted(self.corpus.starts, (piece.begin, piece.end))
        if last - first <= 128:
            return None
        return Slice(int(self.corpus.starts[last - 128]), piece.end)

    def _finish(self, pieces: _Pieces, closing: list[Piece]) -> Haystack:
        inner = [*pieces.pieces[: pieces.closing], *closing, *pieces.pieces[pieces.closing :]]
        owners = [*pieces.owners[: pieces.closing], *[None] * len(closing), *pieces.owners[pieces.closing :]]
        ids, starts = gather(splice(self.corpus, [self.head, *inner, self.tail], self.tokenizer))
        raw = [self._raw(piece) for piece in (self.head, *inner, self.tail)]
        offsets = np.concatenate(([0], np.cumsum([len(part) for part in raw])))
        first, end = _token_at(starts, int(offsets[1])), int(np.searchsorted(starts, offsets[-2]))
        spans: dict[int, Span] = {}
        for position, owner in enumerate(owners, start=1):
            if owner is not None:
                index, cut = owner
                begin, behind = (
                    _token_at(starts, int(offsets[position])),
                    int(np.searchsorted(starts, offsets[position + 1])),
                )
                spans[index] = self._span(self.inserts[index], begin - first, behind - first, cut)
        prompt = b"".join(raw).decode("utf-8")
        text = prompt[len(self.head) : len(prompt) - len(self.tail)]
        ordered = [spans[index] for index in range(len(self.inserts))]
        return Haystack(prompt, self.tokenizer.affixed(ids), text, end - first, ordered, pieces.repeated)

    def _raw(self, piece: Piece) -> bytes:
        return piece.encode() if isinstance(piece, str) else self.corpus.text[piece.begin : piece.end].tobytes()

    def _span(self, insert: Insert, start: int, end: int, cut: int) -> Span:
        place = self.corpus.locate(
            int(self.corpus.cut_begin[cut]) if cut + 1 < len(self.corpus.cut_end) else int(self.corpus.cut_end[cut]) - 1
        )
        return Span(insert.text, insert.value, start, end, insert.tier, place.file, place.page, place.line)


def _token_at(starts: Offsets, byte: int) -> int:
    """First token that holds `byte` or begins behind it."""
    index = int(np.searchsorted(starts, byte))
    return index if index < len(starts) and starts[index] == byte else max(0, index - 1)


class _Pieces:
    """What a haystack is put together from."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self.owners: list[tuple[int, int] | None] = []  # per piece: (index of the insert, cut it stands at)
        self.closing = 0  # index of the piece before which the closing sentence goes
        self.repeated = False

    def add(self, piece: Piece, insert: int | None = None, cut: int = 0) -> None:
        if piece != "":
            self.pieces.append(piece)
            self.owners.append(None if insert is None else (insert, cut))
