"""Where a stretch of encoded text and a fresh encoding of a window that holds some of it may be exchanged.

What follows a token border does not depend on what precedes it once both have walked the same tokens over a border of
words.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from longctx.tokens import Offsets
from longctx.types import Ids

_AGREED = 6  # tokens that must agree in a row, over a border of words, before a stretch's own are trusted


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


class Held(NamedTuple):
    """A stretch of a store with the tokens that begin in it."""

    store: Store
    name: str  # of the store among those of one splice
    begin: int  # bytes
    end: int
    first: int  # tokens
    last: int


class Window(NamedTuple):
    """New text with some of what stands on either side."""

    text: str
    raw: bytes  # the same in UTF-8
    left_token: int  # first token of the left stretch that is in the window
    before: int  # bytes of the window in front of the new text
    right_end: int  # token behind the last of the right stretch that is in the window
    border: int  # byte of the window at which the right stretch begins


def window(left: Held | None, text: str, right: Held | None, size: int) -> Window:
    """The window that holds at most about `size` tokens of either side."""
    raw, left_token, before = text.encode(), 0, 0
    if left:
        starts = left.store.starts
        left_token = _character(starts, max(left.last - size, left.first))
        begin = max(int(starts[left_token]), left.begin)
        before = left.end - begin
        raw = left.store.text[begin : left.end].tobytes() + raw
    border, right_end = len(raw), 0
    if right:
        right_end, end = right.last, right.end
        if right.first + size < right.last:
            right_end = _character(right.store.starts, right.first + size)
            end = int(right.store.starts[right_end])
        raw += right.store.text[right.begin : end].tobytes()
    return Window(raw.decode("utf-8"), raw, left_token, before, right_end, border)


def _character(starts: Offsets, token: int) -> int:
    """The token itself, or the first of those that share its character with it."""
    while token and starts[token - 1] == starts[token]:
        token -= 1
    return token


def behind_left(left: Held, seen: Window, ids: list[int], starts: list[int], kept: int) -> tuple[int, int] | None:
    """Up to which token the left stretch stays as it is, and the window's token that follows; None: nowhere.

    Args:
        left: the stretch.
        seen: the window, with the tokens that were found for it.
        ids: of these.
        starts: byte of the window at which each begins.
        kept: token of the stretch before which nothing may change.
    """
    own = slice(max(seen.left_token, kept), left.last)
    return _agreement(left, own, left.end - seen.before, ids, starts, 0, seen.raw)


def within_right(right: Held, seen: Window, ids: list[int], starts: list[int]) -> tuple[int, int] | None:
    """From which token on the right stretch stays as it is, and the window's token that it replaces; None: nowhere."""
    own = slice(right.first, seen.right_end)
    return _agreement(right, own, right.begin - seen.border, ids, starts, bisect_left(starts, seen.border), seen.raw)


def _agreement(
    held: Held, own: slice, shift: int, ids: list[int], starts: list[int], begin: int, raw: bytes
) -> tuple[int, int] | None:
    """First place behind which store and window may be exchanged: (token of the store, token of the window).

    Walks both on, and stops behind ``_AGREED`` tokens in a row that are the same, at the same bytes, and hold the
    border of a word: from there on the pre-tokeniser cannot know what stood before.

    Args:
        held: the stretch.
        own: its tokens that are in the window.
        shift: byte of the store at which the window would begin.
        ids: of the window's tokens.
        starts: byte of the window at which each begins.
        begin: token of the window from which to walk.
        raw: the window's text.
    """
    own_ids, own_starts = held.store.ids[own].tolist(), held.store.starts[own].tolist()
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
                return own.start + i, j
    return None


def _holds_word_border(raw: bytes) -> bool:
    text = raw.decode("utf-8", "replace")
    return not text.isalnum() and any(map(str.isalnum, text))
