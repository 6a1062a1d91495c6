"""How often words stand in the documents, as scorers compare them: answered fast for thousands of phrases."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from longctx.scorers import normalise, occurrences

_TOKEN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|\d+|[^\W\d_]+")
SHINGLE = 5  # words
_MANY = 20_000  # places of a phrase's rarest word from which on plain counting is faster


class Index:
    """The words of all documents, normalised as answers are."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.text = "\n".join(normalise(text) for text in texts)
        numbers: dict[str, int] = {}
        ids, starts = [], []
        for match in _TOKEN.finditer(self.text):
            ids.append(numbers.setdefault(match[0], len(numbers)))
            starts.append(match.start())
        self._numbers = numbers
        self._starts = np.array(starts, np.int64)
        words = np.array(ids, np.int64)
        self._order = np.argsort(words, kind="stable")
        self._bounds = np.searchsorted(words[self._order], np.arange(len(numbers) + 1))
        self._shingles = _hashes(words)
        self._sorted = np.sort(self._shingles)

    def count(self, phrase: str, most: int = 2) -> int:
        """How often a phrase stands in the documents as `scorers.occurrences` counts it, but `most` at most."""
        phrase = normalise(phrase)
        tokens = [(match.start(), self._numbers.get(match[0])) for match in _TOKEN.finditer(phrase)]
        if not tokens:
            return min(most, occurrences(phrase, self.text))
        sizes = [(self._bounds[n + 1] - self._bounds[n], at, n) for at, n in tokens if n is not None]
        if len(sizes) < len(tokens):
            return 0
        size, at, number = min(sizes)
        if size > _MANY:
            return min(most, occurrences(phrase, self.text))
        places = self._starts[self._order[self._bounds[number] : self._bounds[number + 1]]] - at
        return count_in(self.text, phrase, map(int, places), most)

    def rare(self, words: str) -> tuple[int, int]:
        """Of the runs of `SHINGLE` words in `words`, how many stand once in the documents, and how many there are."""
        numbers = [self._numbers.get(token, -1) for token in _TOKEN.findall(normalise(words))]
        hashes = _hashes(np.array(numbers, np.int64))
        if not len(hashes):
            return 0, 0
        counts = np.searchsorted(self._sorted, hashes, "right") - np.searchsorted(self._sorted, hashes, "left")
        return int(np.count_nonzero(counts <= 1)), len(hashes)


def count_in(text: str, phrase: str, places: Iterable[int], most: int) -> int:
    """At how many of the places a phrase stands as a word or number of its own, but `most` at most; both normalised."""
    found = 0
    for begin in places:
        if begin >= 0 and text.startswith(phrase, begin):
            # Around it, as much as says whether it is one of its own.
            found += occurrences(phrase, text[max(0, begin - 3) : begin + len(phrase) + 24]) > 0
            if found == most:
                break
    return found


def _hashes(words: np.ndarray) -> np.ndarray:
    """(n - SHINGLE + 1,) a number for each run of words."""
    if len(words) < SHINGLE:
        return np.empty(0, np.uint64)
    mixed = np.zeros(len(words) - SHINGLE + 1, np.uint64)
    for offset in range(SHINGLE):
        part = words[offset : len(words) - SHINGLE + 1 + offset].astype(np.uint64) + np.uint64(0x9E3779B9)
        mixed = (mixed ^ part) * np.uint64(0x100000001B3)
        mixed ^= mixed >> np.uint64(29)
    return mixed
