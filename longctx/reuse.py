"""What a prefix cache gave, beside what it should have given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from longctx.errors import BackendError
from longctx.plan import Cache, Plan
from longctx.types import Sample
from longctx.units import percent


def cache_of(described: Mapping[str, Any]) -> Cache | None:
    """The prefix cache that a backend describes; None where it does not say.

    Args:
        described: ``block_size`` in tokens, ``kv_cache_tokens``, ``prefix_caching``; each may be missing.
    """
    block = described.get("block_size")
    if not isinstance(block, int) or described.get("prefix_caching") is False:
        return None
    tokens = described.get("kv_cache_tokens")
    return Cache(block, tokens if isinstance(tokens, int) else None)


class Reuse:
    """Watches whether prompt tokens that should come from the cache do.

    Some models (hybrids, linear attention) run with a cache that never finds anything: a sweep then costs many times
    what was planned, and nothing says so.
    """

    def __init__(self, plan: Plan, names: Sequence[str], cache: Cache | None, note: Callable[[str], None]) -> None:
        """Begin to watch.

        Args:
            plan: what is asked.
            names: of the plan's cells, as records have them.
            cache: that the server has; None: it does not say, and blocks of 1,024 tokens are taken, which few exceed.
            note: is told once where nothing is reused, and how much was in the end.
        """
        cached = plan.lengths - plan.computed(cache or Cache(1024))
        self._expected = dict(zip(names, cached.tolist(), strict=True))
        self._pair = next((index for index, tokens in enumerate(cached) if tokens), None)
        self._names, self._note = list(names), note
        self._planned = self._reused = 0
        self._unsaid = False

    def groups(self) -> list[range]:
        """Indices of the plan's cells, to be asked group after group.

        The first two that share come alone: among requests that a server works on together, one cannot be sure to find
        what another has only begun to compute.
        """
        pair = self._pair or 0
        bounds = [0, pair - 1, pair, pair + 1, len(self._names)] if pair else [0, len(self._names)]
        return [range(first, last) for first, last in pairwise(bounds) if first < last]

    def update(self, record: Mapping[str, Any]) -> None:
        """Take note of a record."""
        expected, cached = self._expected[record["cell"]], record.get("cached_tokens")
        if record["outcome"] == "error" or not expected:
            return
        if cached is None:
            self._unsaid = True
            return
        self._planned += expected
        self._reused += cached
        if not cached and self._pair is not None and record["cell"] == self._names[self._pair]:
            self._note(
                f"WARNING: the second of two prompts that begin with the same {expected:,} tokens found none of them "
                "in the server's prefix cache. Every prompt will be computed whole, which takes much longer than "
                "planned. Is prefix caching on, and does it work for this kind of model?"
            )

    def close(self) -> None:
        """Say how much was reused beside what was planned."""
        if self._unsaid:
            self._note("the server does not say what it found in its prefix cache")
        elif self._planned:
            share = self._reused / self._planned
            self._note(f"from the prefix cache: {self._reused:,} prompt tokens, {percent(share)}% of what was planned")


def verify(backend: Any, samples: Iterable[Sample]) -> dict[str, Any]:
    """Answer samples with an empty cache and again with a warm one: the answers must be the same.

    Args:
        backend: has ``forget()``, which empties its prefix cache.
        samples: few.

    Returns:
        ``checked`` and ``reused`` (how many found something in the cache), and ``differing``: a list of ``id``,
        ``cold`` and ``warm`` of those with two answers.

    Raises:
        BackendError: a call failed.
    """
    found: dict[str, Any] = {"checked": 0, "reused": 0, "differing": []}
    for sample in samples:
        backend.forget()
        answers = []
        for _ in range(2):
            [response] = backend.generate([sample])
            if response.error:
                raise BackendError(f"The cache could not be verified: {response.error}")
            answers.append(response)
        cold, warm = answers
        found["checked"] += 1
        found["reused"] += bool(warm.cached_tokens)
        if cold.text != warm.text:
            found["differing"].append({"id": sample.id, "cold": cold.text, "warm": warm.text})
    return found
