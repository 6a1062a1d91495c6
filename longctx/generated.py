"""Parts of haystacks that are no documents: lists, sentences of one form."""

from __future__ import annotations

from dataclasses import dataclass

from longctx.exact import Insert


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a generated haystack, its own separators included.

    Attributes:
        text: what stands there.
        insert: what it holds for the record: a needle or distractor; None for filler.
        closing: True for the empty part where the closing goes; without one it goes to the end.
    """

    text: str
    insert: Insert | None = None
    closing: bool = False


CLOSING = Part("", closing=True)
