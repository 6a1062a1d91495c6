"""Scorers that others published, against what their sources do. Every text here is ours."""

from __future__ import annotations

import difflib
from typing import Any

import pytest

from longctx.errors import UsageError
from longctx.published import graph_f1, graph_f1_card, graph_f1_empty, mrcr_deepmind, mrcr_openai, ruler_all, ruler_part

# NVIDIA/RULER c3f5e3b, scripts/eval/synthetic/constants.py (the matches) and scripts/eval/evaluate.py (control
# characters). Substrings count, also inside a longer word.
RULER = [
    (["4817263"], "The number is 4817263.", 1, 1),
    (["4817263", "9021144"], "4817263", 0.5, 1),
    (["Alder"], "the ALDERS of the north", 1, 1),
    (["two words"], "two\nwords", 0, 0),
    (["two\nwords"], "two\twords", 1, 1),  # a tab is a control character and becomes a newline
    (["a\nb"], "a\x1fb", 1, 1),
    (["a\nb"], "a\x7fb", 0, 0),  # 0x7F is none
    (["1,000"], "1000", 0, 0),  # nothing else is made alike
    (["ÄRGER"], "ärger", 1, 1),
    (["x", "y", "z"], "x z", 2 / 3, 1),
    (["x"], "", 0, 0),
    ([""], "", 1, 1),  # an empty reference occurs in everything
    ([], "x", 0, 0),  # ours: the original divides by zero
    ("one text", "One Text", 1, 1),
]


@pytest.mark.parametrize(("references", "prediction", "share", "any_of_them"), RULER)
def test_ruler(references: Any, prediction: str, share: float, any_of_them: float) -> None:
    assert ruler_all(references, prediction, {})[0] == pytest.approx(share)
    assert ruler_part(references, prediction, {})[0] == any_of_them


PREFIX = "q7Lw2ZxV9b"
PIECE = "The lessee keeps the yard swept and the gate shut."
ANSWER = PREFIX + PIECE

# OpenAI: the card of openai/mrcr. DeepMind: google-deepmind/eval_hub 67b7fd2, mrcr_v2/run_evaluation.py.
MRCR = [
    (ANSWER, 1, 1),
    (PIECE, 0, 0),  # no prefix
    ("", 0, 0),
    (f"Here it is: {ANSWER}", 0, 1),  # something precedes the prefix: the two disagree
    (f" {ANSWER}", 0, 1),  # even a blank; DeepMind strips
    (f"{ANSWER}\n", 100 / 101, 1),
    (f"{PREFIX} {PIECE}", 100 / 101, 1),
    (f"{PREFIX} wrong; no: {ANSWER}", None, 1),  # DeepMind takes what follows the last prefix
    (f"{ANSWER} {PREFIX}", None, 0),
    (PREFIX, 0, 0),
    (PREFIX.lower() + PIECE, 0, 0),  # case counts
]


@pytest.mark.parametrize(("response", "openai", "deepmind"), MRCR)
def test_mrcr(response: str, openai: float | None, deepmind: float) -> None:
    metadata = {"random_string_to_prepend": PREFIX}
    if openai is not None:
        assert mrcr_openai(ANSWER, response, metadata)[0] == pytest.approx(openai)
    else:
        assert 0 < mrcr_openai(ANSWER, response, metadata)[0] < 1
    assert mrcr_deepmind(ANSWER, response, metadata)[0] == pytest.approx(deepmind)


def test_mrcr_deepmind_takes_the_first_twelve_characters_where_no_prefix_is_named() -> None:
    target = "AbCd1234EfGh" + PIECE
    assert mrcr_deepmind(target, f"It is AbCd1234EfGh\n{PIECE}", {})[0] == 1
    assert mrcr_deepmind("short", "short", {})[0] == 0


def test_mrcr_openai_needs_its_prefix() -> None:
    with pytest.raises(UsageError, match="random_string_to_prepend"):
        mrcr_openai(ANSWER, ANSWER, {})


def test_autojunk_is_on_and_matters() -> None:
    """From 200 characters on, difflib takes frequent characters of the second text for junk."""
    answer = " ".join(f"Clause {n} binds party {n * 7} to keep the premises dry." for n in range(12))
    other = " ".join(f"Memo {n}: the auditors of plant {n * 3} ask for the ledgers." for n in range(12))
    metadata = {"random_string_to_prepend": PREFIX}
    value, _ = mrcr_openai(PREFIX + answer, PREFIX + other, metadata)
    assert value == difflib.SequenceMatcher(None, other, answer).ratio()
    assert value < 0.1 < 0.2 < difflib.SequenceMatcher(None, other, answer, autojunk=False).ratio()


def test_the_two_mrcr_graders_compare_in_opposite_orders() -> None:
    answer, other = "tide", "diet"
    metadata = {"random_string_to_prepend": PREFIX}
    one = mrcr_openai(PREFIX + answer, PREFIX + other, metadata)[0]
    two = mrcr_deepmind(PREFIX + answer, PREFIX + other, metadata)[0]
    assert one == difflib.SequenceMatcher(None, other, answer).ratio()
    assert two == difflib.SequenceMatcher(None, answer, other).ratio()
    assert one != two


# graph_f1: EleutherAI/lm-evaluation-harness 4909408, lm_eval/tasks/graphwalks/utils.py, its strict score.
# graph_f1_card: the parser and the formula on the card of openai/graphwalks, April 2025.
# graph_f1_empty: as graph_f1, with both sides empty right.
GRAPHS = [
    (["a", "b", "c", "d"], "Final Answer: [a, b, c, d]", 1, 3 / 4, 1),  # the card: (N - 1) / N
    (["a"], "Final Answer: [a]", 1, 0, 1),
    (["a", "b"], "I walk on.\nFinal Answer: [b, a]", 1, 1 / 2, 1),
    (["a", "b"], "Final Answer: [a, b]\n", 1, 0, 1),  # the card does not drop the last newline
    (["a", "b"], "Final Answer: [a, b]\nThat is all.", 0, 0, 0),
    (["a", "b"], "Final Answer: ['a', \"b\"]", 1, 0, 1),  # quotes stay in the card's nodes
    (["a", "b"], "Final Answer:   [a, b]", 1, 0, 1),  # the card allows one blank
    (["a", "b"], "Final Answer: [a, c]", 1 / 2, 0, 1 / 2),
    (["a", "b"], "Final Answer: [a, a, b]", 1, 4 / 5, 1),  # sets, but "Final Answer: [a" is a node of its own
    (["a"], "Final Answer: [A]", 0, 0, 0),
    (["a"], "final answer: [a]", 0, 0, 0),
    (["a"], "a", 0, 0, 0),
    (["a"], "", 0, 0, 0),
    (["a"], "Final Answer: []", 0, 0, 0),
    ([], "Final Answer: []", 0, 0, 1),  # both empty
    ([], "Final Answer: [a]", 0, 0, 0),
    ([], "none", 0, 0, 0),
]


@pytest.mark.parametrize(("target", "response", "harness", "card", "empty"), GRAPHS)
def test_graphs(target: list[str], response: str, harness: float, card: float, empty: float) -> None:
    assert graph_f1(target, response, {})[0] == pytest.approx(harness)
    assert graph_f1_card(target, response, {})[0] == pytest.approx(card)
    assert graph_f1_empty(target, response, {})[0] == pytest.approx(empty)
