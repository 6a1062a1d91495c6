"""Texts put together from a table of phrases, each of which is encoded once: a list of a million words in milliseconds.

That tokens of phrases may be put side by side is proven for the tokenizer at hand (see `borders`); where the proof
fails, texts must be encoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from longctx.borders import Table, prove
from longctx.encoded import TextStore
from longctx.tokens import Tokenizer

Order = npt.NDArray[np.int64]
_COUNTED = 256  # phrases of a column that are encoded where only about their number of tokens is wanted


class Phrases:
    """A table of phrases in columns, and texts made of them.

    A text is any sequence of forms; a form is a sequence of columns, from each of which it takes any phrase.

    Attributes:
        texts: all phrases, column by column.
        firsts: index of each column's first phrase.
        bytes: (phrases,) of each in UTF-8.
    """

    def __init__(
        self, columns: Sequence[Sequence[str]], forms: Sequence[Sequence[int]], tokenizer: Tokenizer, *, dense: bool
    ) -> None:
        """Nothing is encoded yet.

        Args:
            columns: phrases, at least one in each.
            forms: columns of each form.
            tokenizer: the model's.
            dense: texts will be long, so that encoding the table, in the first of them, is worth it.
        """
        self.texts = [text for column in columns for text in column]
        self.firsts = [0, *accumulate(map(len, columns))]
        self.bytes = np.array([len(text.encode()) for text in self.texts], np.int64)
        self._objects = np.array(self.texts, object)
        self._columns, self._forms, self._tokenizer, self._dense = columns, forms, tokenizer, dense

    @cached_property
    def _table(self) -> Table | None:
        return prove(self._columns, self._forms, self._tokenizer) if self._dense else None

    @property
    def exact(self) -> bool:
        """True where a text's tokens are those of its phrases, proven."""
        return self._table is not None

    @cached_property
    def tokens(self) -> npt.NDArray[np.float64]:
        """(phrases,) tokens of each; where not `exact`, about as many."""
        if self._table is not None:
            return self._table.counts.astype(float)
        counted = []
        for column in self._columns:
            some = np.unique(np.linspace(0, len(column) - 1, _COUNTED).astype(int))
            sizes = self._tokenizer.count_many([column[index] for index in some])
            counted.append(np.interp(np.arange(len(column)), some, sizes))
        return np.concatenate(counted)

    def text(self, order: Order) -> str:
        """Phrases by their indices, joined."""
        return "".join(self._objects[order.ravel()].tolist())

    def store(self, order: Order) -> TextStore:
        """The same with the tokens that it has within a longer text; only where `exact`."""
        assert self._table is not None
        ids, starts = self._table.gather(order.ravel())
        return TextStore(np.frombuffer(self.text(order).encode(), np.uint8), ids, starts)


@lru_cache(maxsize=8)
def phrases(
    columns: tuple[tuple[str, ...], ...], forms: tuple[tuple[int, ...], ...], tokenizer: Tokenizer, *, dense: bool
) -> Phrases:
    """`Phrases`, kept for the next sample: its table is encoded once in a process."""
    return Phrases(columns, forms, tokenizer, dense=dense)
