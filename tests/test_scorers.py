from __future__ import annotations

from typing import Any

import pytest

from longctx import thinking
from longctx.forms import choice, grounded, number, set_f1
from longctx.scorers import SCORERS, absent, exact, includes, normalise, occurrences, says_absent, score
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


@pytest.mark.parametrize(
    ("name", "text", "outcome"),
    [
        ("includes", "I'm sorry, but I can't help with that.", "refused"),
        ("includes", "I’m unable to provide this information.", "refused"),
        ("includes", "Das kann ich nicht sagen.", "wrong"),
        ("includes", "Tut mir leid, dabei kann ich Ihnen nicht helfen.", "refused"),
        ("includes", "抱歉，我无法回答这个问题。", "refused"),
        ("includes", "I cannot find it.", "wrong"),
        ("includes", "I can't answer for others, but it is 4,318,250.", "right"),
        ("number", "about a dozendozen", "bad_format"),
        ("number", "12 of them", "wrong"),
        ("graph_f1", "a and b", "bad_format"),
        ("mrcr_openai", "the poem", "bad_format"),
        ("choice", "somebody else", "bad_format"),
        ("absent", "It is 99.", "invented"),
        ("absent", "I must decline.", "refused"),
        ("absent", "7,000", "distractor"),
    ],
)
def test_what_became_of_an_answer(name: str, text: str, outcome: str) -> None:
    more = {"random_string_to_prepend": "xyz", "choices": ["Alder", "4,318,250"], "distractors": [{"value": "7,000"}]}
    made = Sample("a", "", "4,318,250", {**ABSENT, **more, "scorer": name})
    scored = score(made, Response("a", text))
    assert scored.outcome == outcome
    assert type(scored.explanation) is str


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


@pytest.mark.parametrize(
    ("target", "answer", "value"),
    [
        ("4,318,250", "It is US$4,318,250.", 1),
        ("4318250", "4 318 250 euros", 1),
        ("4318250", "4,318,250 of 9,000,000 shares", 1),
        ("7", "**7 of 12 contracts**, as of 2031", 1),
        ("7", "Seven of them.", 1),
        ("7", "First 3, then 4, together 7", 1),
        ("7", "7, not 8", 0),
        ("1,234.50", "EUR1.234,50", 1),
        ("1234", "1.234", 1),
        ("1.234", "1.234 litres", 1),
        ("-5", "−5 %", 1),
        ("-5", "a result of (5)", 1),
        ("5", "so (5)", 1),
        ("5", "-5", 0),
        ("4.3 million", "4,300,000", 1),
        ("4300000", "$4.3M", 1),
        ("4300000", "4,3 Mio. EUR", 1),
        ("43000", "4.3万", 1),
        ("4.3", "4.3 milligrams", 1),
        ("4", "4 million", 0),
        ("4300000", "EUR 4.3 million", 1),
        ("12", "12m of cable", 1),
        ("12", "In Q4 it was 12%.", 1),
        ("0.5", "0,5", 1),
        ("1234567", "₹12,34,567", 1),
        (["5", "6"], "6", 1),
        ("5", "", 0),
        ("", "5", 0),
        ("none", "5", 0),
        ("99", r"So it is \boxed{99}, see page 3", 1),
    ],
)
def test_number(target: Any, answer: str, value: float) -> None:
    assert number(target, answer, {})[0] == value


NAMES = ["Acme, Inc.", "Beta LLC", "Gamma"]


@pytest.mark.parametrize(
    ("target", "answer", "value"),
    [
        (NAMES, "Acme, Inc., Beta LLC and Gamma", 1),
        (NAMES, "- gamma\n- ACME, INC.\n- `Beta LLC` (page 3)", 1),
        (NAMES, "They are these:\n\n1. Gamma\n2. Acme, Inc.\n3. Beta LLC\n\nI read all of it.", 1),
        (NAMES, "The contracts that lack it are: Acme, Inc. and Beta LLC, Delta", 2 * 2 / 6),
        (NAMES, 'Final: [Beta LLC, "Gamma"]', 2 * 2 / 5),
        (NAMES, "Gamma, Gamma", 2 * 1 / 4),
        (NAMES, "Acme, Inc., Beta LLC and Gamma, which all lack a clause about the governing law.", 1),
        (NAMES, "none", 0),
        (NAMES, "", 0),
        (["TKT-12", "TKT-120"], "TKT-12, TKT-120-2", 0.5),
        (["合同甲", "合同乙"], "合同甲和合同乙", 1),
        ("Gamma", "Gamma.", 1),
        ([], "None.", 1),
        ([], "[]", 1),
        ([], "No contract lacks it.", 1),
        ([], "That is not stated anywhere.", 1),
        ([], "Gamma", 0),
    ],
)
def test_set_f1(target: Any, answer: str, value: float) -> None:
    assert set_f1(target, answer, ABSENT)[0] == pytest.approx(value)


@pytest.mark.parametrize(
    ("answer", "value", "explanation"),
    [
        ("37, in docs/a 37.pdf", 1, "answer right, file right"),
        ("37 (`A 37.PDF`)", 1, "answer right, file right"),
        ("/home/me/docs/a 37.pdf: 37", 1, "answer right, file right"),
        (r"docs\a 37.pdf says 37", 1, "answer right, file right"),
        ("data 37.pdf: 37", 0.5, "answer right, file not named"),
        ("other/a 37.pdf says 37", 0.5, "answer right, file not named"),
        ("a 37.pdf.bak: 37", 0.5, "answer right, file not named"),
        ("a 37.pdf", 0.5, "answer wrong, file right"),
        ("1937 in b.pdf", 0, "answer wrong, file not named"),
        ("", 0, "answer wrong, file not named"),
    ],
)
def test_grounded(answer: str, value: float, explanation: str) -> None:
    assert grounded(["37", "docs/a 37.pdf"], answer, {}) == (value, explanation)


def test_grounded_needs_an_answer_and_a_file() -> None:
    with pytest.raises(Exception, match="a target of two"):
        grounded("37", "37", {})


@pytest.mark.parametrize(
    ("answer", "value"),
    [("**Dock**", 1), ("The dock, I'd say", 1), ("The North Dock.", 0), ("Dock or Pier", 0), ("Docks", 0), ("", 0)],
)
def test_choice(answer: str, value: float) -> None:
    assert choice("Dock", answer, {"choices": ["Dock", "North Dock", "Pier"]})[0] == value


def test_choice_needs_choices() -> None:
    with pytest.raises(Exception, match="choice needs choices"):
        choice("Dock", "Dock", {})


@pytest.mark.parametrize("name", sorted(SCORERS))
@pytest.mark.parametrize("answer", ["", " ", "\x00", "\ud800", "[", "Final Answer: [", "٣", "𝟛", "(" * 50, "1" * 500])
def test_every_scorer_takes_any_text(name: str, answer: str) -> None:
    metadata = {"random_string_to_prepend": "", "choices": ["a", ""], "absent_forms": None, "distractors": None}
    for target in (["a", ""], ["", ""], ["\ud800", "("]):
        value, explanation = SCORERS[name](target, answer, metadata)
        assert 0 <= value <= 1 and explanation


@pytest.mark.parametrize("name", sorted(SCORERS.keys() - {"grounded", "set_f1", "graph_f1_empty"}))
def test_an_empty_target_is_never_met(name: str) -> None:
    metadata = {"random_string_to_prepend": "p", "choices": ["a"]}
    assert SCORERS[name]([], "x", metadata)[0] == 0


THOUGHTS = [
    ("<think>a 7,000</think>\n\n4,318,250", "4,318,250", "a 7,000"),
    ("so 7,000?</think>4,318,250", "4,318,250", "so 7,000?"),  # the template opened it
    ("<think>\n\n</think>\n\n12", "12", ""),
    ("<thinking>a</thinking>b<thinking>c</thinking>d", "bd", "a\nc"),
    ("<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b", "b", None),
    ("analysisI look.assistantfinalb", "b", "analysisI look."),
    ("◁think▷a◁/think▷b", "b", "a"),
    ("[THINK]a[/THINK]b", "b", "a"),
    ("<seed:think>a </think> b</seed:think>c", "c", None),
    ("<think>and on and", "", "and on and"),
    ("first\n<think>and on", "first", "and on"),
    ("  plain \n", "  plain \n", ""),
    ("The tag is `<think>`.", "The tag is `<think>`.", ""),
    ("", "", ""),
]


@pytest.mark.parametrize(("text", "answer", "thought"), THOUGHTS)
def test_thinking_is_told_apart(text: str, answer: str, thought: str | None) -> None:
    found = thinking.strip(text)
    assert found[0] == answer
    assert thought is None or found[1] == thought


def test_only_the_given_delimiters_count() -> None:
    assert thinking.strip("<think>a</think>b", [("[THINK]", "[/THINK]")]) == ("<think>a</think>b", "")


@pytest.mark.parametrize(
    ("response", "outcome", "value", "answer"),
    [
        (Response("a", "<think>7,000?</think> 4,318,250"), "right", 1, "4,318,250"),
        (Response("a", "<think>4,318,250</think> 7,000"), "distractor", 0, "7,000"),
        (Response("a", "<think>4,318,250 it", finish_reason="length"), "truncated_thinking", 0, ""),
        (Response("a", "<think>4,318,250 it", finish_reason="stop"), "empty", 0, ""),
        (Response("a", "4,318,250"), "right", 1, ""),
    ],
)
def test_what_was_thought_is_not_scored(response: Response, outcome: str, value: float, answer: str) -> None:
    scored = score(sample(distractors=[{"value": "7,000"}]), response)
    assert (scored.outcome, scored.value, scored.answer) == (outcome, value, answer)


def test_a_likeness_is_right_partial_or_no_better_than_a_wrong_text() -> None:
    text = "The lessee keeps the yard swept and the gate shut at night. " * 40
    twin = text.replace("yard", "hall").replace("night", "dawn")
    made = sample("mrcr_openai", "pq" + text, random_string_to_prepend="pq", noise_floor=0.9)
    slip = score(made, Response("a", "pq" + text[:-1]))
    assert slip.outcome == "right" and 0.999 < slip.value < 1
    half = Sample("a", "", "pq" + text, {**made.metadata, "noise_floor": 0.2})
    assert score(half, Response("a", "pq" + text[:900])).outcome == "partial"
    wrong = score(made, Response("a", "pq" + twin))
    assert wrong.outcome == ("partial" if wrong.value > 0.92 else "wrong")
    assert score(made, Response("a", "pq" + text[:900])).outcome == "wrong"
    assert score(made, Response("a", "pq" + text[:900])).value > 0.3
    picked = Sample("a", "", made.target, {**made.metadata, "noise_floor": 1, "distractors": [{"value": twin}]})
    found = score(picked, Response("a", "pq " + twin))
    assert found.outcome == "distractor" and len(found.explanation) < 120
