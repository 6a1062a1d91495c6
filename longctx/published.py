"""Scorers that other people published, each as its source has it, from 0 to 1.

Only thinking is taken out before (`scorers.score`), and only what would divide by nothing is defined anew: it is 0.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

from longctx.compare import NoForm, as_list
from longctx.errors import UsageError

_CONTROL = re.compile(r"[\x00-\x1f]")
_LAST_LIST = re.compile(r"Final Answer:\s*\[(.*)\]")
_CARD_LIST = re.compile(r"Final Answer: ?\[.*\]")
_DEEPMIND_PREFIX = 12  # characters


def ruler_all(target: str | list[str], text: str, metadata: Mapping[str, Any]) -> tuple[float, str]:
    """RULER's ``string_match_all``: share of the references that occur, lower-cased, anywhere in the prediction.

    Source: NVIDIA/RULER c3f5e3b, scripts/eval. Control characters become newlines first. RULER prints the mean over
    samples in percent, rounded to two decimals.
    """
    references, found = _ruler_found(target, text)
    return (found / references if references else 0.0), f"{found} of {references} references found"


def ruler_part(target: str | list[str], text: str, metadata: Mapping[str, Any]) -> tuple[float, str]:
    """RULER's ``string_match_part``, for its question answering: 1 where any reference occurs; else as `ruler_all`."""
    references, found = _ruler_found(target, text)
    return float(found > 0), f"{found} of {references} references found; one is enough"


def _ruler_found(target: str | list[str], text: str) -> tuple[int, int]:
    references = as_list(target)
    prediction = _CONTROL.sub("\n", text.strip()).strip().lower()
    return len(references), sum(reference.lower() in prediction for reference in references)


def mrcr_openai(target: str | list[str], text: str, metadata: Mapping[str, Any]) -> tuple[float, str]:
    """OpenAI's MRCR grader: 0 unless the response starts with the prefix, else how alike the rest is to the answer's.

    Source: the card of the dataset openai/mrcr. Likeness is ``difflib``'s ratio of response and answer, in this order
    and with its default heuristic (autojunk), which matters for texts of 200 characters and more.

    Raises:
        UsageError: the metadata lack ``random_string_to_prepend``.
    """
    prefix = metadata.get("random_string_to_prepend")
    if not isinstance(prefix, str):
        raise UsageError("mrcr_openai needs random_string_to_prepend, a text, in the metadata.")
    if not text.startswith(prefix):
        return 0.0, NoForm("does not start with the prefix")
    answer = "".join(as_list(target)).removeprefix(prefix)
    ratio = difflib.SequenceMatcher(None, text.removeprefix(prefix), answer).ratio()
    return ratio, f"starts with the prefix; the rest is alike to {ratio:.3f}"


def mrcr_deepmind(target: str | list[str], text: str, metadata: Mapping[str, Any]) -> tuple[float, str]:
    """DeepMind's MRCR v2 metric: what follows the last occurrence of the prefix, compared with the answer.

    Source: google-deepmind/eval_hub 67b7fd2, mrcr_v2. What it does counts, not its docstring, which wants the prefix
    first. The prefix is ``random_string_to_prepend`` of the metadata, or else the target's first 12 characters.
    Likeness is ``difflib``'s ratio of target and prediction, in this order: the other way round than OpenAI's.
    """
    expected = "".join(as_list(target)).strip()
    prefix = metadata.get("random_string_to_prepend")
    if not isinstance(prefix, str) or not prefix:
        prefix = expected[:_DEEPMIND_PREFIX] if len(expected) >= _DEEPMIND_PREFIX else ""
    before, found, rest = text.strip().rpartition(prefix) if prefix else ("", "", "")
    if not found:
        return 0.0, NoForm("does not hold the prefix")
    ratio = difflib.SequenceMatcher(None, expected.removeprefix(prefix).strip(), rest.strip()).ratio()
    return ratio, f"after {len(before):,} characters and the prefix the rest is alike to {ratio:.3f}"


def graph_f1(target: str | list[str], text: str, metadata: Mapping[str, Any]) -> tuple[float, str]:
    """GraphWalks as EleutherAI's lm-evaluation-harness scores it: F1 of the nodes listed in the last line.

    Source: lm_eval/tasks/graphwalks at 4909408. The last line has the form ``Final Answer: [a, b]``; quotes around a
    node go. An empty target gets 0, also where the answer is empty.
    """
    found = _last_list(text)
    if found is None:
        return 0.0, NoForm("the last line has no list after 'Final Answer:'")
    return _set_f1(set(as_list(target)), found)


def graph_f1_empty(target: str | list[str], text: str, metadata: Mapping[str, Any]) -> tuple[float, str]:
    """As `graph_f1`, but an empty list is right where the target is empty.

    This convention is that of model reports from 2026 on, after it was noticed how many of the dataset's answers are
    empty. An answer without a list is still 0.
    """
    if not as_list(target) and _last_list(text) == set():
        return 1.0, "both are empty"
    return graph_f1(target, text, metadata)


def graph_f1_card(target: str | list[str], text: str, metadata: Mapping[str, Any]) -> tuple[float, str]:
    """GraphWalks with the parser that its dataset card prints, which keeps the label in the first node.

    Source: the card of the dataset openai/graphwalks, first edition (April 2025). The first node of
    ``Final Answer: [a, b]`` becomes ``Final Answer: [a``, so that a perfect answer of N nodes gets (N - 1) / N and
    an empty list counts as one wrong node. An empty target gets 0. The card's edition of February 2026 gives 1
    wherever nothing fits, to wrong answers as well; that is not followed.
    """
    match = _CARD_LIST.search(text.split("\n")[-1])
    if match is None:
        return 0.0, NoForm("the last line has no list after 'Final Answer:'")
    nodes = {node.strip() for node in match[0].strip("[]").split(",")} - {""}
    return _set_f1(set(as_list(target)), nodes)


def _last_list(text: str) -> set[str] | None:
    """Nodes that the last line lists; None where it lists none, not even an empty list."""
    match = _LAST_LIST.search(text.rstrip("\n").split("\n")[-1])
    return None if match is None else {node.strip().strip("'\"") for node in match[1].split(",") if node.strip()}


def _set_f1(target: set[str], found: set[str]) -> tuple[float, str]:
    shared = len(target & found)
    value = 2 * shared / (len(target) + len(found)) if shared else 0.0
    return value, f"{shared} of {len(target)} nodes found, {len(found) - shared} that do not belong"
