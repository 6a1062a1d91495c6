"""Texts put together from phrases against the obviously right way: encode the whole text."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import small_tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from test_graph import corpus, tokenizer
from tokenizers import Regex, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as Fast
from transformers import PreTrainedTokenizerFast

from longctx import phrases as module
from longctx.borders import prove
from longctx.phrases import Phrases
from longctx.tasks import find_task
from longctx.tokens import Tokenizer
from longctx.types import Cell

Grammar = tuple[list[list[str]], list[list[int]]]

NAMES = ["0aab3", "9f03c1e2", "abc", "fff", "17", "x", "Zürich"]
WORDS = [" gentle", " the", " of", " lantern", " ...", " shall", " qhbzet", " xx"]
GRAMMARS: dict[str, Grammar] = {
    "edges": ([[f"{name} ->" for name in NAMES[:6]], [f" {name}\n" for name in NAMES[:6]]], [[0, 1]]),
    "list": ([[f" {n}." for n in range(1, 300)], WORDS, ["-lantern", "-meadow"]], [[0, 1], [0, 1, 2]]),
    "words": ([WORDS], [[0]]),
    "noise": ([["The lake is calm. On we walk.\n"]], [[0]]),
    "notes": (
        [['Note recorded for "'], ["gentle", "brisk"], ["-lantern"], ['" is 4817263.\n', '" is 12.\n']],
        [[0, 1, 2, 3]],
    ),
}
KINDS = sorted(small_tokenizers.KINDS)
PROVEN = {"edges", "list", "words", "noise"}  # for tokenizers that divide words as GPT-2's does, and its successors'


@cache
def held(kind: str, grammar: str) -> Phrases:
    return Phrases(*GRAMMARS[grammar], tokenizer(kind), dense=True)


def drawn(grammar: Grammar, numbers: list[int]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """A text of the grammar in which every choice is one of the numbers."""
    columns, forms = grammar
    firsts = np.cumsum([0, *map(len, columns)])
    choices = iter(numbers)
    order: list[int] = []
    for number in choices:
        picks = [next(choices, 0) % len(columns[column]) for column in forms[number % len(forms)]]
        order += [int(firsts[c]) + pick for c, pick in zip(forms[number % len(forms)], picks, strict=True)]
    return np.array(order, np.int64)


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=60)
@given(grammar=st.sampled_from(sorted(GRAMMARS)), numbers=st.lists(st.integers(0, 10**4), min_size=4, max_size=60))
def test_tokens_of_phrases_are_those_of_the_whole_text(kind: str, grammar: str, numbers: list[int]) -> None:
    table, order = held(kind, grammar), drawn(GRAMMARS[grammar], numbers)
    if not table.exact:
        return
    text = table.text(order)
    joined, whole = table.store(order), tokenizer(kind).encode(text)
    assert joined.text.tobytes().decode() == text and table.tokens[order].sum() == len(joined.ids)
    # A text's own first and last tokens may be others: a haystack's are encoded with what stands around it.
    begin, end = table.bytes[order[0]], table.bytes[order[:-1]].sum()
    for got, wanted in ((joined.ids, whole.ids), (joined.starts, whole.starts)):
        np.testing.assert_array_equal(
            got[(joined.starts >= begin) & (joined.starts < end)],
            wanted[(whole.starts >= begin) & (whole.starts < end)],
        )


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_proven_for_which_tokenizer(kind: str) -> None:
    exact = {grammar for grammar in GRAMMARS if held(kind, grammar).exact}
    if kind == "unigram":  # its words end at blanks alone
        assert exact == {"words"}
    elif kind == "llama2-like":  # nothing but its vocabulary says where tokens end
        assert {"words", "edges", "noise"} <= exact
    else:
        assert exact >= PROVEN


def merging_over(text: list[str], **options: Any) -> Tokenizer:
    """A BPE that has merged whatever stands side by side."""
    fast = Fast(models.BPE(**options))
    fast.train_from_iterator(text, trainers.BpeTrainer(vocab_size=400, show_progress=False))
    return Tokenizer(PreTrainedTokenizerFast(tokenizer_object=fast), "merging")


def test_there_is_no_proof_where_merges_run_over_a_border() -> None:
    columns, forms = GRAMMARS["edges"]
    text = "".join(f"{one} ->" + f" {two}\n" for one in NAMES[:6] for two in NAMES[:6])
    merging = merging_over([text * 3])
    assert any("\n" in token.strip("\n") for token in merging.fast.get_vocab())
    assert prove(columns, forms, merging) is None
    # With the same characters, but merges within lines alone, there is one.
    lines = merging_over(sorted({*map(str.strip, columns[0]), *map(str.strip, columns[1]), "\n", " "}))
    assert prove(columns, forms, lines) is not None


def test_there_is_no_proof_where_a_word_is_one_token_or_unknown_as_a_whole() -> None:
    columns, forms = [["ab", "cab"], ["-ba", "-c"]], [[0, 1]]
    vocabulary = {"[UNK]": 0, "a": 1, "b": 2, "c": 3, "-": 4, "##a": 5, "##b": 6, "##c": 7, "##-": 8}
    fast = Fast(models.WordPiece(vocabulary, unk_token="[UNK]"))
    fast.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # type: ignore[assignment]
    pieces = Tokenizer(PreTrainedTokenizerFast(tokenizer_object=fast, unk_token="[UNK]"), "pieces")
    assert prove(columns, forms, pieces) is None
    assert prove([[" ab", " cab"]], [[0]], pieces) is not None


def test_there_is_no_proof_for_borders_that_depend_on_what_stands_before() -> None:
    """Digits are taken by three: where such a group ends depends on where the number began."""
    fast = Fast(models.BPE())
    fast.pre_tokenizer = pre_tokenizers.Split(Regex(r"\p{N}{1,3}|\P{N}+"), "isolated")  # type: ignore[assignment]
    fast.train_from_iterator([f" {n}" for n in range(1000)], trainers.BpeTrainer(vocab_size=900, show_progress=False))
    grouped = Tokenizer(PreTrainedTokenizerFast(tokenizer_object=fast), "grouped")
    assert grouped.count("481") == 1 < grouped.count("4812")
    assert prove([[" 481", " 726"], ["12", "3"]], [[0, 1]], grouped) is None
    assert prove([[" 481", " 726"], [" 12", " 3"]], [[0, 1]], grouped) is not None


def test_there_is_no_proof_where_an_added_token_crosses_a_border() -> None:
    added = small_tokenizers.gpt2_like()
    assert prove([["x12", "y"], [" z"]], [[0, 1]], Tokenizer(added, "plain")) is not None
    added.backend_tokenizer.add_tokens(["12 z"])
    assert prove([["x12", "y"], [" z"]], [[0, 1]], Tokenizer(added, "added")) is None


@pytest.fixture
def dense(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Tables are tried at every length; says for each whether it was proven."""
    real, said = Phrases.__init__, list[bool]()

    def init(self: Phrases, *args: Any, dense: bool, **options: Any) -> None:
        real(self, *args, dense=True, **options)
        said.append(self.exact)

    monkeypatch.setattr(Phrases, "__init__", init)
    module.phrases.cache_clear()
    return said


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("task", ["graph_bfs", "ruler_vt", "ruler_fwe", "ruler_niah_single_1"])
def test_a_sample_is_that_of_the_whole_text(task: str, kind: str, dense: list[bool]) -> None:
    for seed, length in enumerate((2500, 9001)):
        cell = Cell(task, "page", length, 0.4 if find_task(task).depth else None, 0.0, seed)
        sample = find_task(task).build(corpus(kind), cell, tokenizer(kind))
        np.testing.assert_array_equal(sample.prompt_ids, tokenizer(kind).prompt_ids(sample.prompt))
        assert len(sample.prompt_ids) == length
    assert set(dense) == {kind != "unigram" or task == "ruler_fwe"}


@pytest.mark.parametrize("kind", ["llama3-like", "llama2-like"])
@pytest.mark.parametrize(
    ("task", "variant"),
    [
        ("ruler_cwe", {}),
        ("ruler_niah_multikey_2", {"mode": "compat"}),
        ("ruler_niah_multikey_2", {"key_kind": "numbers", "value_kind": "words"}),
        ("ruler_niah_multikey_3", {}),
    ],
)
def test_a_sample_is_the_same_with_phrases_and_without(
    task: str, variant: dict[str, str], kind: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    depth = 0.4 if find_task(task).depth else None
    cell = Cell(task, "page", 6001, depth, 0.0, 3, variant=tuple(variant.items()))
    plain = find_task(task).build(corpus(kind), cell, tokenizer(kind))
    request.getfixturevalue("dense")
    sample = find_task(task).build(corpus(kind), cell, tokenizer(kind))
    np.testing.assert_array_equal(sample.prompt_ids, tokenizer(kind).prompt_ids(sample.prompt))
    shared = 10_000  # characters: how many lines there are may depend on how they were counted
    assert sample.target == plain.target and (task == "ruler_cwe" or sample.prompt[:shared] == plain.prompt[:shared])
