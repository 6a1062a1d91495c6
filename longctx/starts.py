"""At which bytes tokens begin, from the bytes that each stands for: cheaper than having the encoder keep track.

For byte-level vocabularies; taken only where it gives what the encoder says, which is tried on the text at hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, pairwise

import numpy as np
import numpy.typing as npt

from longctx.tokens import Offsets, Tokenizer
from longctx.types import Ids

_PROBE = "  Two  words,\n\n\tthree – naïve 合同 🙂🙂 a’b\r\n   x = 1  # ünï  "
_TRIED = 4_000  # characters of a text with which the lengths are tried


class Starts:
    """A vocabulary's lengths; `of` computes with them.

    Attributes:
        lengths: (vocabulary,) bytes of each token.
    """

    def __init__(self, lengths: npt.NDArray[np.int64]) -> None:
        """Keep the lengths; `find` looks them up."""
        self.lengths = lengths

    @classmethod
    def find(cls, tokenizer: Tokenizer, text: str = "") -> Starts | None:
        """The lengths, or None where they don't do for this tokenizer: the beginning of `text` is tried."""
        lengths = tokenizer.byte_lengths
        if lengths is None:
            return None
        found = cls(lengths)
        samples = (_PROBE, text[:_TRIED])
        for sample, encoding in zip(samples, tokenizer.encode_many(samples), strict=True):
            starts = found.of(encoding.ids, np.frombuffer(sample.encode(), np.uint8))
            if starts is None or not np.array_equal(starts, encoding.starts):
                return None  # one that leaves blanks out of a token's place, for example
        return found

    def encode(self, tokenizer: Tokenizer, texts: Sequence[str]) -> list[tuple[Ids, Offsets]]:
        """Ids of each text and the bytes at which they begin: `Tokenizer.encode_many` for many short texts.

        Args:
            tokenizer: whose lengths these are.
            texts: any number.
        """
        found = tokenizer.id_lists(texts)
        ids = np.fromiter(chain.from_iterable(found), np.uint32, sum(map(len, found)))
        raw = "".join(texts).encode()
        sizes = [len(text) for text in texts] if len(raw) == sum(map(len, texts)) else [len(t.encode()) for t in texts]
        borders = np.cumsum([0, *sizes])
        starts = self.of(ids, np.frombuffer(raw, np.uint8))
        counts = np.cumsum([0, *map(len, found)])
        # Every text's first token must begin where the text does: then no text's tokens reach into the next one.
        if starts is None or not np.array_equal(np.append(starts, borders[-1])[counts], borders):
            return [(one.ids, one.starts) for one in tokenizer.encode_many(texts)]
        own = starts - np.repeat(borders[:-1], np.diff(counts))
        return [(ids[first:last], own[first:last]) for first, last in pairwise(counts.tolist())]

    def of(self, ids: Ids | npt.NDArray[np.int64], raw: npt.NDArray[np.uint8]) -> Offsets | None:
        """Byte at which each token begins, (n,); None where the tokens are not those of exactly these bytes."""
        lengths = self.lengths[ids]
        ends = np.cumsum(lengths)
        if len(raw) != (ends[-1] if len(ends) else 0):
            return None
        starts: Offsets = ends - lengths
        if raw.size and raw.max() > 0x7F:  # a token within a character begins where the character does
            begins = np.where((raw & 0xC0) == 0x80, 0, np.arange(len(raw)))
            starts = np.maximum.accumulate(begins)[np.minimum(starts, len(raw) - 1)]
        return starts
