"""Parts of haystacks that are no documents: lists, sentences of one form."""

from __future__ import annotations

from dataclasses import dataclass

from longctx.exact import Insert
from longctx.phrases import Order


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A stretch of a generated haystack, its own separators included.

    Attributes:
        text: what stands there.
        insert: what it holds for the record: a needle or distractor; None for filler.
        closing: True for the empty part where the closing goes; without one it goes to the end.
        order: in place of a text, filler by its phrases in `phrases.Phrases`.
        cut: bytes that are left out at the end of these.
    """

    text: str = ""
    insert: Insert | None = None
    closing: bool = False
    order: Order | None = None
    cut: int = 0


CLOSING = Part("", closing=True)
