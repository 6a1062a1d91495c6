"""Proof that tokens of phrases may be put side by side: none crosses a border, none depends on what is behind one.

Three things are asked of a tokenizer, for all phrases of a table and all ways in which they may follow each other:

* No entry of its vocabulary holds the last character of a phrase before the first of one that may follow. So no token
  ever crosses a border, whatever stands around it.
* Its pre-tokeniser ends a word at every border; or its model is a BPE of merges alone. That one needs no words: merges
  are entries of the vocabulary, so those on either side of a border that none crosses know nothing of each other.
* A text in which every phrase occurs, many of them between several neighbours, and every form after every other, gets
  exactly the tokens that were noted for its phrases.

What tokenizers do beyond that looks one character ahead at most, at a class of characters and not at a phrase.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from longctx.tokens import Offsets, Tokenizer
from longctx.types import Ids

_AGAIN = 2048  # phrases of each column that are encoded a second time, between other neighbours
_CHUNK = 2048  # phrases that are encoded as one text
_BATCH = 8  # texts handed to the tokenizer in one call: bounds memory
_NEIGHBOURS = ("x", "X1", "7", ".", "x.", "\n", "x\n\n", " ", "x ", "\t", ")", '"', "'s", "é", "字", "。", "🙂")
_AROUND = 16  # phrases on either side of these: a text's first and last tokens may be others than within it

Columns = Sequence[Sequence[str]]
Forms = Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Tokens of phrases, one phrase behind the other.

    Attributes:
        ids: (n,) tokens of all phrases.
        starts: (n,) byte at which each begins in its phrase.
        firsts: (phrases,) the first token of each phrase.
        counts: (phrases,) tokens of each.
        bytes: (phrases,) bytes of each.
    """

    ids: Ids
    starts: Offsets
    firsts: Offsets
    counts: Offsets
    bytes: Offsets

    def gather(self, order: npt.NDArray[np.int64]) -> tuple[Ids, Offsets]:
        """Tokens of the phrases with these indices, joined, and the bytes at which they begin."""
        counts, sizes = self.counts[order], self.bytes[order]
        ends = np.cumsum(counts)
        total = int(ends[-1]) if len(ends) else 0
        index = np.arange(total) + np.repeat(self.firsts[order] - (ends - counts), counts)
        starts: Offsets = self.starts[index]
        starts += np.repeat(np.cumsum(sizes) - sizes, counts)
        return self.ids[index], starts


def prove(columns: Columns, forms: Forms, tokenizer: Tokenizer) -> Table | None:
    """Tokens of each phrase; None where they might not be the same in every text of these forms.

    Args:
        columns: phrases.
        forms: columns from which each form takes a phrase, one after the other.
        tokenizer: the model's.
    """
    texts = [text for column in columns for text in column]
    if not all(text and text.isascii() for text in texts) or not _may_split(columns, forms, tokenizer):
        return None
    sizes = np.array(list(map(len, texts)), np.int64)
    orders = [_chain(columns, forms, again=False), _chain(columns, forms, again=True)]
    found = [_encoded(texts, sizes, order, tokenizer) for order in orders]
    if found[0] is None:
        return None
    table = _table(orders[0], found[0], sizes)
    for order, tokens in zip(orders, found, strict=True):
        if tokens is None:
            return None
        ids, starts = table.gather(order)
        if not np.array_equal(ids, tokens[0]) or not np.array_equal(starts, tokens[1]):
            return None
    return table


@lru_cache(maxsize=1 << 10)
def apart(tokenizer: Tokenizer, before: str, behind: str) -> bool:
    """True where tokens on either side of the border between two texts know nothing of the other side.

    What is asked is as for phrases: no entry of the vocabulary holds both characters at the border, and words end there
    or merges are all there is; and between texts of many kinds each side keeps its tokens.

    Args:
        tokenizer: the model's.
        before: what always stands before the border; not empty.
        behind: what always stands behind it; not empty.
    """
    if not _parted(tokenizer, before[-1], behind[0]):
        return False
    merges_alone = _merges_alone(tokenizer)
    lefts: dict[str, set[tuple[int, ...]]] = {}
    rights: dict[str, set[tuple[int, ...]]] = {}
    for far, near in product(_NEIGHBOURS, _NEIGHBOURS):
        border = len(far) + len(before)
        encoding = tokenizer.fast.encode(far + before + behind + near, add_special_tokens=False)
        begins = [begin for begin, _ in encoding.offsets]
        if border not in begins or any(begin < border < end for begin, end in encoding.offsets):
            return False
        first = begins.index(border)
        words = encoding.word_ids
        if not merges_alone and first and words[first] == words[first - 1]:
            return False
        lefts.setdefault(far, set()).add(tuple(encoding.ids[:first]))
        rights.setdefault(near, set()).add(tuple(encoding.ids[first:]))
    return all(len(found) == 1 for found in [*lefts.values(), *rights.values()])


def _may_split(columns: Columns, forms: Forms, tokenizer: Tokenizer) -> bool:
    """True where no entry of the vocabulary holds two characters between which two phrases may meet."""
    meet = {pair for form in forms for pair in zip(form, form[1:], strict=False)}
    meet |= {(before[-1], behind[0]) for before, behind in product(forms, forms)}
    lasts = [{text[-1] for text in column} for column in columns]
    firsts = [{text[0] for text in column} for column in columns]
    pairs = {pair for before, behind in meet for pair in product(lasts[before], firsts[behind])}
    return all(_parted(tokenizer, *pair) for pair in sorted(pairs))


@lru_cache(maxsize=1 << 14)
def _parted(tokenizer: Tokenizer, before: str, behind: str) -> bool:
    """True where no entry of the vocabulary holds these two characters side by side, as the model sees them."""
    fast, seen = tokenizer.fast, f"x{before}{behind}x"
    if fast.normalizer is not None:
        seen = fast.normalizer.normalize_str(seen)
    if fast.pre_tokenizer is not None:
        seen = "".join(word for word, _ in fast.pre_tokenizer.pre_tokenize_str(seen))
    pair = seen[seen.index("x") + 1 : seen.rindex("x")] if seen.count("x") > 1 else seen
    if len(pair) < 2:  # a blank that is in no token: there must be words
        return not _merges_alone(tokenizer)
    return len(pair) == 2 and pair not in _vocabulary(tokenizer)


@lru_cache(maxsize=4)
def _vocabulary(tokenizer: Tokenizer) -> str:
    return "\0".join(tokenizer.fast.get_vocab())


def _merges_alone(tokenizer: Tokenizer) -> bool:
    """True for a BPE whose tokens are what its merges make of characters, in words or not."""
    from tokenizers.models import BPE

    model = tokenizer.fast.model
    if not isinstance(model, BPE):
        return False
    return not (model.ignore_merges or model.dropout or model.continuing_subword_prefix or model.end_of_word_suffix)


def _chain(columns: Columns, forms: Forms, *, again: bool) -> npt.NDArray[np.int64]:
    """Phrases in the forms' order: each once at least, or some of them `again` with others as neighbours."""
    firsts = np.cumsum([0, *map(len, columns)])
    takes = [
        np.unique(np.linspace(0, len(column) - 1, min(len(column), _AGAIN)).astype(int))
        if again
        else range(len(column))
        for column in columns
    ]
    cursors = [place if again else 0 for place in range(len(columns))]
    wanted = [cursor + len(take) for cursor, take in zip(cursors, takes, strict=True)]
    order: list[int] = []
    while any(cursor < want for cursor, want in zip(cursors, wanted, strict=True)):
        for form in _each_after_each(len(forms)):
            for column in forms[form]:
                take = takes[column]
                order.append(int(firsts[column] + take[cursors[column] % len(take)]))
                cursors[column] += 1
    return np.array(order, np.int64)


def _each_after_each(count: int) -> list[int]:
    """Numbers below `count` in a ring in which every one follows every one, itself too: a de Bruijn sequence."""
    return [number for i in range(count) for number in [i, *(one for j in range(i + 1, count) for one in (i, j))]]


def _encoded(
    texts: Sequence[str], sizes: Offsets, order: npt.NDArray[np.int64], tokenizer: Tokenizer
) -> tuple[Ids, Offsets] | None:
    """Ids of the joined phrases and the bytes at which they begin; None where a token crosses a border."""
    merges_alone, unknown = _merges_alone(tokenizer), getattr(tokenizer.fast.model, "unk_token", None)
    never = tokenizer.fast.token_to_id(unknown) if merges_alone and unknown else None
    all_ids, all_starts = [], []
    begin = 0
    for encoding, phrases in _between_others(texts, order, tokenizer):
        ids, starts, behind, words = _fields(encoding)
        ends = np.cumsum(sizes[phrases])
        owners = ends.searchsorted(starts, side="right")
        if never is not None and never in ids:
            return None  # unknown characters side by side may become one token
        if np.any(np.diff(owners) < 0) or owners[-1] >= len(ends) or np.any(behind > ends[owners]):
            return None
        counts = np.bincount(owners, minlength=len(ends))
        firsts = np.cumsum(counts) - counts
        if not counts.all() or not (merges_alone or np.all(words[firsts[1:]] != words[firsts[1:] - 1])):
            return None
        own = slice(int(firsts[_AROUND]), int(firsts[-_AROUND]))
        all_ids.append(ids[own])
        all_starts.append(starts[own] - ends[_AROUND - 1] + begin)
        begin += int(ends[-_AROUND - 1] - ends[_AROUND - 1])
    return np.concatenate(all_ids), np.concatenate(all_starts)


def _between_others(
    texts: Sequence[str], order: npt.NDArray[np.int64], tokenizer: Tokenizer
) -> Iterator[tuple[Any, npt.NDArray[np.int64]]]:
    """Encodings of stretches of a ring of phrases, and those phrases, with ``_AROUND`` others on either side."""
    begins = range(0, len(order), _CHUNK)
    stretches = [np.arange(at - _AROUND, min(at + _CHUNK, len(order)) + _AROUND) % len(order) for at in begins]
    for first in range(0, len(stretches), _BATCH):
        batch = [order[stretch] for stretch in stretches[first : first + _BATCH]]
        joined = ["".join([texts[index] for index in phrases.tolist()]) for phrases in batch]
        yield from zip(tokenizer.fast.encode_batch(joined, add_special_tokens=False), batch, strict=True)


def _fields(encoding: Any) -> tuple[Ids, Offsets, Offsets, Offsets]:
    """Ids, first and last bytes (exclusive), and numbers of words; of text in ASCII."""
    offsets = np.array(encoding.offsets, np.int64).reshape(-1, 2)
    words = np.array([-1 if word is None else word for word in encoding.word_ids], np.int64)
    return np.array(encoding.ids, np.uint32), offsets[:, 0], offsets[:, 1], words


def _table(order: npt.NDArray[np.int64], tokens: tuple[Ids, Offsets], sizes: Offsets) -> Table:
    """What each phrase got where it occurs first."""
    ids, starts = tokens
    ends = np.cumsum(sizes[order])
    places = np.unique(order, return_index=True)[1]
    firsts = starts.searchsorted(ends - sizes[order])[places]
    behind = starts.searchsorted(ends)[places]
    begins = (ends - sizes[order])[places]
    counts = behind - firsts
    index = np.arange(counts.sum()) + np.repeat(firsts - (np.cumsum(counts) - counts), counts)
    return Table(ids[index], starts[index] - np.repeat(begins, counts), np.cumsum(counts) - counts, counts, sizes)
