"""The last step of every assembly: pieces of text whose rendered prompt has exactly the asked number of tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from longctx.encoded import gather
from longctx.seams import Piece, Slice, Store, splice
from longctx.tokens import Encoder, Offsets
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
        text: the haystack alone.
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
    text: str
    at: int
    tokens: int
    spans: list[Span]
    closing: str = ""
    added: str = ""
    border: str = ""
    repeated: bool = False


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


def missing_tokens(store: Store, tokenizer: Encoder, length: int, head: str, pieces: Pieces, tail: str) -> Missing:
    """How many tokens a closing leaves missing: a function of its pieces, cheap to call often.

    Args:
        store: what slices are taken from.
        tokenizer: the model's.
        length: tokens wanted of head, pieces, closing and tail together.
        head: rendered text before the haystack.
        pieces: the haystack.
        tail: rendered text after it.
    """

    def count(parts: Sequence[Piece]) -> int:
        return sum(len(run.ids) for run in splice(store, parts, tokenizer))

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
    store: Store,
    tokenizer: Encoder,
    head: str,
    pieces: Pieces,
    closing: Sequence[Piece],
    tail: str,
    inserts: Sequence[Insert],
) -> Haystack:
    """The whole prompt: its text, its ids, and where every insert stands in it."""
    first, second = pieces.split()
    inner = [*first, *closing, *second]
    owners = [*pieces.owners[: len(first)], *[None] * len(closing), *pieces.owners[len(first) :]]
    ids, starts = gather(splice(store, [head, *inner, tail], tokenizer))
    raw = [_raw(store, piece) for piece in (head, *inner, tail)]
    offsets = np.concatenate(([0], np.cumsum([len(part) for part in raw])))
    at, end = _token_at(starts, int(offsets[1])), int(np.searchsorted(starts, offsets[-2]))
    spans: dict[int, Span] = {}
    for position, owner in enumerate(owners, start=1):
        if owner is not None:
            begin = _token_at(starts, int(offsets[position]))
            behind = int(np.searchsorted(starts, offsets[position + 1]))
            insert, place = inserts[owner], pieces.places.get(owner, Place(""))
            spans[owner] = Span(
                insert.text, insert.value, begin - at, behind - at, insert.tier, place.file, place.page, place.line
            )
    prompt = b"".join(raw).decode("utf-8")
    return Haystack(
        prompt,
        tokenizer.affixed(ids),
        prompt[len(head) : len(prompt) - len(tail)],
        at + tokenizer.affix_counts[0],
        end - at,
        [spans[index] for index in range(len(inserts))],
        b"".join(_raw(store, piece) for piece in closing).decode("utf-8"),
        "".join(piece for piece, owner in zip(inner, owners, strict=True) if owner is None and isinstance(piece, str)),
    )


def _raw(store: Store, piece: Piece) -> bytes:
    return piece.encode() if isinstance(piece, str) else store.text[piece.begin : piece.end].tobytes()


def _token_at(starts: Offsets, byte: int) -> int:
    """First token that holds `byte` or begins behind it."""
    index = int(np.searchsorted(starts, byte))
    return index if index < len(starts) and starts[index] == byte else max(0, index - 1)
