"""The ids of a byte-level BPE by tiktoken's encoder, which is several times as fast as the tokenizer's own.

Both split a text into words by a regular expression and merge each word's bytes in the order of the vocabulary. What
could differ is tried, on the text at hand: for every character that occurs, where words end beside it; of long texts,
one in sixteen whole. Where one id differs, the tokenizer's own encoder is used from then on.
"""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from longctx.types import Ids

_LONG = 1 << 12  # characters from which a text counts as long
_TRIED = 16  # of so many long texts, one is encoded by both
_CONTRACTIONS = "'s|'t|'re|'ve|'m|'ll|'d"
# The pattern of GPT-2, which `ByteLevel` has built in; and what is left of it where digits were split off before.
_GPT2 = rf"{_CONTRACTIONS}| ?\p{{L}}+| ?\p{{N}}+| ?[^\s\p{{L}}\p{{N}}]+|\s+(?!\S)|\s+"
_GPT2_DIGITS = rf"\p{{N}}|{_CONTRACTIONS}| ?\p{{L}}+| ?[^\s\p{{L}}\p{{N}}]+|\s+(?![^\s\p{{N}}])|\s+"
_AROUND = (
    "{0}",
    "a{0}",
    "{0}a",
    "a{0}a",
    "1{0}1",
    " {0}",
    "{0} ",
    "  {0}  {0}{0}",
    ".{0}.",
    "\n{0}\n",
    "'{0}s",
    "A{0}B 合{0}",
)


class Quick:
    """A tokenizer's faster twin."""

    def __init__(self, fast: Any, encoding: Any, unknown: bytes, odd: Sequence[str], normalised: bool) -> None:
        """Keep the two encoders; `find` looks whether there is a faster one."""
        self._fast, self._encoding, self._unknown = fast, encoding, unknown
        self._odd, self._normalised = odd, normalised
        self._tried: set[str] = set()
        self._broken = False

    @classmethod
    def find(cls, fast: Any) -> Quick | None:
        """The twin of a ``tokenizers.Tokenizer``, or None where it is of another kind."""
        rules = json.loads(fast.to_str())
        pattern = _pattern(rules["pre_tokenizer"])
        normaliser = (rules["normalizer"] or {}).get("type")
        ranks = _ranks(rules)
        if pattern is None or ranks is None or normaliser not in (None, "NFC"):
            return None
        from tiktoken import Encoding

        plain, odd = _added(rules["added_tokens"], normaliser is not None)
        try:
            encoding = Encoding("longctx", pat_str=pattern, mergeable_ranks=ranks, special_tokens=plain)
        except ValueError:  # a pattern in another dialect
            return None
        unknown = bytes(byte for byte in range(256) if bytes([byte]) not in ranks)
        return cls(fast, encoding, unknown, odd, normaliser is not None)

    def encode(self, texts: Sequence[str]) -> list[Ids] | None:
        """Ids of each text, without special tokens added; None where the tokenizer's own encoder must be asked."""
        if self._broken or not self._can(texts):
            return None
        try:
            if max(map(len, texts), default=0) < _LONG:  # a thread's start would take longer than a text
                found = list(map(self._encode, texts))
            else:
                with ThreadPoolExecutor(os.cpu_count()) as pool:
                    found = list(pool.map(self._encode, texts))
        except ValueError:  # millions of blanks in a row are too much for the regular expression
            return None
        odd = [index for index, text in enumerate(texts) if self._is_odd(text)]
        for index, ids in zip(odd, self._own([texts[index] for index in odd]), strict=True):
            found[index] = ids
        long = [index for index, text in enumerate(texts) if len(text) >= _LONG][::_TRIED]
        return found if self._same([texts[index] for index in long], [found[index] for index in long]) else None

    def _encode(self, text: str) -> Ids:
        ids: Ids = self._encoding.encode_to_numpy(text, allowed_special="all")
        return ids

    def _is_odd(self, text: str) -> bool:
        """Whether the tokenizer does something to this text before it splits it into words."""
        if self._normalised and not unicodedata.is_normalized("NFC", text):
            return True
        return any(word in text for word in self._odd)

    def _can(self, texts: Sequence[str]) -> bool:
        new = sorted(set().union(*texts) - self._tried)
        if not new:
            return True
        if not set(self._unknown).isdisjoint("".join(new).encode(errors="replace")):
            return False  # there is no token for a byte, and tiktoken takes every one for granted
        tries = [form.format(letter) for letter in new for form in _AROUND]
        tries = [text for text in tries if not self._is_odd(text)]
        self._tried |= set(new)
        return self._same(tries, list(map(self._encode, tries)))

    def _own(self, texts: Sequence[str]) -> list[Ids]:
        own = self._fast.encode_batch_fast(list(texts), add_special_tokens=False)
        return [np.array(encoding.ids, np.uint32) for encoding in own]

    def _same(self, texts: Sequence[str], found: Sequence[Ids]) -> bool:
        self._broken |= not all(map(np.array_equal, self._own(texts), found))
        return not self._broken


def _pattern(pre: Mapping[str, Any] | None) -> str | None:
    """What splits a text into words, as one regular expression; None for other kinds of pre-tokeniser."""
    parts = pre["pretokenizers"] if pre and pre["type"] == "Sequence" else [pre]
    if parts[-1] is None or parts[-1]["type"] != "ByteLevel" or parts[-1]["add_prefix_space"]:
        return None
    match parts[:-1], parts[-1]["use_regex"]:
        case [], True:
            return _GPT2
        case [{"type": "Digits", "individual_digits": True}], True:
            return _GPT2_DIGITS
        case [{"type": "Split", "pattern": {"Regex": str(pattern)}, "behavior": "Isolated", "invert": False}], False:
            return pattern
    return None


def _ranks(rules: Mapping[str, Any]) -> dict[bytes, int] | None:
    """Bytes of each token → its id, where merging by the order of the ids is merging by the list of merges."""
    model = rules["model"]
    plain = ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback")
    if model["type"] != "BPE" or any(model.get(name) for name in plain):
        return None
    letters = _letters()
    added = {token["content"] for token in rules["added_tokens"]}
    vocabulary: dict[str, int] = model["vocab"]
    merged = [vocabulary.get("".join(pair if isinstance(pair, list) else pair.split(" "))) for pair in model["merges"]]
    numbers = np.array([-1 if number is None else number for number in merged], np.int64)
    if (numbers < 0).any() or (np.diff(numbers) < 0).any():
        return None
    try:
        return {bytes(map(letters.__getitem__, t)): n for t, n in vocabulary.items() if t not in added}
    except KeyError:  # a token that is none of bytes
        return None


def _added(tokens: Sequence[Mapping[str, Any]], normalised: bool) -> tuple[dict[str, int], list[str]]:
    """Added tokens at which both split a text in the same way, and those that take more with them or overlap."""
    flags = ("lstrip", "rstrip", "single_word", *(["normalized"] if normalised else []))
    words = [token["content"] for token in tokens]
    plain, odd = dict[str, int](), list[str]()
    for token in tokens:
        word = token["content"]
        if any(token[flag] for flag in flags) or any(other != word and word in other for other in words):
            odd.append(word)
        else:
            plain[word] = token["id"]
    return plain, odd


def _letters() -> dict[str, int]:
    """Letter that stands for a byte in a byte-level vocabulary → the byte, as GPT-2 has it."""
    own = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in own]
    return {chr(byte): byte for byte in own} | {chr(256 + index): byte for index, byte in enumerate(others)}
