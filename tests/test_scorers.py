from __future__ import annotations

from typing import Any

import pytest

from longctx.scorers import absent, exact, includes, normalise, occurrences, says_absent, score
from longctx.types import Response, Sample

ABSENT = {"absent_forms": ["not stated", "does not state"]}


def sample(scorer: str = "includes", target: str = "4,318,250", **metadata: Any) -> Sample:
    return Sample("a", "", target, {"scorer": scorer, **ABSENT, **metadata})


@pytest.mark.parametrize(
    ("target", "answer", "value"),
    [
        ("4,318,250", "It is US$4,318,250.", 1),
        ("4,318,250", "4318250", 1),
        ("4,318,250", "**4'318'250** dollars", 1),
        ("4,318,250", "The fee is 14,318,250", 0),
        ("4,318,250", "4,318,25", 0),
        ("4318250", "4.318.250 Euro", 1),
        ("37", "37.", 1),
        ("37", "37.5", 0),
        ("37", "1937", 0),
        ("37.5", "37.5 mg", 1),
        ("QX-4411-AB", "the form qx-4411-ab, I think", 1),
        ("QX-4411-AB", "QX-4411-ABC", 0),
        ("Nora Bell", "It was  nora\nbell.", 1),
        ("4817263", "编号为4817263。", 1),
        ("12 March 2031", "On 12 March 2031, it ends", 1),
        ("2 March 2031", "On 12 March 2031", 0),
        ("RETRY_LIMIT", "`RETRY_LIMIT`", 1),
        ("412,750", "US$412,750.00", 1),
        ("412,750", "US$412,750.05", 0),
        ("4 March 2031", "March 4th, 2031", 1),
        ("4 March 2031", "14 March 2031", 0),
    ],
)
def test_includes(target: str, answer: str, value: float) -> None:
    assert includes(target, answer, {})[0] == value


def test_includes_gives_the_share_of_several_targets() -> None:
    assert includes(["4411", "7712"], "only 4411", {})[0] == 0.5


@pytest.mark.parametrize(("answer", "value"), [("“4,318,250”.", 1), ("4318250", 1), ("It is 4,318,250", 0)])
def test_exact(answer: str, value: float) -> None:
    assert exact("4,318,250", answer, {})[0] == value


def test_absent() -> None:
    assert absent("Not stated.", "This is NOT stated anywhere.", ABSENT)[0] == 1
    assert absent("Not stated.", "The document doesn’t state it", {"absent_forms": ["doesn't state"]})[0] == 1
    assert absent("Not stated.", "It is 5,000.", ABSENT)[0] == 0
    picked = {**ABSENT, "distractors": [{"value": "5,000"}]}
    assert absent("Not stated.", "Not stated, perhaps 5000", picked) == (0.0, "gave a distractor's value, 5,000")


@pytest.mark.parametrize(
    ("response", "outcome", "value"),
    [
        (Response("a", "US$4,318,250"), "right", 1),
        (Response("a", "about 99"), "wrong", 0),
        (Response("a", "7,000 it is"), "distractor", 0),
        (Response("a", "Not stated."), "absent", 0),
        (Response("a", "well, let me", finish_reason="length"), "truncated", 0),
        (Response("a", "4,318,250 and so on", finish_reason="length"), "right", 1),
        (Response("a", "  \n"), "empty", 0),
        (Response("a", "", error="503"), "error", 0),
    ],
)
def test_outcomes(response: Response, outcome: str, value: float) -> None:
    scored = score(sample(distractors=[{"value": "7,000"}]), response)
    assert (scored.outcome, scored.value) == (outcome, value)


def test_an_answer_that_names_only_some_targets_is_partial() -> None:
    made = Sample("a", "", ["4411", "7712"], {"scorer": "includes"})
    assert score(made, Response("a", "4411")).outcome == "partial"


def test_an_unknown_scorer_names_those_there_are() -> None:
    with pytest.raises(Exception, match=r"Unknown scorer 'include'. Did you mean 'includes'\?"):
        score(sample("include"), Response("a", "x"))


def test_numbers_with_and_without_separators_are_the_same() -> None:
    assert normalise("1,234,567") == normalise("1’234’567") == normalise("1\u202f234\u202f567") == "1234567"
    assert normalise("1,5") == "1,5" and normalise("1.234") == "1.234" and normalise("3,141592") == "3,141592"


def test_occurrences_count_whole_words() -> None:
    assert occurrences("37", "37, 37.5, 137 and 37") == 2


def test_says_absent_is_not_fooled_by_a_value() -> None:
    assert not says_absent("It is stated as 5,000.", ABSENT)
