"""One engine of a Ray cluster: what it has to answer, how much it takes at once, and how it is started again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import ray

from longctx.types import Response, Sample

_BATCHES = 2.0  # KV caches and batches full of samples that an engine is given at once: one to work on, one at hand


@dataclass(eq=False, slots=True)
class Asked:
    """A sample on its way."""

    sample: Sample
    losses: int = 0  # engines that were lost while they had it
    alone: bool = False  # has no company at its engine any more: it may be what the engines die of

    @property
    def haystack(self) -> str:
        """What it shares with other samples; empty: nothing."""
        return str(self.sample.metadata.get("haystack") or "")

    @property
    def tokens(self) -> int:
        """Of its prompt."""
        return len(self.sample.prompt_ids)


class Replica:
    """An engine in an actor."""

    def __init__(self, launch: Callable[[], Any]) -> None:
        """Start it.

        Args:
            launch: a new actor with a `longctx.backends.ray_worker.Worker`.
        """
        self._launch = launch
        self.losses = 0  # since it last answered anything
        self.start()

    def start(self) -> None:
        """Start the engine, again where it was lost."""
        self.about: dict[str, Any] | None = None  # what the engine says of itself, from then on when it is ready
        self.queue: deque[Asked] = deque()
        self.flying: dict[Any, Asked] = {}
        self.actor = self._launch()
        self.starting: Any = self.actor.describe.remote()

    def references(self) -> list[Any]:
        """What can come from it next."""
        return [*self.flying, *([] if self.about else [self.starting])]

    def load(self) -> int:
        """Prompt tokens that it has yet to answer."""
        return sum(asked.tokens for asked in (*self.queue, *self.flying.values()))

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
        while self.queue and self.has_room(self.queue[0]):
            asked = self.queue.popleft()
            self.flying[self.actor.answer.remote(asked.sample.id, asked.sample.prompt_ids)] = asked

    def take_answered(self) -> Iterator[tuple[Asked, Response]]:
        """Answers that arrived before it was lost."""
        for reference, asked in list(self.flying.items()):
            try:
                response = ray.get(reference, timeout=0)
            except Exception:
                continue
            del self.flying[reference]
            yield asked, response

    def end(self) -> tuple[list[Asked], list[Asked]]:
        """End its process; what was under way there, and what was not handed over yet."""
        ray.kill(self.actor)
        under_way, waiting = list(self.flying.values()), list(self.queue)
        self.flying.clear()
        self.queue.clear()
        return under_way, waiting
