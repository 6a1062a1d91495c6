"""Which of several engines answers a sample: the one whose prefix cache holds its haystack, or one that would idle.

What samples share is counted in tokens from their ids. With it the work of an engine can be told, in prompt tokens that
it has to compute, and what it would cost to give some of it to another one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from longctx.types import Ids, Sample

Engine = TypeVar("Engine")
Work = TypeVar("Work", bound="Piece")
LEAST = 2_048  # prompt tokens by which an engine's work must get shorter, else nothing is moved
_COMPARED = 16_000_000  # tokens of prompts that are kept to compare the next ones with: 64 MB


class Homes(Generic[Engine]):
    """Remembers for each haystack the engine that its samples go to."""

    def __init__(self, remembered: int = 10_000) -> None:
        """Begin with nothing remembered.

        Args:
            remembered: haystacks at most; the one that was asked for longest ago is forgotten first.
        """
        self._homes: OrderedDict[str, Engine] = OrderedDict()
        self._remembered = remembered

    def choose(self, haystack: str, alive: Sequence[Engine], load: Callable[[Engine], float]) -> Engine:
        """The haystack's engine while that is alive; else the one with the least to do, from now on.

        Args:
            haystack: its name; empty for a sample that shares nothing.
            alive: engines to choose from, at least one.
            load: how much an engine has to do.
        """
        home = self._homes.get(haystack)
        if home is None or home not in alive:
            home = min(alive, key=load)
        if haystack:
            self._homes[haystack] = home
            self._homes.move_to_end(haystack)
            if len(self._homes) > self._remembered:
                self._homes.popitem(last=False)
        return home


@dataclass(eq=False)
class Piece:
    """A sample as a piece of work."""

    sample: Sample
    place: int = 0  # number among the samples of its haystack, in the order in which they came
    fresh: int = 0  # prompt tokens that the engine that it was given to has to compute

    @property
    def haystack(self) -> str:
        """What it shares with other samples; empty: nothing."""
        return str(self.sample.metadata.get("haystack") or "")

    @property
    def tokens(self) -> int:
        """Of its prompt."""
        return len(self.sample.prompt_ids)


class Families:
    """What samples of the same haystack share, measured as they come."""

    def __init__(self, remembered: int = 10_000) -> None:
        """Begin with nothing remembered; of haystacks beyond `remembered` the oldest is forgotten."""
        self._remembered = remembered
        self._shared: OrderedDict[str, list[int]] = OrderedDict()  # per sample, with the one before it
        self._newest: OrderedDict[str, Ids] = OrderedDict()
        self._kept = 0  # tokens in `_newest`

    def place(self, sample: Sample) -> int:
        """Take note of the next sample, and number it within its haystack."""
        haystack, ids = str(sample.metadata.get("haystack") or ""), sample.prompt_ids
        if not haystack:
            return 0
        before = self._newest.pop(haystack, None)
        self._kept -= 0 if before is None else len(before)
        shared = self._shared.setdefault(haystack, [])
        self._shared.move_to_end(haystack)
        shared.append(0 if before is None else common(before, ids))
        self._newest[haystack] = ids
        self._kept += len(ids)
        while self._kept > _COMPARED and len(self._newest) > 1:
            self._kept -= len(self._newest.popitem(last=False)[1])
        if len(self._shared) > self._remembered:
            self._shared.popitem(last=False)
        return len(shared) - 1

    def overlap(self, haystack: str, one: int, other: int) -> int:
        """Tokens with which two samples of a haystack begin alike, at least.

        What each shares with the one before it bounds it; in the order of a plan, which walks through the trie of
        prefixes, it is exactly that.
        """
        first, last = sorted((one, other))
        return min(self._shared.get(haystack, ())[first + 1 : last + 1], default=0)


def common(one: Ids, other: Ids) -> int:
    """Tokens with which both begin."""
    length = min(len(one), len(other))
    differ = one[:length] != other[:length]
    return int(np.argmax(differ)) if differ.any() else length


class Lot(Generic[Work]):
    """What one engine was given, and what it has to compute for it.

    Attributes:
        waiting: given and not begun, in this order.
        work: prompt tokens to compute for all that was given and is not done.
    """

    def __init__(self, families: Families) -> None:
        self.waiting: list[Work] = []
        self.work = 0
        self._families = families
        self._given: OrderedDict[str, list[int]] = OrderedDict()  # haystack → places that its cache holds, or will

    def fresh(self, piece: Piece) -> int:
        """Prompt tokens that this engine would have to compute for a piece."""
        given = self._given.get(piece.haystack)
        return piece.tokens - (self._families.overlap(piece.haystack, given[-1], piece.place) if given else 0)

    def give(self, piece: Work) -> None:
        """Put a piece at the end of what waits."""
        piece.fresh = self.fresh(piece)
        self.waiting.append(piece)
        self.work += piece.fresh
        if piece.haystack:
            self._given.setdefault(piece.haystack, []).append(piece.place)
            self._given.move_to_end(piece.haystack)
            if len(self._given) > 10_000:
                self._given.popitem(last=False)

    def take_back(self, piece: Work) -> None:
        """Give a piece to nobody that waits here."""
        self.waiting.remove(piece)
        self.work -= piece.fresh
        given = self._given.get(piece.haystack, [])
        if piece.place in given:  # else the cache was lost meanwhile
            given.remove(piece.place)
            if not given:
                del self._given[piece.haystack]

    def begin(self, piece: Work) -> None:
        """The engine works on a piece now."""
        self.waiting.remove(piece)

    def done(self, piece: Work) -> None:
        """The engine has nothing more to do with a piece that was begun."""
        self.work -= piece.fresh

    def forget(self) -> None:
        """The engine's cache is gone."""
        self._given.clear()


def spill(lots: Sequence[Lot[Work]], idle: Lot[Work]) -> list[Work]:
    """Move to an engine that would idle the end of what waits elsewhere, where it pays.

    The last samples of a haystack are moved when the engine with more to do of the two then ends earlier by at least
    as many prompt tokens as must be computed once more for it (their shared prefix, where both engines need it), and
    by at least `LEAST`.

    Returns:
        What was moved; it waits at the idle engine now.
    """
    best: tuple[int, list[Work], Lot[Work]] = 0, [], idle
    for lot in lots:
        if lot is idle or lot.work - idle.work < 2 * LEAST:
            continue  # half of the difference is the most that can be gained
        families: dict[str, list[Work]] = {}
        for piece in lot.waiting:
            families.setdefault(piece.haystack, []).append(piece)
        for family in families.values():
            again = [idle.fresh(piece) - piece.fresh for piece in family]
            first, gain = split([piece.fresh for piece in family], again, lot.work, idle.work)
            if gain > best[0]:
                best = gain, family[first:], lot
    _, moved, lot = best
    for piece in reversed(moved):
        lot.take_back(piece)
    for piece in moved:
        idle.give(piece)
    return moved


def split(fresh: Sequence[int], again: Sequence[int], work: int, other: int) -> tuple[int, int]:
    """From which of a haystack's waiting samples on another engine should take over.

    Args:
        fresh: prompt tokens to compute for each where it waits.
        again: further ones, if it is the first that the other engine takes over.
        work: prompt tokens to compute of all that the one engine has.
        other: the same of the other engine.

    Returns:
        Number of the first sample to move, and by how many prompt tokens the longer work of both gets shorter; the
        number behind the last and 0 where nothing pays.
    """
    best, gain, moving = len(fresh), 0, 0
    for first in reversed(range(len(fresh))):
        moving += fresh[first]
        saved = work - max(work - moving, other + moving + again[first])
        if saved > gain and saved >= max(again[first], LEAST):
            best, gain = first, saved
    return best, gain
