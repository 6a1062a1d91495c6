"""One engine of a Ray cluster: what it has to answer, how much it takes at once, and how it is started again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import ray

from longctx.backends.affinity import Families, Lot, Piece
from longctx.types import Response

_BATCHES = 2.0  # KV caches and batches full of samples that an engine is given at once: one to work on, one at hand


@dataclass(eq=False)
class Asked(Piece):
    """A sample on its way."""

    losses: int = 0  # engines that were lost while they had it
    alone: bool = False  # has no company at its engine any more: it may be what the engines die of


class Replica:
    """An engine in an actor.

    Attributes:
        about: what the engine says of itself, from then on when it is ready.
        lot: what it was given; `flying` is what of that it has, by the reference to its answer.
        losses: how often it was lost since it last answered anything.
    """

    def __init__(self, launch: Callable[[], Any], families: Families, timeout: float, patience: float) -> None:
        """Start it.

        Args:
            launch: a new actor with a `longctx.backends.ray_worker.Worker`.
            families: measures what samples share.
            timeout: seconds without an answer after which an engine that has samples hangs.
            patience: seconds after which one that is not ready hangs.
        """
        self._launch, self._timeout, self._patience = launch, timeout, patience
        self.lot: Lot[Asked] = Lot(families)
        self.losses = 0
        self.start()

    def start(self) -> None:
        """Start the engine, again where it was lost."""
        self.about: dict[str, Any] | None = None
        self.flying: dict[Any, Asked] = {}
        self._heard_at = time.monotonic()
        self.actor = self._launch()
        self.starting: Any = self.actor.describe.remote()

    def heard(self) -> None:
        """The engine gave a sign of life."""
        self._heard_at = time.monotonic()

    def left_s(self) -> float:
        """Seconds until it counts as hung, unless it is heard of before."""
        if self.about and not self.flying:
            return float("inf")
        return self._heard_at + (self._timeout if self.about else self._patience) - time.monotonic()

    def complaint(self) -> str:
        """What is said of it when no time is left."""
        if self.about:
            return f"no answer for {self._timeout:g} s to any of {len(self.flying)} samples: the engine hangs"
        return f"not ready after {self._patience:g} s"

    def references(self) -> list[Any]:
        """What can come from it next."""
        return [*self.flying, *([] if self.about else [self.starting])]

    def has_room(self, asked: Asked | None = None) -> bool:
        """Whether it takes another sample, or this one, now."""
        if self.about is None or any(other.alone for other in self.flying.values()):
            return False
        if not self.flying:
            return True
        tokens = sum(other.tokens for other in self.flying.values())
        return (
            not (asked and asked.alone)
            and tokens < _BATCHES * self.about.get("kv_cache_tokens", float("inf"))
            and len(self.flying) < _BATCHES * self.about.get("max_num_seqs", 8)
        )

    def send(self) -> None:
        """Hand over as much of what waits as it takes."""
        while (waiting := self.lot.waiting) and self.has_room(waiting[0]):
            asked = waiting[0]
            self.lot.begin(asked)
            if not self.flying:
                self.heard()  # it had nothing to say until now
            self.flying[self.actor.answer.remote(asked.sample.id, asked.sample.prompt_ids)] = asked

    def take(self, reference: Any) -> Asked:
        """What was answered with this reference, or lost with the engine."""
        asked = self.flying.pop(reference)
        self.lot.done(asked)
        return asked

    def take_answered(self) -> Iterator[tuple[Asked, Response]]:
        """Answers that arrived before it was lost."""
        for reference in list(self.flying):
            try:
                response = ray.get(reference, timeout=0)
            except Exception:
                continue
            yield self.take(reference), response

    def end(self) -> tuple[list[Asked], list[Asked]]:
        """End its process; what was under way there, and what was not handed over yet."""
        ray.kill(self.actor)
        return self.clear()

    def clear(self) -> tuple[list[Asked], list[Asked]]:
        """Let it have nothing to do; what was under way, and what was not handed over yet."""
        under_way = [self.take(reference) for reference in list(self.flying)]
        waiting = list(self.lot.waiting)
        for asked in waiting:
            self.lot.take_back(asked)
        self.lot.forget()
        return under_way, waiting
