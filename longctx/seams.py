"""Put encoded slices and new text together so that the ids are those of the whole text encoded at once.

Token counts do not add up across a seam: a full stop and a line break may be one token, a leading blank belongs to the
word behind it, SentencePiece marks a beginning that is none. So ids are taken from the slices only where they provably
agree with a fresh encoding of a window around the seam, and from that window in between. What follows a token border
does not depend on what precedes it once both encodings have walked the same tokens over a border of words; where no
such agreement is found the window grows, in the end to the whole text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from longctx.tokens import Encoder, Encoding, Offsets
from longctx.types import Ids

_WINDOWS = (32, 256, 4096)  # tokens of either side that are encoded anew with a seam, tried in this order
_AGREED = 6  # tokens that must agree in a row, over a border of words, before a slice's own are trusted
_SHORT = 96  # a slice of fewer tokens is encoded as text: its two seams would overlap


class Store(Protocol):
    """Text with its tokens, from which slices are taken.

    Attributes:
        text: (bytes,) UTF-8.
        ids: (n,) tokens of the text.
        starts: (n,) byte offset at which each begins, never falling.
    """

    @property
    def text(self) -> npt.NDArray[np.uint8]: ...  # noqa: D102
    @property
    def ids(self) -> Ids: ...  # noqa: D102
    @property
    def starts(self) -> Offsets: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Slice:
    """Bytes `begin` to `end` (exclusive) of a store's text; both are character borders."""

    begin: int
    end: int


Piece = Slice | str


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Consecutive tokens of the result, standing in a store or newly encoded."""

    ids: Ids
    starts: Offsets  # byte offsets, not yet shifted
    shift: int  # to add to `starts` for offsets in the result's text


def decode(store: Store, piece: Piece) -> str:
    """Text of a piece."""
    if isinstance(piece, str):
        return piece
    return bytes(store.text[piece.begin : piece.end]).decode("utf-8")


def splice(store: Store, pieces: Sequence[Piece], tokenizer: Encoder) -> list[Run]:
    """Tokens of the pieces' joined text, as runs in order.

    Only windows around the seams are encoded, all of them in one call.
    """
    parts = [decode(store, p) if isinstance(p, Slice) and _tokens_in(store, p) < _SHORT else p for p in pieces]
    runs = _join(store, _joints(store, parts), tokenizer)
    if runs is not None:
        return runs
    encoding = tokenizer.encode("".join(decode(store, piece) for piece in parts))
    return [Run(encoding.ids, encoding.starts, 0)]


@dataclass(frozen=True, slots=True)
class _Joint:
    """New text between two slices; either may be missing at the ends of the result."""

    left: Slice | None
    text: str
    right: Slice | None
    offset: int  # byte at which the new text begins in the result


def _joints(store: Store, parts: Sequence[Piece]) -> list[_Joint]:
    joints: list[_Joint] = []
    left: Slice | None = None
    literal: list[str] = []
    offset = position = 0
    for part in [*parts, None]:
        if isinstance(part, str):
            literal.append(part)
            position += len(part.encode())
        else:
            joints.append(_Joint(left, "".join(literal), part, offset))
            if part is not None:
                position += part.end - part.begin
            left, literal, offset = part, [], position
    return joints


def _tokens_in(store: Store, piece: Slice) -> int:
    first, last = np.searchsorted(store.starts, (piece.begin, piece.end))
    return int(last - first)


@dataclass(frozen=True, slots=True)
class _Window:
    """A joint's new text with some of what stands on either side."""

    text: str
    left_token: int  # first token of the left slice that is in the window
    before: int  # bytes of the window in front of the new text
    right_token: int  # first token that lies wholly in the right slice
    right_end: int  # token behind the last of the right slice that is in the window
    border: int  # byte of the window at which the right slice begins


def _window(store: Store, joint: _Joint, size: int) -> _Window:
    text, left_token, before = joint.text, 0, 0
    if joint.left:
        end = int(np.searchsorted(store.starts, joint.left.end))
        left_token = max(end - size, int(np.searchsorted(store.starts, joint.left.begin)))
        left_token = int(np.searchsorted(store.starts, store.starts[left_token]))  # where a character begins
        begin = max(int(store.starts[left_token]), joint.left.begin)
        before = joint.left.end - begin
        text = decode(store, Slice(begin, joint.left.end)) + text
    border = before + len(joint.text.encode())
    if not joint.right:
        return _Window(text, left_token, before, 0, 0, border)
    right_token = int(np.searchsorted(store.starts, joint.right.begin))
    right_end = min(right_token + size, int(np.searchsorted(store.starts, joint.right.end)))
    end_byte = joint.right.end
    if right_end < len(store.starts) and store.starts[right_end] < joint.right.end:
        right_end = int(np.searchsorted(store.starts, store.starts[right_end]))
        end_byte = int(store.starts[right_end])
    text += decode(store, Slice(joint.right.begin, end_byte))
    return _Window(text, left_token, before, right_token, right_end, border)


def _join(store: Store, joints: Sequence[_Joint], tokenizer: Encoder) -> list[Run] | None:
    """Runs of all joints with the slices' own tokens between them; None where some joint found no agreement."""
    windows = [_window(store, joint, _WINDOWS[0]) for joint in joints]
    encodings = tokenizer.encode_many([window.text for window in windows])
    runs: list[Run] = []
    kept_from = 0  # first token of the current slice that is taken from the store
    for joint, window, encoding in zip(joints, windows, encodings, strict=True):
        found = _mend(store, joint, window, encoding, kept_from)
        for size in _WINDOWS[1:]:
            if found is None:
                window = _window(store, joint, size)
                encoding = tokenizer.encode(window.text)
                found = _mend(store, joint, window, encoding, kept_from)
        if found is None:
            return None
        kept_to, first, last, next_from = found
        if joint.left:
            runs.append(_run(store.ids, store.starts, kept_from, kept_to, joint.offset - joint.left.end))
        runs.append(_run(encoding.ids, encoding.starts, first, last, joint.offset - window.before))
        kept_from = next_from
    return runs


def _mend(
    store: Store, joint: _Joint, window: _Window, encoding: Encoding, kept_from: int
) -> tuple[int, int, int, int] | None:
    """Tokens around a joint: (left slice up to, window from, window up to, right slice from)."""
    kept_to, first, last, next_from = kept_from, 0, len(encoding.ids), 0
    if joint.left:
        shift = joint.left.end - window.before  # store byte → window byte
        end = int(np.searchsorted(store.starts, joint.left.end))
        agreed = _agreement(store, max(window.left_token, kept_from), end, shift, encoding, 0, window.text)
        if agreed is None:
            return None
        kept_to, first = agreed
    if joint.right:
        shift = joint.right.begin - window.border
        begin = int(np.searchsorted(encoding.starts, window.border))
        agreed = _agreement(store, window.right_token, window.right_end, shift, encoding, begin, window.text)
        if agreed is None or agreed[1] < first:
            return None
        next_from, last = agreed
    return kept_to, first, last, next_from


def _run(ids: Ids, starts: Offsets, first: int, last: int, shift: int) -> Run:
    return Run(ids[first:last], starts[first:last], shift)


def _agreement(
    store: Store, first: int, last: int, shift: int, encoding: Encoding, begin: int, text: str
) -> tuple[int, int] | None:
    """First place behind which store and window may be exchanged: (token of the store, token of the window).

    Walks both from `first` and `begin` on, and stops behind ``_AGREED`` tokens in a row that are the same, at the same
    bytes, and hold the border of a word: from there on the pre-tokeniser cannot know what stood before.
    """
    ours = store.ids[first:last].tolist(), (store.starts[first:last] - shift).tolist()
    theirs = encoding.ids.tolist(), encoding.starts.tolist()
    raw = text.encode()
    i, j, run_from, run = 0, begin, 0, 0
    while i < len(ours[0]) and j < len(theirs[0]):
        at, other = ours[1][i], theirs[1][j]
        if at != other:
            run = 0
            i, j = (i + 1, j) if at < other else (i, j + 1)
            continue
        if ours[0][i] == theirs[0][j]:
            run_from = at if run == 0 else run_from
            run += 1
        else:
            run = 0
        i, j = i + 1, j + 1
        if run >= _AGREED and i < len(ours[0]) and j < len(theirs[0]):
            border = ours[1][i]
            clean = border == theirs[1][j] and border > at  # not inside a character that took several tokens
            if clean and _holds_word_border(raw[run_from:border]):
                return first + i, j
    return None


def _holds_word_border(raw: bytes) -> bool:
    letters = [character.isalnum() for character in raw.decode("utf-8", "replace")]
    return any(letters) and not all(letters)
