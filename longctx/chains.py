"""Texts that stand behind each other between the same two marks: each is encoded once, whatever its neighbours are.

Numbered documents and the messages of a conversation are such chains. A long one has thousands of seams, and hardly any
of them comes again in another sample. But its marks always stand there, and where no token reaches over some place in
a mark (`borders.apart`), what stands between two such places has the same tokens in every chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from longctx.borders import apart
from longctx.encoded import TextStore, gather
from longctx.seams import Piece, Seams, raw
from longctx.tokens import Offsets, Tokenizer
from longctx.types import Ids

_MOST = 1 << 23  # tokens of blocks that are remembered at most: some 100 MB
_TRIED = 8  # pairs that are encoded once more in another order before blocks are trusted


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """Pieces with their marks, encoded.

    Attributes:
        store: the whole text and its tokens; what stands before the first piece and behind the last is of no account.
        spans: for each piece, the bytes at which it begins and ends in the store.
    """

    store: TextStore
    spans: list[tuple[int, int]]


def chain(seams: Seams, pieces: Sequence[Piece], marks: Sequence[str], ends: str = "") -> Chain:
    """Tokens of pieces and of the marks between them.

    Args:
        seams: of the store that slices are taken from.
        pieces: (2n,) pairs of pieces, one pair behind the other.
        marks: (2n - 1,) texts between them.
        ends: characters with which the first piece of each pair may end, where these are known.
    """
    if (blocks := _blocks_of(seams, marks, ends)) and (made := blocks.chain(seams, pieces)):
        return made
    parts = [part for piece, mark in zip(pieces, [*marks, ""], strict=True) for part in (piece, mark)]
    ids, starts = gather(seams.splice(parts))
    texts = [raw(seams.store, part) for part in parts]
    at = list(accumulate(map(len, texts), initial=0))
    text = np.frombuffer(b"".join(texts), np.uint8)
    return Chain(TextStore(text, ids, starts), list(zip(at[:-1:2], at[1::2], strict=True)))


def sizes(seams: Seams, pieces: Sequence[Piece], marks: Sequence[str], ends: str = "") -> Offsets | None:
    """How many tokens each pair of pieces adds to a chain with its marks; None where that depends on its neighbours."""
    blocks = _blocks_of(seams, marks, ends)
    found = blocks.of(seams, pieces) if blocks else None
    if found is None:
        return None
    each: Offsets = np.array([len(block.ids) for block in found], np.int64)
    return each[::2] + each[1::2]


def _blocks_of(seams: Seams, marks: Sequence[str], ends: str) -> _Blocks | None:
    inner, outer = set(marks[::2]), set(marks[1::2])
    if not len(inner) == len(outer) == 1:
        return None
    known, key = _known.setdefault(seams, {}), (*inner, *outer, ends)
    if key not in known:
        known[key] = _Blocks(seams.tokenizer, *key)
    return known[key]


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """A piece with those parts of the marks around it that lie on its side of their borders."""

    raw: bytes
    ids: Ids
    starts: npt.NDArray[np.int32]  # from the block's first byte on


class _Blocks:
    """Blocks of the pieces that stood between two marks so far."""

    def __init__(self, tokenizer: Tokenizer, inner: str, outer: str, ends: str) -> None:
        self._inner, self._outer = inner, outer
        cuts = _border(tokenizer, inner, ends), _border(tokenizer, outer, "")
        self._possible = min(cuts) >= 0
        self._cuts = [len(mark[: max(0, cut)].encode()) for mark, cut in zip((inner, outer), cuts, strict=True)]
        self._sizes = [len(inner.encode()), len(outer.encode())]
        self._blocks: tuple[dict[Piece, _Block], dict[Piece, _Block]] = {}, {}
        self._tokens, self._tried = 0, False

    def of(self, seams: Seams, pieces: Sequence[Piece]) -> list[_Block] | None:
        """The block of each piece; None where a token may reach over their borders.

        Seams are handed over each time: blocks that held them would keep a corpus that nobody else has any more.
        """
        if not self._possible:
            return None
        try:
            return self._look_up(pieces)
        except KeyError:
            self._possible = self._learn(seams, list(zip(pieces[::2], pieces[1::2], strict=True)))
        return self._look_up(pieces) if self._possible else None

    def _look_up(self, pieces: Sequence[Piece]) -> list[_Block]:
        firsts, seconds = (map(known.__getitem__, pieces[kind::2]) for kind, known in enumerate(self._blocks))
        return [block for pair in zip(firsts, seconds, strict=True) for block in pair]

    def chain(self, seams: Seams, pieces: Sequence[Piece]) -> Chain | None:
        """The blocks of these pieces put together; None where there are none."""
        blocks = self.of(seams, pieces)
        if blocks is None:
            return None
        at = _ends(blocks)
        (inner, outer), (to_inner, to_outer) = self._sizes, self._cuts
        begins, ends = at[:-1].reshape(-1, 2), at[1:].reshape(-1, 2)
        begins = begins + (outer - to_outer, inner - to_inner)  # without the bytes of marks in a block
        ends = ends - (to_inner, to_outer)
        return Chain(_joined(blocks, at), list(zip(begins.ravel().tolist(), ends.ravel().tolist(), strict=True)))

    def _learn(self, seams: Seams, pairs: Sequence[tuple[Piece, Piece]]) -> bool:
        """Remember the blocks of these pairs; False where one does not begin with a token of its own."""
        firsts, seconds = self._blocks
        if self._tokens > _MOST:
            firsts.clear()
            seconds.clear()
            self._tokens = 0
        fresh = dict.fromkeys(pair for pair in pairs if pair[0] not in firsts or pair[1] not in seconds)
        pairs = list(fresh)
        inner, outer = self._inner, self._outer
        parts: list[Piece] = [outer, *(part for first, second in pairs for part in (first, inner, second, outer))]
        whole = b"".join(texts := [raw(seams.store, part) for part in parts])
        at = list(accumulate(map(len, texts), initial=0))
        ids, starts = gather(seams.splice(parts))
        borders = [place + self._cuts[(1 + index) % 2] for index, place in enumerate(at[:-1:2])]
        tokens = starts.searchsorted(borders)
        begun = tokens[tokens < len(ids)]
        if np.any(starts[begun] != borders[: len(begun)]) or np.any(np.array(borders[len(begun) :]) != len(whole)):
            return False
        for index, piece in enumerate(part for pair in pairs for part in pair):
            (begin, end), (first, last) = borders[index : index + 2], tokens[index : index + 2]
            block = _Block(whole[begin:end], ids[first:last].copy(), (starts[first:last] - begin).astype(np.int32))
            self._blocks[index % 2][piece] = block
        self._tokens += len(ids)
        return self._tried or self._try(seams.tokenizer, pairs[:_TRIED])

    def _try(self, tokenizer: Tokenizer, pairs: Sequence[tuple[Piece, Piece]]) -> bool:
        """Encode blocks in another order as one text, and see whether they keep their tokens."""
        firsts, seconds = self._blocks
        self._tried = True
        ones, others = zip(*pairs, strict=True)
        blocks = [
            block for pair in zip(ones, others[::-1], strict=True) for block in (firsts[pair[0]], seconds[pair[1]])
        ]
        joined = _joined(blocks, _ends(blocks))
        outer = self._outer.encode()
        head, tail = outer[: self._cuts[1]], outer[self._cuts[1] :]
        whole = tokenizer.encode((head + joined.text.tobytes() + tail).decode("utf-8"))
        first, last = whole.starts.searchsorted([len(head), len(head) + len(joined.text)])
        return np.array_equal(whole.ids[first:last], joined.ids) and np.array_equal(
            whole.starts[first:last] - len(head), joined.starts
        )


_known: WeakKeyDictionary[Seams, dict[tuple[str, ...], _Blocks]] = WeakKeyDictionary()


def _border(tokenizer: Tokenizer, mark: str, ends: str) -> int:
    """Characters of a mark in front of a place over which no token reaches; -1 where there is none."""
    if tokenizer.controls and (control := tokenizer.controls.search(mark)):
        return control.end()
    if ends and mark and all(apart(tokenizer, end, mark) for end in ends):
        return 0
    return next((at for at in range(1, len(mark)) if apart(tokenizer, mark[:at], mark[at:])), -1)


def _ends(blocks: Sequence[_Block]) -> Offsets:
    """Bytes at which blocks begin, one behind the other, and at which the last one ends."""
    return np.cumsum([0, *(len(block.raw) for block in blocks)])


def _joined(blocks: Sequence[_Block], at: Offsets) -> TextStore:
    counts = [len(block.ids) for block in blocks]
    begins = np.repeat(at[:-1], counts)
    starts: Offsets = np.add(begins, np.concatenate([block.starts for block in blocks]), out=begins)
    text = np.frombuffer(b"".join([block.raw for block in blocks]), np.uint8)
    return TextStore(text, np.concatenate([block.ids for block in blocks]), starts)
