"""Which of several engines a haystack belongs to: the one whose prefix cache holds it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Engine = TypeVar("Engine")


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
