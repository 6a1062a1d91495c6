"""The one seam between a sample and whatever answers it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from longctx.types import Response, Sample


class Backend(Protocol):
    """Anything that answers samples.

    Attributes:
        name: what a user types after ``--backend``.
        double: True for test doubles (oracle, lossy); reports watermark their results.

    One with a prefix cache that can be emptied has a method ``forget()`` that does it, for ``--verify-cache``.
    One that renders the chat template elsewhere has ``exact = False``: its count of prompt tokens may differ a little.
    """

    name: str
    double: bool

    def describe(self) -> dict[str, Any]:
        """What the manifest should say: model, engine arguments, YaRN, device. JSON values, no secrets."""
        ...

    def generate(self, samples: Iterable[Sample]) -> Iterator[Response]:
        """Answer each sample once; a response is yielded as soon as it is there, in any order.

        A failed call is a Response with ``error`` set, not an exception.

        Raises:
            ContractError: the engine counted other prompt tokens than the sample has.
        """
        ...

    def close(self) -> None:
        """Release the engine. May be called twice."""
        ...
