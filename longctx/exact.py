"""The last step of every assembly: pieces of text whose rendered prompt has exactly the asked number of tokens."""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from longctx.agreement import Store
from longctx.seams import Piece, Run, Seams, Slice, raw
from longctx.types import Ids, Place, Span

Missing = Callable[[Sequence[Piece]], int]  # closing pieces → tokens that are missing still, negative: too many
_ANCHOR = 128  # tokens before the closing that are counted again with it


@dataclass(frozen=True, slots=True)
class Insert:
    """Something to put into a haystack.

    Attributes:
        text: what stands there.
        value: what it answers.
        depth: asked depth, 0-1; None: anywhere, drawn by the haystack's seed.
        tier: as in `types.Span`.
        near: where it stands relative to the insert `needle`: ``uniform``, ``near`` or ``far``; not for those with a
            depth.
        needle: index of the insert that `near` and `gap` refer to.
        gap: tokens from the beginning of the insert `needle` to its own, behind it or, where the haystack ends before
            that, in front of it; not for those with a depth; 0: not bound to it.
    """

    text: str
    value: str
    depth: float | None
    tier: str = ""
    near: str = "uniform"
    needle: int = 0
    gap: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Haystack:
    """A haystack inside its prompt.

    Attributes:
        prompt: rendered text.
        prompt_ids: (length,) its tokens as they are sent.
        sha256: of the prompt in UTF-8, hex.
        inner: characters of the prompt at which the haystack begins and ends.
        at: token offset of the haystack in `prompt_ids`.
        tokens: tokens of the haystack.
        spans: one for each insert, in the order given.
        closing: text of the closing pieces.
        added: all text that is neither an insert nor a whole slice of the documents: titles, cut sentences, blanks.
        border: what stands between the frame and the haystack: the first document's name, where they are shown.
        repeated: True where passages recur.
    """

    prompt: str
    prompt_ids: Ids
    sha256: str
    inner: tuple[int, int]
    at: int
    tokens: int
    spans: list[Span]
    closing: str = ""
    added: str = ""
    border: str = ""
    repeated: bool = False

    @property
    def text(self) -> str:
        """The haystack alone: copied whenever it is asked for."""
        return self.prompt[slice(*self.inner)]


class Pieces:
    """What a haystack is put together from, in the order in which it stands.

    Attributes:
        pieces: text, new or from a store.
        owners: per piece, the index of the insert that it is, if it is one.
        places: insert → where in the documents it stands.
        closing: index of the piece before which the closing goes; by default behind all that was added.
    """

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self.owners: list[int | None] = []
        self.places: dict[int, Place] = {}
        self.closing: int | None = None

    def add(self, piece: Piece, insert: int | None = None, place: Place | None = None) -> None:
        """Append a piece; `insert` says which insert it is."""
        if piece != "":
            self.pieces.append(piece)
            self.owners.append(insert)
            if insert is not None and place is not None:
                self.places[insert] = place

    def close_here(self) -> None:
        """Closing sentences go behind what was added so far."""
        self.closing = len(self.pieces)

    def split(self) -> tuple[list[Piece], list[Piece]]:
        """What stands before and after the closing."""
        at = len(self.pieces) if self.closing is None else self.closing
        return self.pieces[:at], self.pieces[at:]


def missing_tokens(seams: Seams, length: int, head: str, pieces: Pieces, tail: str) -> Missing:
    """How many tokens a closing leaves missing: a function of its pieces, cheap to call often.

    Args:
        seams: of the store that slices are taken from.
        length: tokens wanted of head, pieces, closing and tail together.
        head: rendered text before the haystack.
        pieces: the haystack.
        tail: rendered text after it.
    """
    count, store = seams.count, seams.store
    first, second = pieces.split()
    before, after = [head, *first], [*second, tail]
    # All but the end of the last long slice is counted once: what the closing changes lies behind it. A long slice
    # after the closing is likewise counted by its beginning.
    fixed = 0
    for index in range(len(before) - 1, -1, -1):
        piece = before[index]
        if isinstance(piece, Slice) and (end := _end_of(store, piece)) is not None:
            fixed = count(before[: index + 1]) - count([end])
            before = [end, *before[index + 1 :]]
            break
    for index, piece in enumerate(after):
        if isinstance(piece, Slice) and (begin := _beginning_of(store, piece)) is not None:
            fixed += count(after[index:]) - count([begin])
            after = [*after[:index], begin]
            break
    return lambda closing: length - fixed - count([*before, *closing, *after])


def _end_of(store: Store, piece: Slice) -> Slice | None:
    """The last tokens of a slice; None where it has few."""
    first, last = np.searchsorted(store.starts, (piece.begin, piece.end))
    return Slice(int(store.starts[last - _ANCHOR]), piece.end) if last - first > _ANCHOR else None


def _beginning_of(store: Store, piece: Slice) -> Slice | None:
    first, last = np.searchsorted(store.starts, (piece.begin, piece.end))
    return Slice(piece.begin, int(store.starts[first + _ANCHOR])) if last - first > _ANCHOR else None


def finish(
    seams: Seams, head: str, pieces: Pieces, closing: Sequence[Piece], tail: str, inserts: Sequence[Insert]
) -> Haystack:
    """The whole prompt: its text, its ids, and where every insert stands in it."""
    first, second = pieces.split()
    inner = [*first, *closing, *second]
    owners = [*pieces.owners[: len(first)], *[None] * len(closing), *pieces.owners[len(first) :]]
    tokens = _Tokens(seams.splice([head, *inner, tail]))
    texts = [raw(seams.store, piece) for piece in (head, *inner, tail)]
    offsets = list(accumulate(map(len, texts), initial=0))
    at, end = tokens.holding(offsets[1]), tokens.behind(offsets[-2])
    spans: dict[int, Span] = {}
    for position, owner in enumerate(owners, start=1):
        if owner is not None:
            begin, behind = tokens.holding(offsets[position]), tokens.behind(offsets[position + 1])
            insert, place = inserts[owner], pieces.places.get(owner, Place(""))
            spans[owner] = Span(
                insert.text, insert.value, begin - at, behind - at, insert.tier, place.file, place.page, place.line
            )
    whole = b"".join(texts)
    prompt = whole.decode("utf-8")
    return Haystack(
        prompt,
        seams.tokenizer.affixed(tokens.ids()),
        hashlib.sha256(whole).hexdigest(),
        (len(head), len(prompt) - len(tail)),
        at + seams.tokenizer.affix_counts[0],
        end - at,
        [spans[index] for index in range(len(inserts))],
        b"".join(raw(seams.store, piece) for piece in closing).decode("utf-8"),
        "".join(piece for piece, owner in zip(inner, owners, strict=True) if owner is None and isinstance(piece, str)),
    )


class _Tokens:
    """Runs as one list of tokens, in which bytes are looked up without putting their offsets together."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self._runs = [run for run in runs if len(run.ids)]
        self._bytes = [int(run.starts[0]) + run.shift for run in self._runs]
        self._before = list(accumulate((len(run.ids) for run in self._runs), initial=0))

    def ids(self) -> Ids:
        """All of them."""
        ids: Ids = np.concatenate([run.ids for run in self._runs])
        return ids.astype(np.uint32, copy=False)

    def behind(self, byte: int) -> int:
        """First token that begins at `byte` or behind it."""
        index = bisect_left(self._bytes, byte) - 1
        if index < 0:
            return 0
        run = self._runs[index]
        return self._before[index] + int(run.starts.searchsorted(byte - run.shift))

    def holding(self, byte: int) -> int:
        """First token that holds `byte` or begins behind it."""
        index = self.behind(byte)
        return index if index < self._before[-1] and self._start(index) == byte else max(0, index - 1)

    def _start(self, index: int) -> int:
        place = bisect_right(self._before, index) - 1
        run = self._runs[place]
        return int(run.starts[index - self._before[place]]) + run.shift
