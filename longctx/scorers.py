"""What an answer is worth: small functions, each named after what it follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from longctx import forms, published, thinking
from longctx.compare import NoForm, as_list, normalise, occurrences
from longctx.errors import UsageError, unknown
from longctx.refusals import refuses
from longctx.types import Outcome, Response, Sample, Score

__all__ = [
    "NOISE_MARGIN",
    "SCORERS",
    "Scorer",
    "absent",
    "exact",
    "find_scorer",
    "includes",
    "normalise",
    "occurrences",
    "says_absent",
    "score",
]

Scorer = Callable[[str | list[str], str, Mapping[str, Any]], tuple[float, str]]

NOISE_MARGIN = 0.02
"""How far above ``noise_floor`` of the metadata a score may be and still be wrong: a wrong text copied with a slip."""

_ALIKE = 0.999  # from here on a score of likeness is right

_EDGES = " .。\"'“”"


def includes(target: str | list[str], text: str, metadata: Mapping[str, Any]) -> tuple[float, str]:
    """Share of the targets that stand in the answer as a whole, however numbers and dates are written."""
    targets = as_list(target)
    answer = normalise(text)
    found = sum(occurrences(normalise(one), answer) > 0 for one in targets)
    return (found / len(targets) if targets else 0.0), f"{found} of {len(targets)} found"


def exact(target: str | list[str], text: str, metadata: Mapping[str, Any]) -> tuple[float, str]:
    """1 where the answer is the target and nothing else, but for case, blanks, quotes and a full stop at the end.

    Several targets are alternatives.
    """
    answer = normalise(text).strip(_EDGES)
    hit = any(answer == normalise(one).strip(_EDGES) for one in as_list(target))
    return float(hit), "the same" if hit else "not the same"


def absent(target: str | list[str], text: str, metadata: Mapping[str, Any]) -> tuple[float, str]:
    """1 where the answer says that the documents do not state it, and names no look-alike's value.

    The phrases that say so are ``absent_forms`` of the metadata, or else the target.
    """
    given = _picked(text, metadata)
    if given is not None:
        return 0.0, f"gave a distractor's value, {_short(metadata['distractors'][given]['value'])}"
    forms = metadata.get("absent_forms") or as_list(target)
    hit = says_absent(text, {"absent_forms": forms})
    return float(hit), "said that it is not there" if hit else "did not say that it is not there"


SCORERS: dict[str, Scorer] = {
    "absent": absent,
    "choice": forms.choice,
    "exact": exact,
    "graph_f1": published.graph_f1,
    "graph_f1_card": published.graph_f1_card,
    "graph_f1_empty": published.graph_f1_empty,
    "grounded": forms.grounded,
    "includes": includes,
    "mrcr_deepmind": published.mrcr_deepmind,
    "mrcr_openai": published.mrcr_openai,
    "number": forms.number,
    "ruler_all": published.ruler_all,
    "ruler_part": published.ruler_part,
    "set_f1": forms.set_f1,
}
"""Scorer name → (target, answer, sample's metadata) → value 0-1 and explanation."""


def says_absent(text: str, metadata: Mapping[str, Any]) -> bool:
    """True where the answer holds one of the phrases that mean that the fact is not there."""
    answer = normalise(text).replace("’", "'")
    phrases = (normalise(form).rstrip(".。").replace("’", "'") for form in metadata.get("absent_forms") or ())
    return any(phrase and phrase in answer for phrase in phrases)


def _picked(text: str, metadata: Mapping[str, Any]) -> int | None:
    """Index of the first distractor whose value the answer gives."""
    answer = normalise(text)
    spans = enumerate(metadata.get("distractors") or ())
    return next((index for index, span in spans if occurrences(normalise(span["value"]), answer)), None)


def _short(value: str) -> str:
    return value if len(value) <= 80 else value[:79] + "…"


def find_scorer(name: str) -> Scorer:
    """The scorer of that name.

    Raises:
        UsageError: there is none; says the nearest and all that are.
    """
    if name not in SCORERS:
        raise UsageError(unknown("scorer", name, SCORERS))
    return SCORERS[name]


def score(sample: Sample, response: Response, delimiters: thinking.Delimiters = thinking.KNOWN) -> Score:
    """Score a response, without what the model thought, and say what became of it.

    Args:
        sample: what was asked.
        response: what was answered.
        delimiters: what the model's thoughts stand between; all that are known by default.

    A likeness (``mrcr_…``) is right from 0.999. A score between 0 and 1 is partial, unless the metadata have a
    ``noise_floor_max`` or ``noise_floor``, what an answer gets that is relevant but wrong: up to `NOISE_MARGIN` above
    it the answer is as wrong as with a score of 0, and keeps its score.

    Raises:
        UsageError: the sample names a scorer that does not exist, or lacks something that it needs.
    """
    name = str(sample.metadata["scorer"])
    scorer = find_scorer(name)
    if response.error:
        return Score(0.0, "error", response.error)
    answer, thought = thinking.strip(response.text, delimiters)
    stripped = answer if answer != response.text else ""
    cut = response.finish_reason == "length"
    if not answer.strip():
        if thought and cut:
            return Score(0.0, "truncated_thinking", "the output budget ended while the model was thinking")
        return Score(0.0, "empty", "no output after the thinking" if thought else "no output")
    value, explanation = scorer(sample.target, answer, sample.metadata)
    outcome: Outcome
    picked: int | None = None
    floor = sample.metadata.get("noise_floor_max", sample.metadata.get("noise_floor"))
    noise = floor + NOISE_MARGIN if isinstance(floor, int | float) else 0.0
    if value == 1 or value >= _ALIKE and name.startswith("mrcr_"):
        outcome = "right"
    elif value > noise:
        outcome = "partial"
    elif (picked := _picked(answer, sample.metadata)) is not None:
        given = str(sample.metadata["distractors"][picked]["value"])
        outcome, explanation = "distractor", f"gave a distractor's value, {_short(given)}"
    elif name != "absent" and says_absent(answer, sample.metadata):
        outcome, explanation = "absent", "said that it is not there, though it is"
    elif refuses(answer):
        outcome, explanation = "refused", "declined to answer"
    elif cut:
        outcome, explanation = "truncated", f"{explanation}; the output budget ended"
    elif isinstance(explanation, NoForm):
        outcome, explanation = "bad_format", str(explanation)
    else:
        outcome = "invented" if name == "absent" else "wrong"
    return Score(value, outcome, explanation, stripped, picked)
