"""Put encoded slices and new text together so that the ids are those of the whole text encoded at once.

Token counts do not add up across a seam: a full stop and a line break may be one token, a leading blank belongs to the
word behind it, SentencePiece marks a beginning that is none. So ids are taken from the slices only where they provably
agree with a fresh encoding of a window around the seam, and from that window in between. What follows a token border
does not depend on what precedes it once both encodings have walked the same tokens over a border of words; where no
such agreement is found the window grows, in the end to the whole text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from longctx.agreement import Held, Store, Window, behind_left, window, within_right
from longctx.starts import Starts
from longctx.tokens import Offsets, Tokenizer
from longctx.types import Ids

_WINDOWS = (8, 32, 128, 512, 4096)  # tokens of either side that are encoded anew with a seam, tried in this order
_SHORT = 24  # a stretch of fewer tokens is encoded as text: its two seams would overlap
_KEPT = 1 << 16  # seams, and texts, that are remembered at most


class Slice(NamedTuple):
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


def raw(store: Store, piece: Piece) -> bytes | memoryview:
    """Text of a piece in UTF-8; that of a slice is not copied."""
    return piece.encode() if isinstance(piece, str) else store.text[piece.begin : piece.end].data


def splice(store: Store, pieces: Sequence[Piece], tokenizer: Tokenizer) -> list[Run]:
    """Tokens of the pieces' joined text, as runs in order."""
    return Seams(store, tokenizer).splice(pieces)


class _Text(NamedTuple):
    """New text that was encoded by itself (a `Store`)."""

    text: npt.NDArray[np.uint8]
    ids: Ids
    starts: Offsets


class _Joint(NamedTuple):
    """New text between two stretches; either may be missing: at the ends of the result, or at a control token.

    The tokenizer splits at control tokens before all else, so what stands before and after one is encoded apart.
    """

    left: Held | None
    text: str
    right: Held | None
    offset: int  # byte at which the new text begins in the result
    begun: bool = False  # the text begins with a control token that belongs to the joint before


class _Mended(NamedTuple):
    """Tokens that stand around a joint."""

    kept_to: int  # token of the left stretch behind the last that is kept
    ids: Ids
    starts: Offsets  # from the joint's `offset` on: negative in the left stretch
    next_from: int  # first token of the right stretch that is kept


class _Parts(NamedTuple):
    """Text parted at the first and last of its control tokens, which both parts around them hold."""

    first: str
    middle: str  # empty where there is one control token only
    last: str
    to_middle: int  # bytes in front of it
    to_last: int
    ended: bool  # the text ends with its last control token


_Key = tuple[str, int, str, str, int, bool]


class Seams:
    """Splices slices of one store and new text; only windows around the seams are encoded, all of them in one call.

    What was encoded is remembered: the next splice with the same seams, of the same or of another sample, looks it up.
    New text that was counted here before is a stretch with two seams too.
    """

    def __init__(self, store: Store, tokenizer: Tokenizer) -> None:
        """Remember nothing yet.

        Args:
            store: what slices are taken from.
            tokenizer: whose tokens it holds.
        """
        self.store, self.tokenizer = store, tokenizer
        self._known: dict[_Key, _Mended | None] = {}
        self._texts: dict[str, Held] = {}
        self._controls = tokenizer.controls
        self._parted: dict[str, _Parts | None] = {}

    def sizes(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text by itself; what they are is remembered for the splices that they come in."""
        if len(self._texts) > _KEPT:
            self._texts.clear()
        fresh = [text for text in dict.fromkeys(texts) if text not in self._texts]
        for text, (ids, starts) in zip(fresh, self._encode(fresh), strict=True):
            raw = np.frombuffer(text.encode(), np.uint8)
            self._texts[text] = Held(_Text(raw, ids, starts), text, 0, len(raw), 0, len(ids))
        return [self._texts[text].last for text in texts]

    def splice(self, pieces: Sequence[Piece]) -> list[Run]:
        """Tokens of the pieces' joined text, as runs in order."""
        joints, mended = self._mend(pieces)
        if mended is None:
            encoding = self.tokenizer.encode("".join(decode(self.store, piece) for piece in pieces))
            return [Run(encoding.ids, encoding.starts, 0)]
        runs: list[Run] = []
        kept_from = 0  # first token of the current stretch that is taken from its store
        for joint, found in zip(joints, mended, strict=True):
            if joint.left and found.kept_to > kept_from:
                kept, store = slice(kept_from, found.kept_to), joint.left.store
                runs.append(Run(store.ids[kept], store.starts[kept], joint.offset - joint.left.end))
            runs.append(Run(found.ids, found.starts, joint.offset))
            kept_from = found.next_from
        return runs

    def count(self, pieces: Sequence[Piece]) -> int:
        """Tokens of the pieces' joined text."""
        joints, mended = self._mend(pieces)
        if mended is None:
            return self.tokenizer.count("".join(decode(self.store, piece) for piece in pieces))
        total = kept_from = 0
        for joint, found in zip(joints, mended, strict=True):
            total += len(found.ids) + (found.kept_to - kept_from if joint.left else 0)
            kept_from = found.next_from
        return total

    def _mend(self, pieces: Sequence[Piece]) -> tuple[list[_Joint], list[_Mended] | None]:
        """Joints and the tokens around them; None where some joint found no agreement."""
        joints = self._joints(pieces, self._texts)
        mended = self._mend_all(joints)
        if mended is None and self._texts:  # a text too short to agree with what stands around it on both sides
            joints = self._joints(pieces, {})
            mended = self._mend_all(joints)
        return joints, mended

    def _joints(self, pieces: Sequence[Piece], texts: dict[str, Held]) -> list[_Joint]:
        """What stands between the stretches that are long enough to have seams; shorter ones are new text.

        Args:
            pieces: of the result.
            texts: those among them that are stretches.
        """
        slices = [piece for piece in pieces if isinstance(piece, Slice)]
        edges = self.store.starts.searchsorted(np.array([(one.begin, one.end) for one in slices], np.int64)).tolist()
        tokens = iter(edges)
        joints: list[_Joint] = []
        left: Held | None = None
        literal = ""
        offset = position = 0
        for piece in pieces:
            if isinstance(piece, str):
                right = texts.get(piece)
            else:
                right = Held(self.store, "", piece.begin, piece.end, *next(tokens))
            if right and right.last - right.first >= _SHORT:
                self._add(joints, left, literal, right, offset)
                position += right.end - right.begin
                left, literal, offset = right, "", position
                continue
            text = decode(self.store, piece)
            literal += text
            position += len(text) if text.isascii() else len(text.encode())
        self._add(joints, left, literal, None, offset)
        return joints

    def _add(self, joints: list[_Joint], left: Held | None, text: str, right: Held | None, offset: int) -> None:
        """Append a joint, in parts where control tokens stand in it."""
        parts = self._parts(text) if self._controls and len(text) > 2 else None
        if parts is None:
            joints.append(_Joint(left, text, right, offset))
            return
        first, middle, last, to_middle, to_last, ended = parts
        joints.append(_Joint(left, first, None, offset))
        if middle:
            joints.append(_Joint(None, middle, None, offset + to_middle, begun=True))
        if right or not ended:
            joints.append(_Joint(None, last, right, offset + to_last, begun=True))

    def _parts(self, text: str) -> _Parts | None:
        """Text parted at its control tokens; None where it has none. Remembered, as the same stands at many seams."""
        if text not in self._parted:
            if len(self._parted) > _KEPT:
                self._parted.clear()
            self._parted[text] = _part(text, list(self._controls.finditer(text)) if self._controls else [])
        return self._parted[text]

    def _mend_all(self, joints: Sequence[_Joint]) -> list[_Mended] | None:
        """Tokens around every joint; None where some joint found no agreement."""
        keys = [_key(joint) for joint in joints]
        if len(self._known) > _KEPT:
            self._known.clear()
        open_ = {key: joint for key, joint in zip(keys, joints, strict=True) if key not in self._known}
        for size in _WINDOWS[:2]:
            windows = [window(joint.left, joint.text, joint.right, size) for joint in open_.values()]
            found = self._encode([seen.text for seen in windows])
            for (key, joint), seen, (ids, starts) in zip(open_.items(), windows, found, strict=True):
                self._known[key] = _mended(joint, seen, ids, starts, 0)
            open_ = {key: joint for key, joint in open_.items() if self._known[key] is None}
        mended: list[_Mended] = []
        kept_from = 0
        for joint, key in zip(joints, keys, strict=True):
            one = self._known[key]
            if one is None or (joint.left and one.kept_to < kept_from):
                one = self._widely(joint, kept_from)
                if one is None:
                    return None
            mended.append(one)
            kept_from = one.next_from
        return mended

    def _widely(self, joint: _Joint, kept_from: int) -> _Mended | None:
        """The same by wider windows, which may reach into what the joint before took: never remembered."""
        for size in _WINDOWS[1:]:
            seen = window(joint.left, joint.text, joint.right, size)
            [(ids, starts)] = self._encode([seen.text])
            found = _mended(joint, seen, ids, starts, kept_from)
            if found is not None:
                return found
        return None

    def _encode(self, texts: Sequence[str]) -> list[tuple[Ids, Offsets]]:
        """Ids of each text and the bytes at which they begin."""
        if not texts:
            return []
        if (quick := _quick(self.tokenizer)) is not None:
            return quick.encode(self.tokenizer, texts)
        return [(one.ids, one.starts) for one in self.tokenizer.encode_many(texts)]


def _part(text: str, controls: list[re.Match[str]]) -> _Parts | None:
    if not controls:
        return None
    first, last = controls[0], controls[-1]
    middle = text[first.start() : last.end()] if first is not last else ""
    to_middle, to_last = (len(text[: one.start()].encode()) for one in (first, last))
    return _Parts(text[: first.end()], middle, text[last.start() :], to_middle, to_last, last.end() == len(text))


def _key(joint: _Joint) -> _Key:
    left, text, right, _, begun = joint
    left_name, left_end = (left.name, left.end) if left else ("", -1)
    return (left_name, left_end, text, *((right.name, right.begin) if right else ("", -1)), begun)


def _mended(joint: _Joint, seen: Window, ids: Ids, starts: Offsets, kept_from: int) -> _Mended | None:
    """Tokens around a joint, where those of the window agree with those of the stretches."""
    kept_to, first, last, next_from = kept_from, int(joint.begun), len(ids), 0
    listed, begins = ids.tolist(), starts.tolist()
    if joint.left:
        agreed = behind_left(joint.left, seen, listed, begins, kept_from)
        if agreed is None:
            return None
        kept_to, first = agreed
    if joint.right:
        agreed = within_right(joint.right, seen, listed, begins)
        if agreed is None or agreed[1] < first:
            return None
        next_from, last = agreed
    return _Mended(kept_to, ids[first:last], starts[first:last] - seen.before, next_from)


@lru_cache(maxsize=16)
def _quick(tokenizer: Tokenizer) -> Starts | None:
    return Starts.find(tokenizer)
