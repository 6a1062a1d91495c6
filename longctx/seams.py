"""Put encoded slices and new text together so that the ids are those of the whole text encoded at once.

Token counts do not add up across a seam: a full stop and a line break may be one token, a leading blank belongs to the
word behind it, SentencePiece marks a beginning that is none. So ids are taken from the slices only where they provably
agree with a fresh encoding of a window around the seam, and from that window in between. What follows a token border
does not depend on what precedes it once both encodings have walked the same tokens over a border of words; where no
such agreement is found the window grows, in the end to the whole text.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from longctx.starts import Starts
from longctx.tokens import Offsets, Tokenizer
from longctx.types import Ids

_WINDOWS = (16, 64, 512, 4096)  # tokens of either side that are encoded anew with a seam, tried in this order
_AGREED = 6  # tokens that must agree in a row, over a border of words, before a slice's own are trusted
_SHORT = 64  # a slice of fewer tokens is encoded as text: its two seams would overlap
_KEPT = 1 << 16  # seams that are remembered at most


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
    return store.text[piece.begin : piece.end].tobytes().decode("utf-8")


def splice(store: Store, pieces: Sequence[Piece], tokenizer: Tokenizer) -> list[Run]:
    """Tokens of the pieces' joined text, as runs in order."""
    return Seams(store, tokenizer).splice(pieces)


class _Held(NamedTuple):
    """A slice with the tokens that begin in it."""

    begin: int  # bytes
    end: int
    first: int  # tokens
    last: int


class _Joint(NamedTuple):
    """New text between two slices; either may be missing: at the ends of the result, or where a control token stands.

    The tokenizer splits at control tokens before all else, so what stands before and after one is encoded apart.
    """

    left: _Held | None
    text: str
    right: _Held | None
    offset: int  # byte at which the new text begins in the result
    begun: bool = False  # the text begins with a control token that belongs to the joint before
    ended: bool = False  # the text ends with a control token


class _Mended(NamedTuple):
    """Tokens that stand around a joint."""

    kept_to: int  # token of the left slice behind the last that is kept
    ids: Ids
    starts: Offsets  # from the joint's `offset` on: negative in the left slice
    next_from: int  # first token of the right slice that is kept


class Seams:
    """Splices slices of one store and new text; only windows around the seams are encoded, all of them in one call.

    What was encoded is remembered: the next splice with the same seams, of the same or of another sample, looks it up.
    """

    def __init__(self, store: Store, tokenizer: Tokenizer) -> None:
        """Remember nothing yet.

        Args:
            store: what slices are taken from.
            tokenizer: whose tokens it holds.
        """
        self.store, self.tokenizer = store, tokenizer
        self._known: dict[tuple[int, str, int, bool], _Mended | None] = {}
        self._controls = tokenizer.controls

    def splice(self, pieces: Sequence[Piece]) -> list[Run]:
        """Tokens of the pieces' joined text, as runs in order."""
        joints = self._joints(pieces)
        mended = self._mend_all(joints)
        if mended is None:
            encoding = self.tokenizer.encode("".join(decode(self.store, piece) for piece in pieces))
            return [Run(encoding.ids, encoding.starts, 0)]
        runs: list[Run] = []
        ids, starts = self.store.ids, self.store.starts
        kept_from = 0  # first token of the current slice that is taken from the store
        for joint, found in zip(joints, mended, strict=True):
            if joint.left and found.kept_to > kept_from:
                kept = slice(kept_from, found.kept_to)
                runs.append(Run(ids[kept], starts[kept], joint.offset - joint.left.end))
            runs.append(Run(found.ids, found.starts, joint.offset))
            kept_from = found.next_from
        return runs

    def count(self, pieces: Sequence[Piece]) -> int:
        """Tokens of the pieces' joined text."""
        joints = self._joints(pieces)
        mended = self._mend_all(joints)
        if mended is None:
            return self.tokenizer.count("".join(decode(self.store, piece) for piece in pieces))
        total = kept_from = 0
        for joint, found in zip(joints, mended, strict=True):
            total += len(found.ids) + (found.kept_to - kept_from if joint.left else 0)
            kept_from = found.next_from
        return total

    def _joints(self, pieces: Sequence[Piece]) -> list[_Joint]:
        """What stands between the slices that are long enough to have seams; shorter ones are new text."""
        slices = [piece for piece in pieces if isinstance(piece, Slice)]
        edges = self.store.starts.searchsorted(np.array([(one.begin, one.end) for one in slices], np.int64)).tolist()
        held = iter(edges)
        joints: list[_Joint] = []
        left: _Held | None = None
        literal: list[str] = []
        offset = position = 0
        for piece in pieces:
            if isinstance(piece, Slice):
                first, last = next(held)
                if last - first >= _SHORT:
                    right = _Held(piece.begin, piece.end, first, last)
                    self._add(joints, left, "".join(literal), right, offset)
                    position += piece.end - piece.begin
                    left, literal, offset = right, [], position
                    continue
            text = decode(self.store, piece)
            literal.append(text)
            position += len(text) if text.isascii() else len(text.encode())
        self._add(joints, left, "".join(literal), None, offset)
        return joints

    def _add(self, joints: list[_Joint], left: _Held | None, text: str, right: _Held | None, offset: int) -> None:
        """Append a joint, in parts where control tokens stand in it."""
        found = list(self._controls.finditer(text)) if self._controls and len(text) > 2 else []
        if not found:
            joints.append(_Joint(left, text, right, offset))
            return
        first, last = found[0], found[-1]
        joints.append(_Joint(left, text[: first.end()], None, offset, ended=True))
        if first is not last:
            middle = text[first.start() : last.end()]
            joints.append(
                _Joint(None, middle, None, offset + len(text[: first.start()].encode()), begun=True, ended=True)
            )
        if right or last.end() < len(text):
            joints.append(_Joint(None, text[last.start() :], right, offset + len(text[: last.start()].encode()), True))

    def _mend_all(self, joints: Sequence[_Joint]) -> list[_Mended] | None:
        """Tokens around every joint; None where some joint found no agreement."""
        keys = [
            (joint.left.end if joint.left else -1, joint.text, joint.right.begin if joint.right else -1, joint.begun)
            for joint in joints
        ]
        if len(self._known) > _KEPT:
            self._known.clear()
        fresh = {key: joint for key, joint in zip(keys, joints, strict=True) if key not in self._known}
        windows = [_window(self.store, joint, _WINDOWS[0]) for joint in fresh.values()]
        encodings = self._encode([window.text for window in windows])
        for (key, joint), window, (ids, starts) in zip(fresh.items(), windows, encodings, strict=True):
            self._known[key] = self._mend(joint, window, ids, starts, 0)
        mended: list[_Mended] = []
        kept_from = 0
        for joint, key in zip(joints, keys, strict=True):
            found = self._known[key]
            if found is None or (joint.left and found.kept_to < kept_from):
                found = self._widely(joint, kept_from)
                if found is None:
                    return None
            mended.append(found)
            kept_from = found.next_from
        return mended

    def _widely(self, joint: _Joint, kept_from: int) -> _Mended | None:
        """The same by wider windows, which may reach into what the joint before took: never remembered."""
        for size in _WINDOWS[1:]:
            window = _window(self.store, joint, size)
            [(ids, starts)] = self._encode([window.text])
            found = self._mend(joint, window, ids, starts, kept_from)
            if found is not None:
                return found
        return None

    def _encode(self, texts: Sequence[str]) -> list[tuple[list[int], list[int]]]:
        """Ids of each text and the bytes at which they begin."""
        if not texts:
            return []
        if (quick := _quick(self.tokenizer)) is not None:
            return quick.encode(self.tokenizer, texts)
        return [(one.ids.tolist(), one.starts.tolist()) for one in self.tokenizer.encode_many(texts)]

    def _mend(
        self, joint: _Joint, window: _Window, ids: list[int], starts: list[int], kept_from: int
    ) -> _Mended | None:
        """Tokens around a joint, where those of the window agree with those of the slices."""
        store = self.store
        kept_to, first, last, next_from = kept_from, int(joint.begun), len(ids), 0
        if joint.left:
            shift = joint.left.end - window.before  # store byte → window byte
            begin = max(window.left_token, kept_from)
            agreed = _agreement(store, begin, joint.left.last, shift, ids, starts, 0, window.raw)
            if agreed is None:
                return None
            kept_to, first = agreed
        if joint.right:
            shift = joint.right.begin - window.border
            begin = bisect_left(starts, window.border)
            agreed = _agreement(store, window.right_token, window.right_end, shift, ids, starts, begin, window.raw)
            if agreed is None or agreed[1] < first:
                return None
            next_from, last = agreed
        own = np.array(starts[first:last], np.int64) - window.before
        return _Mended(kept_to, np.array(ids[first:last], np.uint32), own, next_from)


@lru_cache(maxsize=16)
def _quick(tokenizer: Tokenizer) -> Starts | None:
    return Starts.find(tokenizer)


class _Window(NamedTuple):
    """A joint's new text with some of what stands on either side."""

    text: str
    raw: bytes  # the same in UTF-8
    left_token: int  # first token of the left slice that is in the window
    before: int  # bytes of the window in front of the new text
    right_token: int  # first token that lies wholly in the right slice
    right_end: int  # token behind the last of the right slice that is in the window
    border: int  # byte of the window at which the right slice begins


def _window(store: Store, joint: _Joint, size: int) -> _Window:
    raw, left_token, before = joint.text.encode(), 0, 0
    starts = store.starts
    if joint.left:
        left_token = max(joint.left.last - size, joint.left.first)
        left_token = int(starts.searchsorted(starts[left_token]))  # where a character begins
        begin = max(int(starts[left_token]), joint.left.begin)
        before = joint.left.end - begin
        raw = store.text[begin : joint.left.end].tobytes() + raw
    border = len(raw)
    right_token = right_end = 0
    if joint.right:
        right_token, right_end, end_byte = joint.right.first, joint.right.first + size, joint.right.end
        if right_end < joint.right.last:
            right_end = int(starts.searchsorted(starts[right_end]))
            end_byte = int(starts[right_end])
        else:
            right_end = joint.right.last
        raw += store.text[joint.right.begin : end_byte].tobytes()
    return _Window(raw.decode("utf-8"), raw, left_token, before, right_token, right_end, border)


def _agreement(
    store: Store, first: int, last: int, shift: int, ids: list[int], starts: list[int], begin: int, raw: bytes
) -> tuple[int, int] | None:
    """First place behind which store and window may be exchanged: (token of the store, token of the window).

    Walks both from `first` and `begin` on, and stops behind ``_AGREED`` tokens in a row that are the same, at the same
    bytes, and hold the border of a word: from there on the pre-tokeniser cannot know what stood before.
    """
    own_ids, own_starts = store.ids[first:last].tolist(), store.starts[first:last].tolist()
    i, j, run_from, run = 0, begin, 0, 0
    while i < len(own_ids) and j < len(ids):
        at, other = own_starts[i] - shift, starts[j]
        if at != other:
            run = 0
            i, j = (i + 1, j) if at < other else (i, j + 1)
            continue
        if own_ids[i] == ids[j]:
            run_from = at if run == 0 else run_from
            run += 1
        else:
            run = 0
        i, j = i + 1, j + 1
        if run >= _AGREED and i < len(own_ids) and j < len(ids):
            border = own_starts[i] - shift
            clean = border == starts[j] and border > at  # not inside a character that took several tokens
            if clean and _holds_word_border(raw[run_from:border]):
                return first + i, j
    return None


def _holds_word_border(raw: bytes) -> bool:
    letters = [character.isalnum() for character in raw.decode("utf-8", "replace")]
    return any(letters) and not all(letters)
