"""Servers that hold the same model: how many calls each gets at once, which gets which sample, and which are alive."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from longctx.backends.affinity import Families, Homes, Lot, Piece, spill
from longctx.backends.openai_call import Server
from longctx.backends.openai_errors import Failure

_FIRST, _MOST = 4, 64  # calls at once, where a number is looked for
_REMEMBERED = 10_000  # haystacks of which a server is known to have computed the prefix
_SOONEST_S = 0.01
_PING_S = 15.0  # longest pause between two looks at a server that was lost


class Limit:
    """How many calls a server gets at once, found by trying.

    As TCP finds its window (slow start, then additive increase and multiplicative decrease: Chiu and Jain 1989, RFC
    5681): one more for each success until the first sign of overload, from then on one more for each round of
    successes; half as many after a sign of overload. Signs of calls that were under way when it was halved halve it no
    further.
    """

    def __init__(self, fixed: int | None = None) -> None:
        self._fixed = fixed
        self.value = float(fixed or _FIRST)
        self.lowest = self.highest = self.value
        self._threshold = float(_MOST)
        self._halved_at = -1.0

    def succeeded(self, full: bool) -> None:
        """A call went well; `full`: all that were allowed were under way, so that more could have been."""
        if self._fixed or not full:
            return
        step = 1.0 if self.value < self._threshold else 1.0 / self.value
        self.value = min(self.value + step, _MOST)
        self.highest = max(self.highest, self.value)

    def overloaded(self, begun_at: float) -> None:
        """A call that began then (monotonic seconds) met a server that has too much to do."""
        if self._fixed or begun_at <= self._halved_at:
            return
        self._halved_at = time.monotonic()
        self.value = self._threshold = max(1.0, self.value / 2)
        self.lowest = min(self.lowest, self.value)


@dataclass(eq=False)
class Asked(Piece):
    """A sample on its way."""

    replica: Replica | None = None  # where it is to be asked, or is


class Replica:
    """One of the servers, with what is under way there."""

    def __init__(self, server: Server, limit: Limit, families: Families) -> None:
        self.server, self.limit = server, limit
        self.lot: Lot[Asked] = Lot(families)  # what is to be asked here and has no answer yet
        self.active = 0  # calls under way
        self.paused_until = 0.0  # monotonic seconds; a server that says when to come back is left alone until then
        self.lost = False  # silent for longer than anybody wants to wait
        self.down_since: float | None = None
        self.computed: OrderedDict[str, bool] = OrderedDict()  # haystack → whether its prefix was computed once
        self.look: asyncio.Task[None] | None = None

    def forget(self) -> None:
        """Its cache is gone."""
        self.lot.forget()
        self.computed.clear()

    def open(self) -> bool:
        """Whether it takes a call now."""
        return self.down_since is None and self.active < int(self.limit.value) and time.monotonic() >= self.paused_until

    def idle(self) -> bool:
        """Whether it takes a call, and nothing waits for it."""
        return not self.lot.waiting and self.open()

    def free(self, haystack: str) -> bool:
        """Whether a sample of this haystack may be asked now.

        The first sample of a haystack goes ahead, and the others wait for its first token: from then on the server's
        cache holds what they share.
        """
        return self.open() and self.computed.get(haystack, True)


class Replicas:
    """All of them; lives in one event loop."""

    def __init__(self, replicas: Sequence[Replica], patience: float, backoff: float) -> None:
        self._all, self._patience, self._backoff = list(replicas), patience, backoff
        self._homes: Homes[Replica] = Homes()
        self._changed = asyncio.Condition()
        self._ended = False
        self._tasks: set[asyncio.Task[None]] = set()

    def forget(self) -> None:
        """No server's cache holds anything any more; nothing may be under way."""
        for replica in self._all:
            replica.forget()

    def limit(self) -> int:
        """Calls that may be under way at once, at all servers together."""
        return sum(int(replica.limit.value) for replica in self._all)

    def wants_more(self) -> bool:
        """Whether a server would take a sample that nobody waits for yet, where others have enough to do."""
        return len(self._all) > 1 and any(replica.idle() for replica in self._all)

    async def take(self, asked: Asked, avoid: Replica | None = None) -> Replica:
        """Wait until a sample may be asked, and take the place; `give_back` it.

        Samples of a haystack go to the same server as long as it is alive, and to others only where those would idle
        and it pays (`affinity.spill`).

        Args:
            asked: the sample.
            avoid: a server that has just lost it; another one is taken where there is one.

        Raises:
            Failure: no server is alive, and none came back in time.
        """
        haystack = asked.haystack
        self._give(asked, avoid)
        try:
            async with self._changed:
                self._spill()
                while not (replica := _home(asked)).free(haystack):
                    if all(one.lost for one in self._all):
                        raise Failure("connection", f"no server has answered for {self._patience:g} s")
                    if replica.down_since is not None and self._alive():
                        replica.lot.take_back(asked)
                        self._give(asked, replica)
                        continue
                    await self._changed.wait()
        except BaseException:
            _home(asked).lot.take_back(asked)
            raise
        replica.lot.begin(asked)
        replica.active += 1
        if haystack and haystack not in replica.computed:
            replica.computed[haystack] = False
            if len(replica.computed) > _REMEMBERED:
                replica.computed.popitem(last=False)
        return replica

    def began(self, replica: Replica, haystack: str) -> None:
        """The first token of a sample is there, and so its prefix is computed."""
        if replica.computed.get(haystack) is False:
            replica.computed[haystack] = True
            self._wake_soon()

    async def give_back(self, asked: Asked) -> None:
        """A call has ended, in whatever way."""
        replica = _home(asked)
        replica.active -= 1
        replica.lot.done(asked)
        if replica.computed.get(asked.haystack) is False:  # it failed before its first token: the next one goes ahead
            del replica.computed[asked.haystack]
        await self.wake()

    async def wake(self) -> None:
        """Let everything that waits look again."""
        async with self._changed:
            self._spill()
            self._changed.notify_all()

    def pause(self, replica: Replica, seconds: float) -> None:
        """Leave a server alone for a while; not where that is longer than anybody waits: then calls fail at once."""
        until = time.monotonic() + seconds
        if seconds <= self._patience and until > replica.paused_until:
            replica.paused_until = until
            # A little later, so that the clock has passed it when those who wait look.
            asyncio.get_running_loop().call_later(seconds + 0.005, self._wake_soon)

    def hung_up(self, replica: Replica) -> None:
        """A connection was lost: ask nothing there until it answers a small question."""
        if replica.down_since is None:
            replica.down_since = time.monotonic()
            replica.forget()
            replica.look = asyncio.create_task(self._look(replica))

    async def _look(self, replica: Replica) -> None:
        pause = max(_SOONEST_S, self._backoff / 4)
        while True:
            try:
                await replica.server.models()
                break
            except Failure as failure:
                if failure.kind not in ("connection", "timeout", "stream"):
                    break  # it answers, whatever it says
            begun = replica.down_since or 0.0
            replica.lost = time.monotonic() - begun >= self._patience
            await self.wake()  # what waits here goes elsewhere, or ends
            await asyncio.sleep(min(pause, self._patience / 4 + _SOONEST_S, _PING_S))
            pause *= 2
        replica.down_since, replica.lost = None, False
        await self.wake()

    def _give(self, asked: Asked, avoid: Replica | None = None) -> None:
        alive = self._alive(avoid) or self._alive() or self._all
        asked.replica = self._homes.choose(asked.haystack, alive, lambda one: one.lot.work / one.limit.value)
        asked.replica.lot.give(asked)

    def _spill(self) -> None:
        """Let servers that would idle take some of what waits for others; both wait for the same condition."""
        lots = [replica.lot for replica in self._all]
        for replica in self._all:
            if replica.idle():
                moved = spill(lots, replica.lot)
                for asked in moved:
                    asked.replica = replica
                if moved:
                    self._changed.notify_all()

    def _alive(self, but: Replica | None = None) -> list[Replica]:
        return [replica for replica in self._all if replica.down_since is None and replica is not but]

    def close(self) -> None:
        """Wake nobody any more."""
        self._ended = True

    def _wake_soon(self) -> None:
        if self._ended:
            return  # a task that is made while the loop stops would never run
        task = asyncio.get_running_loop().create_task(self.wake())
        self._tasks.add(task)  # a loop holds its tasks only weakly
        task.add_done_callback(self._tasks.discard)


def _home(asked: Asked) -> Replica:
    assert asked.replica is not None  # it was given to one
    return asked.replica
