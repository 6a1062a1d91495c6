"""Which short runs of bytes a text holds: tells at once of nearly every word that does not stand in it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_RUN = 5  # bytes; a shorter word may always be held
_BITS = 22  # of the table that runs are hashed into
_PART = 1 << 20  # bytes that are hashed at a time: bounds memory
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


class Grams:
    """The runs of one text."""

    def __init__(self, text: npt.NDArray[np.uint8]) -> None:
        """Hash all of them.

        Args:
            text: (bytes,).
        """
        self._there = np.zeros(1 << _BITS, bool)
        for begin in range(0, len(text), _PART):
            self._there[_hashes(text[begin : begin + _PART + _RUN - 1])] = True

    def may_hold(self, word: bytes) -> bool:
        """False only where the text does not hold `word`."""
        return bool(self._there[_hashes(np.frombuffer(word, np.uint8))].all())


def _hashes(raw: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    """One for each run, from 0 below 2 ** `_BITS`."""
    count = max(0, len(raw) - _RUN + 1)
    runs = np.zeros(count, np.uint64)
    for at in range(_RUN):
        runs = (runs << np.uint64(8)) | raw[at : at + count]
    return (runs * _FACTOR) >> np.uint64(64 - _BITS)
